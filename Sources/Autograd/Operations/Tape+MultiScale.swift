extension Tape {
    /// Some rows of the multi-scale representation: every level up-sampled (nearest) to the finest one's length, channels concatenated. Only the rows
    /// asked for are made.
    ///
    /// - Parameters:
    ///   - levels: finest first, each half as long as the one before (rounded up), packed alike; row t of a sequence takes row `t >> l` of level l.
    ///   - frames: per sequence, rows of the finest level, 0 for its first.
    /// - Returns: [frames of all sequences, levels * channels], sequence by sequence.
    public func multiScaleRows(_ levels: [PackedSequence], frames: [[Int]]) -> PackedSequence {
        let channels = levels[0].columns, width = levels.count * channels
        for (finer, coarser) in zip(levels, levels.dropFirst()) {
            precondition(coarser.offsets == stridedOffsets(finer.offsets, stride: 2) && coarser.columns == channels)
        }
        precondition(frames.count == levels[0].count)
        var offsets = [0]
        for list in frames { offsets.append(offsets[offsets.count - 1] + list.count) }
        // Per level, the row of its matrix that each frame takes.
        let sources = levels.enumerated().map { l, level in
            frames.enumerated().flatMap { b, list in
                list.map { t in
                    precondition(t >= 0 && t < levels[0].rows(of: b).count, "frame \(t) of a sequence of \(levels[0].rows(of: b).count)")
                    return level.offsets[b] + (t >> l)
                }
            }
        }
        let y = Tensor(rows: offsets[offsets.count - 1], columns: width, requiresGradient: isRecording)
        for (l, level) in levels.enumerated() where !Rehearsal.isRunning {
            for (i, row) in sources[l].enumerated() {
                (y.values + i * width + l * channels).update(from: level.tensor.values + row * channels, count: channels)
            }
        }
        let tensors = levels.map(\.tensor)
        record {
            guard let dy = y.gradient else { return }
            for (l, tensor) in tensors.enumerated() where tensor.requiresGradient {
                let (dx, add) = tensor.gradientToWrite()
                if Rehearsal.isRunning { continue }
                if !add { dx.update(repeating: 0, count: tensor.count) }
                for (i, row) in sources[l].enumerated() {
                    let from = dy + i * width + l * channels, to = dx + row * channels
                    for c in 0..<channels { to[c] += from[c] }
                }
            }
        }
        return PackedSequence(y, offsets: offsets)
    }
}
