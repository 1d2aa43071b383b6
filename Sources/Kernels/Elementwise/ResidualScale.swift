/// y = x + factor(sequence) * scale(channel) * branch: the residual connection with layer scale and drop path.
public enum ResidualScale {
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - branch: [rows, channels].
    ///   - scale: [channels].
    ///   - factors: one per sequence: 1 in evaluation; 0 or 1 / keep probability in training.
    ///   - channels: values of a row.
    ///   - offsets: rows at which the sequences end, first 0, last the number of rows.
    ///   - y: receives the result, [rows, channels].
    public static func forward(
        _ x: UnsafePointer<Float>, _ branch: UnsafePointer<Float>, _ scale: UnsafePointer<Float>, factors: [Float], channels: Int, offsets: [Int],
        into y: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .elementWise, operations: 3 * offsets[offsets.count - 1] * channels,
                bytes: 12 * offsets[offsets.count - 1] * channels)
        }
        forEachSequenceRow(offsets, factors) { row, factor in
            let x = x + row * channels, branch = branch + row * channels, y = y + row * channels
            forEachPiece(0..<channels) { c, n in
                store(y + c, load(x + c, n).addingProduct(load(branch + c, n) * load(scale + c, n), Vector(repeating: factor)), n)
            }
        }
    }

    /// dBranch (+)= factor * scale * dy.
    public static func backwardBranch(
        _ dy: UnsafePointer<Float>, _ scale: UnsafePointer<Float>, factors: [Float], channels: Int, offsets: [Int],
        into dBranch: UnsafeMutablePointer<Float>, add: Bool
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .elementWise, operations: 2 * offsets[offsets.count - 1] * channels,
                bytes: 4 * (add ? 3 : 2) * offsets[offsets.count - 1] * channels)
        }
        forEachSequenceRow(offsets, factors) { row, factor in
            let dy = dy + row * channels, out = dBranch + row * channels
            forEachPiece(0..<channels) { c, n in
                let g = load(dy + c, n) * load(scale + c, n) * factor
                store(out + c, add ? load(out + c, n) + g : g, n)
            }
        }
    }

    /// dScale [channels] (+)= sum over rows of factor * branch * dy.
    public static func backwardScale(
        _ dy: UnsafePointer<Float>, _ branch: UnsafePointer<Float>, factors: [Float], channels: Int, offsets: [Int],
        into dScale: UnsafeMutablePointer<Float>, add: Bool
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .reduction, operations: 3 * offsets[offsets.count - 1] * channels,
                bytes: 8 * offsets[offsets.count - 1] * channels)
        }
        Threads.summing(rows: offsets[offsets.count - 1], into: dScale, count: channels, add: add) { range, partial in
            var b = 0
            for row in range {
                while offsets[b + 1] <= row { b += 1 }
                let dy = dy + row * channels, branch = branch + row * channels, factor = factors[b]
                forEachPiece(0..<channels) { c, n in
                    store(partial + c, load(partial + c, n).addingProduct(load(dy + c, n) * load(branch + c, n), Vector(repeating: factor)), n)
                }
            }
        }
    }

    @inline(__always)
    private static func forEachSequenceRow(_ offsets: [Int], _ factors: [Float], _ body: (_ row: Int, _ factor: Float) -> Void) {
        Threads.overRanges(offsets[offsets.count - 1]) { range in
            var b = 0
            for row in range {
                while offsets[b + 1] <= row { b += 1 }
                body(row, factors[b])
            }
        }
    }
}
