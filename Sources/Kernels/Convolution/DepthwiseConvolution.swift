/// Convolution along time with one filter per channel, kernel 3 or any odd size, stride 1 or more, zeros beyond the ends.
///
/// Output row i of a sequence of length T stands at input row i * stride; there are ceil(T / stride) of them.
public enum DepthwiseConvolution {
    /// y [outputs, channels]; w [kernel, channels].
    public static func forward(
        _ x: UnsafePointer<Float>, channels: Int, _ w: UnsafePointer<Float>, kernel: Int, stride: Int, offsets: [Int], outputOffsets: [Int],
        into y: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .depthwiseConvolution, operations: 2 * kernel * outputOffsets[outputOffsets.count - 1] * channels,
                bytes: 4 * (offsets[offsets.count - 1] + outputOffsets[outputOffsets.count - 1]) * channels)
        }
        forEachOutputRow(offsets, outputOffsets) { output, position, begin, end in
            forwardRow(x, channels: channels, w, kernel: kernel, at: begin + position * stride, of: begin..<end, into: y + output * channels)
        }
    }

    /// The output row that stands at row `center` of x, in a sequence of the given rows.
    @inline(__always)
    static func forwardRow(
        _ x: UnsafePointer<Float>, channels: Int, _ w: UnsafePointer<Float>, kernel: Int, at center: Int, of sequence: Range<Int>,
        into target: UnsafeMutablePointer<Float>
    ) {
        let begin = center - kernel / 2
        let first = max(sequence.lowerBound, begin), last = min(sequence.upperBound, begin + kernel)
        forEachPiece(0..<channels) { c, n in
            var sum = Vector()
            for row in first..<last { sum = sum.addingProduct(load(x + row * channels + c, n), load(w + (row - begin) * channels + c, n)) }
            store(target + c, sum, n)
        }
    }

    /// dx [rows, channels] (+= when `add`).
    public static func backwardInput(
        _ dy: UnsafePointer<Float>, channels: Int, _ w: UnsafePointer<Float>, kernel: Int, stride: Int, offsets: [Int], outputOffsets: [Int],
        into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .depthwiseConvolution, operations: 2 * kernel * outputOffsets[outputOffsets.count - 1] * channels,
                bytes: 4 * (offsets[offsets.count - 1] + outputOffsets[outputOffsets.count - 1]) * channels)
        }
        let half = kernel / 2
        offsets.withUnsafeBufferPointer { offsets in
            outputOffsets.withUnsafeBufferPointer { outputOffsets in
                Threads.overRanges(offsets[offsets.count - 1]) { rows in
                    var b = 0
                    for row in rows {
                        while offsets[b + 1] <= row { b += 1 }
                        let t = row - offsets[b], outputs = outputOffsets[b + 1] - outputOffsets[b]
                        // Outputs i with |i * stride - t| <= half.
                        let first = max(0, (t - half + stride - 1) / stride), last = min(outputs - 1, (t + half) / stride)
                        let target = dx + row * channels
                        forEachPiece(0..<channels) { c, n in
                            var sum = add ? load(target + c, n) : Vector()
                            var i = first
                            while i <= last {
                                let j = t - i * stride + half
                                if j >= 0 && j < kernel {
                                    sum = sum.addingProduct(
                                        load(dy + (outputOffsets[b] + i) * channels + c, n), load(w + j * channels + c, n))
                                }
                                i += 1
                            }
                            store(target + c, sum, n)
                        }
                    }
                }
            }
        }
    }

    /// dw [kernel, channels] (+= when `add`).
    public static func backwardWeight(
        _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, channels: Int, kernel: Int, stride: Int, offsets: [Int], outputOffsets: [Int],
        into dw: UnsafeMutablePointer<Float>, add: Bool
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .depthwiseConvolution, operations: 2 * kernel * outputOffsets[outputOffsets.count - 1] * channels,
                bytes: 4 * (offsets[offsets.count - 1] + outputOffsets[outputOffsets.count - 1]) * channels)
        }
        let half = kernel / 2, outputs = outputOffsets[outputOffsets.count - 1]
        Threads.summing(rows: outputs, into: dw, count: kernel * channels, add: add) { range, partial in
            var b = 0
            for output in range {
                while outputOffsets[b + 1] <= output { b += 1 }
                let center = offsets[b] + (output - outputOffsets[b]) * stride
                for j in 0..<kernel {
                    let row = center + j - half
                    guard row >= offsets[b], row < offsets[b + 1] else { continue }
                    let target = partial + j * channels
                    forEachPiece(0..<channels) { c, n in
                        store(
                            target + c,
                            load(target + c, n).addingProduct(load(x + row * channels + c, n), load(dy + output * channels + c, n)), n)
                    }
                }
            }
        }
    }

    /// Output rows divided among threads: (output row, its position in the sequence, ends of the input sequence).
    @inline(__always)
    static func forEachOutputRow(_ offsets: [Int], _ outputOffsets: [Int], _ body: (Int, Int, Int, Int) -> Void) {
        offsets.withUnsafeBufferPointer { offsets in
            Threads.overSequenceRows(outputOffsets) { row, outputBegin, _ in
                // The sequence whose outputs begin here; empty sequences share a beginning with the next one and have no rows.
                var low = 0, high = outputOffsets.count - 2
                while low < high {
                    let middle = (low + high + 1) / 2
                    if outputOffsets[middle] <= row { low = middle } else { high = middle - 1 }
                }
                body(row, row - outputBegin, offsets[low], offsets[low + 1])
            }
        }
    }
}
