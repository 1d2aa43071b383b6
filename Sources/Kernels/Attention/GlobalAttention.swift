/// Multi-head attention in which every position sees all positions of its sequence; matrix products per sequence and head.
///
/// probabilities: for every sequence that keeps them, head by head, a [length, length] matrix, one sequence after another. Longer sequences, and all
/// of them in inference, keep none: they are computed in blocks of query rows (`GlobalAttention+Blocks.swift`).
public enum GlobalAttention {
    /// Sizes of the attention over packed sequences.
    public struct Shape {
        public var heads: Int, headChannels: Int
        /// Ends of the sequences, first 0, last the number of rows.
        public var offsets: [Int]
        /// Rows of the longest sequence whose probabilities are kept for backward; those of longer ones are computed again there.
        public var longestKept: Int

        /// 4 heads keep 268 MB at this length, and four times as much at twice of it.
        public static let defaultLongestKept = 4096

        /// `offsets` are those of a packed sequence: ascending, first 0, last the number of rows.
        public init(heads: Int, headChannels: Int, offsets: [Int], longestKept: Int = Shape.defaultLongestKept) {
            self.heads = heads
            self.headChannels = headChannels
            self.offsets = offsets
            self.longestKept = longestKept
        }
        /// Columns of q, k, v and the output.
        public var channels: Int { heads * headChannels }
        var scale: Float { 1 / Float(headChannels).squareRoot() }
        private var lengths: [Int] { (0..<offsets.count - 1).map { offsets[$0 + 1] - offsets[$0] } }
        /// Number of probabilities, kept or not.
        private var pairCount: Int { lengths.reduce(0) { $0 + heads * $1 * $1 } }
        /// Of the forward pass: scores, weighted sum, softmax.
        var operations: Int { pairCount * (4 * headChannels + 25) }
        var forwardBytes: Int { 4 * (4 * offsets[offsets.count - 1] * channels + 3 * pairCount) }
        var backwardBytes: Int { 4 * (7 * offsets[offsets.count - 1] * channels + 5 * pairCount) }

        func keeps(_ length: Int) -> Bool { length <= longestKept }

        /// Floats that the kept probabilities of all sequences take.
        public var probabilityCount: Int { lengths.reduce(0) { $0 + (keeps($1) ? heads * $1 * $1 : 0) } }

        /// Floats of scratch that `forward` needs, with probabilities kept or none.
        public func forwardScratchCount(keepsProbabilities: Bool) -> Int {
            lengths.reduce(0) { max($0, keepsProbabilities && keeps($1) ? 0 : blockScratchCount($1)) }
        }

        /// Floats of scratch that `backward` needs.
        public var backwardScratchCount: Int {
            lengths.reduce(0) { max($0, keeps($1) ? $1 * $1 : 2 * heads * min($1, GlobalAttention.rowsPerRound) * $1) }
        }
    }

    /// - Parameters:
    ///   - q: queries, [rows, heads * head channels].
    ///   - k: keys, like the queries.
    ///   - v: values, like the queries.
    ///   - shape: heads, channels, window and sequences.
    ///   - out: receives the result, [rows, heads * head channels].
    ///   - probabilities: receives those that are kept for backward; nil when there is none.
    ///   - scratch: `shape.forwardScratchCount` floats.
    public static func forward(
        _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, _ shape: Shape, into out: UnsafeMutablePointer<Float>,
        probabilities: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .attention, operations: shape.operations, bytes: shape.forwardBytes) }
        let C = shape.channels, D = shape.headChannels
        forEachSequence(shape) { begin, T, entry in
            guard let probabilities, shape.keeps(T) else {
                let first = begin * C
                forwardInBlocks(q + first, k + first, v + first, shape, length: T, into: out + first, scratch: scratch)
                return
            }
            for h in 0..<shape.heads {
                let p = probabilities + entry + h * T * T, column = begin * C + h * D
                MatrixMultiply.multiply(
                    m: T, n: T, k: D, q + column, lda: C, k + column, ldb: C, transposeB: true, into: p, ldc: T, alpha: shape.scale)
                Threads.overRanges(T, grain: 16) { rows in
                    for t in rows { softmax(p + t * T, T) }
                }
                MatrixMultiply.multiply(m: T, n: D, k: T, p, lda: T, v + column, ldb: C, into: out + column, ldc: C)
            }
        }
    }

    /// Gradients of q, k, v are stored.
    ///
    /// - Parameters:
    ///   - dOut: gradient of the result, [rows, heads * head channels].
    ///   - q: queries, [rows, heads * head channels].
    ///   - k: keys, like the queries.
    ///   - v: values, like the queries.
    ///   - probabilities: what `forward` has kept.
    ///   - shape: heads, channels, window and sequences.
    ///   - scratch: `shape.backwardScratchCount` floats.
    ///   - dq: receives the gradient of the queries.
    ///   - dk: receives the gradient of the keys.
    ///   - dv: receives the gradient of the values.
    public static func backward(
        _ dOut: UnsafePointer<Float>, _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>,
        probabilities: UnsafePointer<Float>, _ shape: Shape, scratch: UnsafeMutablePointer<Float>, dq: UnsafeMutablePointer<Float>,
        dk: UnsafeMutablePointer<Float>, dv: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .attention, operations: 2 * shape.operations, bytes: shape.backwardBytes) }
        let C = shape.channels, D = shape.headChannels
        forEachSequence(shape) { begin, T, entry in
            guard shape.keeps(T) else {
                let first = begin * C
                backwardInBlocks(
                    dOut + first, q + first, k + first, v + first, shape, length: T, scratch: scratch, dq: dq + first, dk: dk + first, dv: dv + first)
                return
            }
            for h in 0..<shape.heads {
                let p = probabilities + entry + h * T * T, column = begin * C + h * D
                MatrixMultiply.multiply(m: T, n: D, k: T, p, lda: T, transposeA: true, dOut + column, ldb: C, into: dv + column, ldc: C)
                MatrixMultiply.multiply(m: T, n: T, k: D, dOut + column, lda: C, v + column, ldb: C, transposeB: true, into: scratch, ldc: T)
                Threads.overRanges(T, grain: 16) { rows in
                    for t in rows { scoreGradient(p + t * T, scratch + t * T, T) }
                }
                MatrixMultiply.multiply(m: T, n: D, k: T, scratch, lda: T, k + column, ldb: C, into: dq + column, ldc: C, alpha: shape.scale)
                MatrixMultiply.multiply(
                    m: T, n: D, k: T, scratch, lda: T, transposeA: true, q + column, ldb: C, into: dk + column, ldc: C, alpha: shape.scale)
            }
        }
    }

    /// - Parameter body: takes the first row, the length, and where the kept probabilities begin.
    private static func forEachSequence(_ shape: Shape, _ body: (_ begin: Int, _ length: Int, _ entry: Int) -> Void) {
        var entry = 0
        for b in 0..<shape.offsets.count - 1 {
            let length = shape.offsets[b + 1] - shape.offsets[b]
            guard length > 0 else { continue }
            body(shape.offsets[b], length, entry)
            if shape.keeps(length) { entry += shape.heads * length * length }
        }
    }

    @inline(__always)
    static func softmax(_ row: UnsafeMutablePointer<Float>, _ count: Int) {
        var highest = -Float.infinity
        for i in 0..<count { highest = max(highest, row[i]) }
        var total: Float = 0
        forEachPiece(0..<count) { i, n in
            let e = exponential(load(row + i, n) - highest)
            store(row + i, e, n)
            if n == 16 { total += sum(e) } else { for lane in 0..<n { total += e[lane] } }
        }
        let inverse = 1 / total
        forEachPiece(0..<count) { i, n in store(row + i, load(row + i, n) * inverse, n) }
    }

    /// The gradient of a row's scores, in place of that of its probabilities: `p (dp - p . dp)`.
    @inline(__always)
    static func scoreGradient(_ p: UnsafePointer<Float>, _ ds: UnsafeMutablePointer<Float>, _ count: Int) {
        let mean = WindowedAttention.dot(p, ds, count)
        forEachPiece(0..<count) { u, n in store(ds + u, load(p + u, n) * (load(ds + u, n) - mean), n) }
    }
}
