/// Normalisation over all rows of a sequence and the channels of a group (Wu and He, arXiv 1803.08494):
/// y = (x - mean) / sqrt(variance + eps) * weight + bias, population variance. Group g holds channels `g * channels / groups` and those that follow.
public enum GroupNorm {
    /// - Parameters:
    ///   - x: [rows, channels], the sequences one after another.
    ///   - channels: values of a row.
    ///   - groups: divides the channels.
    ///   - offsets: rows at which the sequences end, first 0, last the number of rows.
    ///   - weight: [channels].
    ///   - bias: [channels].
    ///   - eps: added to the variance.
    ///   - y: receives the result, [rows, channels].
    ///   - statistics: [sequences, 2, channels], mean and 1/sqrt(variance + eps) of each channel's group, kept for backward.
    public static func forward(
        _ x: UnsafePointer<Float>, channels: Int, groups: Int, offsets: [Int], _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>,
        eps: Float = 1e-5, into y: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin(), elements = offsets[offsets.count - 1] * channels
        defer { KernelCounter.end(began, .groupNorm, operations: 8 * elements, bytes: 16 * elements) }
        for b in 0..<offsets.count - 1 where offsets[b + 1] > offsets[b] {
            let x = x + offsets[b] * channels, y = y + offsets[b] * channels, length = offsets[b + 1] - offsets[b]
            let mean = statistics + 2 * b * channels, inverse = mean + channels
            let count = Double(length * (channels / groups))
            Threads.summing(rows: length, into: mean, count: channels, add: false) { range, partial in
                for row in range {
                    let x = x + row * channels
                    forEachPiece(0..<channels) { c, n in store(partial + c, load(partial + c, n) + load(x + c, n), n) }
                }
            }
            overGroups(mean, channels: channels, groups: groups) { Float($0 / count) }
            Threads.summing(rows: length, into: inverse, count: channels, add: false) { range, partial in
                for row in range {
                    let x = x + row * channels
                    forEachPiece(0..<channels) { c, n in
                        let d = load(x + c, n) - load(mean + c, n)
                        store(partial + c, load(partial + c, n).addingProduct(d, d), n)
                    }
                }
            }
            overGroups(inverse, channels: channels, groups: groups) { Float(1 / ($0 / count + Double(eps)).squareRoot()) }
            Threads.overRanges(length) { range in
                for row in range {
                    let x = x + row * channels, y = y + row * channels
                    forEachPiece(0..<channels) { c, n in
                        let normalized = (load(x + c, n) - load(mean + c, n)) * load(inverse + c, n)
                        store(y + c, load(bias + c, n).addingProduct(normalized, load(weight + c, n)), n)
                    }
                }
            }
        }
    }

    /// Gradients of the input (stored, or added when `addInput`), weight and bias (added when `addWeight`).
    public static func backward(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, statistics: UnsafePointer<Float>, channels: Int, groups: Int, offsets: [Int],
        _ weight: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>?, addInput: Bool, dWeight: UnsafeMutablePointer<Float>,
        dBias: UnsafeMutablePointer<Float>, addWeight: Bool
    ) {
        let began = KernelCounter.begin(), elements = offsets[offsets.count - 1] * channels
        defer { KernelCounter.end(began, .groupNorm, operations: 14 * elements, bytes: 4 * (addInput ? 6 : 5) * elements) }
        if !addWeight {
            dWeight.update(repeating: 0, count: channels)
            dBias.update(repeating: 0, count: channels)
        }
        // Sums over a sequence's rows of dy * normalised x and of dy; then their weighted means over each group.
        let sums = UnsafeMutablePointer<Float>.allocate(capacity: 2 * channels), plain = sums + channels
        defer { sums.deallocate() }
        for b in 0..<offsets.count - 1 where offsets[b + 1] > offsets[b] {
            let dy = dy + offsets[b] * channels, x = x + offsets[b] * channels, length = offsets[b + 1] - offsets[b]
            let mean = statistics + 2 * b * channels, inverse = mean + channels
            Threads.summing(rows: length, into: sums, count: 2 * channels, add: false) { range, partial in
                let partialPlain = partial + channels
                for row in range {
                    let dy = dy + row * channels, x = x + row * channels
                    forEachPiece(0..<channels) { c, n in
                        let g = load(dy + c, n), normalized = (load(x + c, n) - load(mean + c, n)) * load(inverse + c, n)
                        store(partial + c, load(partial + c, n).addingProduct(g, normalized), n)
                        store(partialPlain + c, load(partialPlain + c, n) + g, n)
                    }
                }
            }
            for c in 0..<channels {
                dWeight[c] += sums[c]
                dBias[c] += plain[c]
                sums[c] *= weight[c]
                plain[c] *= weight[c]
            }
            guard let dx = dx.map({ $0 + offsets[b] * channels }) else { continue }
            let count = Double(length * (channels / groups))
            overGroups(sums, channels: channels, groups: groups) { Float($0 / count) }
            overGroups(plain, channels: channels, groups: groups) { Float($0 / count) }
            Threads.overRanges(length) { range in
                for row in range {
                    let dy = dy + row * channels, x = x + row * channels, dx = dx + row * channels
                    forEachPiece(0..<channels) { c, n in
                        let scale = load(inverse + c, n), normalized = (load(x + c, n) - load(mean + c, n)) * scale
                        let value = ((load(dy + c, n) * load(weight + c, n) - load(plain + c, n)) - normalized * load(sums + c, n)) * scale
                        store(dx + c, addInput ? load(dx + c, n) + value : value, n)
                    }
                }
            }
        }
    }

    /// Puts `value(sum over the group)` in the place of every channel's value.
    private static func overGroups(_ values: UnsafeMutablePointer<Float>, channels: Int, groups: Int, _ value: (Double) -> Float) {
        let width = channels / groups
        for group in 0..<groups {
            let own = values + group * width
            var total = 0.0
            for c in 0..<width { total += Double(own[c]) }
            own.update(repeating: value(total), count: width)
        }
    }
}
