/// Depthwise convolutions of the same rows, each followed by a layer norm, in one pass over the rows: what attention projects to queries, keys and
/// values. The bits are those of `DepthwiseConvolution` and `LayerNorm` one after the other.
public enum NormedDepthwise {
    /// One convolution with its norm; outputs are the rows of the result.
    public struct Branch<Result> {
        let filter: UnsafePointer<Float>
        let scale: UnsafePointer<Float>
        let shift: UnsafePointer<Float>
        let convolved: UnsafeMutablePointer<Float>
        let normed: UnsafeMutablePointer<Result>
        let statistics: UnsafeMutablePointer<Float>

        /// - Parameters:
        ///   - filter: of the convolution, [kernel, channels].
        ///   - scale: the norm's weight, [channels].
        ///   - shift: the norm's bias, [channels].
        ///   - convolved: receives the convolution, [outputs, channels]; may be the place of a `normed` in float32.
        ///   - normed: receives the result, [outputs, channels].
        ///   - statistics: [outputs, 2], see `LayerNorm`.
        public init(
            filter: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>, convolved: UnsafeMutablePointer<Float>,
            normed: UnsafeMutablePointer<Result>, statistics: UnsafeMutablePointer<Float>
        ) {
            (self.filter, self.scale, self.shift) = (filter, scale, shift)
            (self.convolved, self.normed, self.statistics) = (convolved, normed, statistics)
        }
    }

    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - channels: values of a row.
    ///   - kernel: rows of the filters, odd.
    ///   - stride: rows from one result to the next.
    ///   - offsets: ends of the sequences of x, first 0.
    ///   - outputOffsets: those of the result.
    ///   - branches: what is computed.
    public static func forward(
        _ x: UnsafePointer<Float>, channels: Int, kernel: Int, stride: Int, offsets: [Int], outputOffsets: [Int], _ branches: [Branch<Float>]
    ) {
        forward(x, channels: channels, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputOffsets, branches) { place, v, n in
            store(place, v, n)
        }
    }

    /// The same with results rounded to bfloat16.
    public static func forward(
        _ x: UnsafePointer<Float>, channels: Int, kernel: Int, stride: Int, offsets: [Int], outputOffsets: [Int], _ branches: [Branch<BFloat16>]
    ) {
        forward(x, channels: channels, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputOffsets, branches) { place, v, n in
            store(place, roundedToBFloat16(v), n)
        }
    }

    @inline(__always)
    private static func forward<Result>(
        _ x: UnsafePointer<Float>, channels: Int, kernel: Int, stride: Int, offsets: [Int], outputOffsets: [Int], _ branches: [Branch<Result>],
        _ write: (_ place: UnsafeMutablePointer<Result>, Vector, _ lanes: Int) -> Void
    ) {
        let outputs = outputOffsets[outputOffsets.count - 1], size = MemoryLayout<Result>.size
        let began = KernelCounter.begin()
        defer {
            let written = branches.reduce(0) { $0 + size + (UnsafeRawPointer($1.convolved) == UnsafeRawPointer($1.normed) ? 0 : 4) }
            KernelCounter.within(began, .layerNorm, operations: 8 * branches.count * outputs * channels)
            KernelCounter.end(
                began, .depthwiseConvolution, operations: 2 * kernel * branches.count * outputs * channels,
                bytes: (4 * offsets[offsets.count - 1] + written * outputs) * channels)
        }
        branches.withUnsafeBufferPointer { branches in
            DepthwiseConvolution.forEachOutputRow(offsets, outputOffsets) { output, position, begin, end in
                for branch in branches {
                    let convolved = branch.convolved + output * channels, normed = branch.normed + output * channels
                    DepthwiseConvolution.forwardRow(
                        x, channels: channels, branch.filter, kernel: kernel, at: begin + position * stride, of: begin..<end, into: convolved)
                    LayerNorm.forwardRow(
                        convolved, channels: channels, branch.scale, branch.shift, statistics: branch.statistics + 2 * output
                    ) { c, v, n in
                        write(normed + c, v, n)
                    }
                }
            }
        }
    }
}
