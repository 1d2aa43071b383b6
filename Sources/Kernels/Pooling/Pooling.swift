/// Max-pooling, average-pooling and nearest up-sampling along time.
public enum Pooling {
    /// Max over rows i*stride - kernel/2 ... i*stride + kernel/2 of the sequence; what is beyond the ends is ignored.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - channels: values of a row.
    ///   - kernel: rows that a maximum is taken over, odd.
    ///   - stride: rows from one result to the next.
    ///   - offsets: rows at which the sequences end, first 0, last the number of rows.
    ///   - outputOffsets: the same of the result.
    ///   - y: receives [outputs, channels].
    ///   - winners: [outputs, channels], the input row (0-based in the packed matrix) each maximum came from; the first of equals.
    public static func maxForward(
        _ x: UnsafePointer<Float>, channels: Int, kernel: Int, stride: Int, offsets: [Int], outputOffsets: [Int],
        into y: UnsafeMutablePointer<Float>, winners: UnsafeMutablePointer<Int32>?
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .pooling, operations: kernel * outputOffsets[outputOffsets.count - 1] * channels,
                bytes: 4 * (offsets[offsets.count - 1] + outputOffsets[outputOffsets.count - 1]) * channels)
        }
        let half = kernel / 2
        DepthwiseConvolution.forEachOutputRow(offsets, outputOffsets) { output, position, begin, end in
            let center = begin + position * stride
            let first = max(begin, center - half), last = min(end, center + half + 1)
            let y = y + output * channels
            guard let winners = winners.map({ $0 + output * channels }) else {
                y.update(from: x + first * channels, count: channels)
                for row in first + 1..<max(last, first + 1) {
                    let x = x + row * channels
                    forEachPiece(0..<channels) { c, n in store(y + c, maximum(load(y + c, n), load(x + c, n)), n) }
                }
                return
            }
            forEachPiece(0..<channels) { c, n in
                var best = load(x + first * channels + c, n), winner = SIMD16<Int32>(repeating: Int32(truncatingIfNeeded: first))
                for row in first + 1..<max(last, first + 1) {
                    let value = load(x + row * channels + c, n), isGreater = value .> best
                    best = best.replacing(with: value, where: isGreater)
                    winner = winner.replacing(with: Int32(truncatingIfNeeded: row), where: isGreater)
                }
                store(y + c, best, n)
                if n == 16 {
                    UnsafeMutableRawPointer(winners + c).storeBytes(of: winner, as: SIMD16<Int32>.self)
                } else {
                    for lane in 0..<n { winners[c + lane] = winner[lane] }
                }
            }
        }
    }

    /// dx [rows, channels] gets dy at the winners (stored over zeros, or added).
    public static func maxBackward(
        _ dy: UnsafePointer<Float>, winners: UnsafePointer<Int32>, channels: Int, offsets: [Int], outputOffsets: [Int],
        into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .pooling, operations: outputOffsets[outputOffsets.count - 1] * channels,
                bytes: 4 * (offsets[offsets.count - 1] + outputOffsets[outputOffsets.count - 1]) * channels)
        }
        let rows = offsets[offsets.count - 1], outputs = outputOffsets[outputOffsets.count - 1]
        // Neighbouring outputs may share a winner, so channels are shared out, not rows.
        Threads.overBlocks(channels, block: 16, parts: rows * channels < 1 << 14 ? 1 : ComputeContext.current.threads) { range in
            if !add {
                for row in 0..<rows { (dx + row * channels + range.lowerBound).update(repeating: 0, count: range.count) }
            }
            for output in 0..<outputs {
                for c in range { dx[Int(winners[output * channels + c]) * channels + c] += dy[output * channels + c] }
            }
        }
    }

    /// The sum of rows i*size ..< (i + 1)*size of the sequence, divided by `size`: rows beyond the end count as zeros.
    ///
    /// PyTorch's `AvgPool1d(size, stride=size)` on a sequence that zeros fill up to a multiple of `size`.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - channels: values of a row.
    ///   - size: rows of a window, and from one window to the next.
    ///   - offsets: rows at which the sequences end, first 0, last the number of rows.
    ///   - outputOffsets: the same of the result, ceil(length / size) rows per sequence.
    ///   - y: receives [outputs, channels].
    public static func averageForward(
        _ x: UnsafePointer<Float>, channels: Int, size: Int, offsets: [Int], outputOffsets: [Int], into y: UnsafeMutablePointer<Float>
    ) {
        let scale = Vector(repeating: 1 / Float(size))
        KernelCounter.count(
            .pooling, operations: offsets[offsets.count - 1] * channels,
            bytes: 4 * (offsets[offsets.count - 1] + outputOffsets[outputOffsets.count - 1]) * channels
        ) {
            DepthwiseConvolution.forEachOutputRow(offsets, outputOffsets) { output, position, begin, end in
                let first = begin + position * size, last = min(end, first + size), y = y + output * channels
                forEachPiece(0..<channels) { c, n in
                    var sum = load(x + first * channels + c, n)
                    for row in first + 1..<max(last, first + 1) { sum += load(x + row * channels + c, n) }
                    store(y + c, sum * scale, n)
                }
            }
        }
    }

    /// dx [rows, channels] (+)= dy of the row's window, divided by `size`.
    public static func averageBackward(
        _ dy: UnsafePointer<Float>, channels: Int, size: Int, offsets: [Int], outputOffsets: [Int], into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        let scale = Vector(repeating: 1 / Float(size))
        KernelCounter.count(
            .pooling, operations: offsets[offsets.count - 1] * channels,
            bytes: 4 * (offsets[offsets.count - 1] + outputOffsets[outputOffsets.count - 1]) * channels
        ) {
            DepthwiseConvolution.forEachOutputRow(offsets, outputOffsets) { output, position, begin, end in
                let first = begin + position * size, dy = dy + output * channels
                for row in first..<min(end, first + size) {
                    let dx = dx + row * channels
                    forEachPiece(0..<channels) { c, n in
                        let share = load(dy + c, n) * scale
                        store(dx + c, add ? load(dx + c, n) + share : share, n)
                    }
                }
            }
        }
    }

    /// fine [rows, channels] += coarse of row position / factor, sequence by sequence.
    public static func addUpsampled(
        _ coarse: UnsafePointer<Float>, channels: Int, factor: Int, offsets: [Int], coarseOffsets: [Int], to fine: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .pooling, operations: offsets[offsets.count - 1] * channels,
                bytes: 4 * (2 * offsets[offsets.count - 1] + coarseOffsets[coarseOffsets.count - 1]) * channels)
        }
        for b in 0..<offsets.count - 1 {
            let begin = offsets[b], coarseBegin = coarseOffsets[b]
            Threads.overRanges(offsets[b + 1] - begin) { range in
                for t in range {
                    let source = coarse + (coarseBegin + t / factor) * channels, target = fine + (begin + t) * channels
                    forEachPiece(0..<channels) { c, n in store(target + c, load(target + c, n) + load(source + c, n), n) }
                }
            }
        }
    }

    /// The transpose: dCoarse (+)= sums of the dFine rows it was copied to.
    public static func addUpsampledBackward(
        _ dFine: UnsafePointer<Float>, channels: Int, factor: Int, offsets: [Int], coarseOffsets: [Int], into dCoarse: UnsafeMutablePointer<Float>,
        add: Bool
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .pooling, operations: offsets[offsets.count - 1] * channels,
                bytes: 4 * (offsets[offsets.count - 1] + coarseOffsets[coarseOffsets.count - 1]) * channels)
        }
        for b in 0..<offsets.count - 1 {
            let begin = offsets[b], coarseBegin = coarseOffsets[b], length = offsets[b + 1] - begin
            Threads.overRanges(coarseOffsets[b + 1] - coarseBegin) { range in
                for i in range {
                    let target = dCoarse + (coarseBegin + i) * channels
                    if !add { target.update(repeating: 0, count: channels) }
                    for t in i * factor..<max(i * factor, min(length, (i + 1) * factor)) {
                        let source = dFine + (begin + t) * channels
                        forEachPiece(0..<channels) { c, n in store(target + c, load(target + c, n) + load(source + c, n), n) }
                    }
                }
            }
        }
    }
}
