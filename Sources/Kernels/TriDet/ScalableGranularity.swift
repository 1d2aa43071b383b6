/// The sum at the end of a scalable-granularity perception layer (TriDet, arXiv 2303.07347, Eq. 3):
/// `y = instant * gate(sequence) + (narrow + wide) * modulation + x`, element by element.
public enum ScalableGranularity {
    /// A buffer for a gradient, and whether it already holds one.
    public typealias Destination = (pointer: UnsafeMutablePointer<Float>, add: Bool)

    /// - Parameters:
    ///   - instant: [rows, channels].
    ///   - gate: [sequences, channels].
    ///   - narrow: [rows, channels].
    ///   - wide: [rows, channels].
    ///   - modulation: [rows, channels].
    ///   - x: [rows, channels].
    ///   - channels: values of a row.
    ///   - offsets: rows at which the sequences end, first 0, last the number of rows.
    ///   - y: [rows, channels].
    public static func forward(
        instant: UnsafePointer<Float>, gate: UnsafePointer<Float>, narrow: UnsafePointer<Float>, wide: UnsafePointer<Float>,
        modulation: UnsafePointer<Float>, x: UnsafePointer<Float>, channels: Int, offsets: [Int], into y: UnsafeMutablePointer<Float>
    ) {
        let elements = offsets[offsets.count - 1] * channels
        KernelCounter.count(.elementWise, operations: 5 * elements, bytes: 24 * elements) {
            overRows(offsets, channels: channels) { sequence, begin in
                let gate = gate + sequence * channels
                forEachPiece(0..<channels) { c, n in
                    let i = begin + c
                    let windows = (load(narrow + i, n) + load(wide + i, n)) * load(modulation + i, n)
                    store(y + i, windows.addingProduct(load(instant + i, n), load(gate + c, n)) + load(x + i, n), n)
                }
            }
        }
    }

    /// Gradients of all arrays but the gate; nil where none is wanted.
    public static func backward(
        _ dy: UnsafePointer<Float>, gate: UnsafePointer<Float>, narrow: UnsafePointer<Float>, wide: UnsafePointer<Float>,
        modulation: UnsafePointer<Float>, channels: Int, offsets: [Int], instant dInstant: Destination?, narrow dNarrow: Destination?,
        wide dWide: Destination?, modulation dModulation: Destination?, x dx: Destination?
    ) {
        @inline(__always) func put(_ value: Vector, _ i: Int, _ n: Int, _ destination: Destination?) {
            guard let destination else { return }
            store(destination.pointer + i, destination.add ? load(destination.pointer + i, n) + value : value, n)
        }
        let elements = offsets[offsets.count - 1] * channels
        KernelCounter.count(.elementWise, operations: 4 * elements, bytes: 36 * elements) {
            overRows(offsets, channels: channels) { sequence, begin in
                let gate = gate + sequence * channels
                forEachPiece(0..<channels) { c, n in
                    let i = begin + c, g = load(dy + i, n), windows = g * load(modulation + i, n)
                    put(g * load(gate + c, n), i, n, dInstant)
                    put(windows, i, n, dNarrow)
                    put(windows, i, n, dWide)
                    put(g * (load(narrow + i, n) + load(wide + i, n)), i, n, dModulation)
                    put(g, i, n, dx)
                }
            }
        }
    }

    /// dGate [sequences, channels] (+)= sums over each sequence's rows of dy * instant.
    public static func backwardGate(
        _ dy: UnsafePointer<Float>, instant: UnsafePointer<Float>, channels: Int, offsets: [Int], into dGate: UnsafeMutablePointer<Float>, add: Bool
    ) {
        let began = KernelCounter.begin(), elements = offsets[offsets.count - 1] * channels
        defer { KernelCounter.end(began, .reduction, operations: 2 * elements, bytes: 8 * elements) }
        for b in 0..<offsets.count - 1 {
            let dy = dy + offsets[b] * channels, instant = instant + offsets[b] * channels
            Threads.summing(rows: offsets[b + 1] - offsets[b], into: dGate + b * channels, count: channels, add: add) { range, partial in
                for row in range {
                    let dy = dy + row * channels, instant = instant + row * channels
                    forEachPiece(0..<channels) { c, n in
                        store(partial + c, load(partial + c, n).addingProduct(load(dy + c, n), load(instant + c, n)), n)
                    }
                }
            }
        }
    }

    /// Rows divided among threads: the sequence, and where the row begins.
    @inline(__always)
    private static func overRows(_ offsets: [Int], channels: Int, _ body: (_ sequence: Int, _ begin: Int) -> Void) {
        offsets.withUnsafeBufferPointer { offsets in
            Threads.overRanges(offsets[offsets.count - 1]) { range in
                var b = 0
                for row in range {
                    while offsets[b + 1] <= row { b += 1 }
                    body(b, row * channels)
                }
            }
        }
    }
}
