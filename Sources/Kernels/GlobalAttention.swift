/// Multi-head attention in which every position sees all positions of its sequence; matrix products per sequence and head.
///
/// probabilities: for every sequence, head by head, a [length, length] matrix; `probabilityOffsets` says where each sequence begins.
public enum GlobalAttention {
    public struct Shape {
        public var heads: Int, headChannels: Int
        public var offsets: [Int]
        public init(heads: Int, headChannels: Int, offsets: [Int]) {
            self.heads = heads
            self.headChannels = headChannels
            self.offsets = offsets
        }
        public var channels: Int { heads * headChannels }
        var scale: Float { 1 / Float(headChannels).squareRoot() }
        /// Of the forward pass: scores, weighted sum, softmax.
        var operations: Int { probabilityCount * (4 * headChannels + 25) }
        /// Floats that the probabilities of all sequences take.
        public var probabilityCount: Int {
            (0..<offsets.count - 1).reduce(0) { $0 + heads * (offsets[$1 + 1] - offsets[$1]) * (offsets[$1 + 1] - offsets[$1]) }
        }
    }

    public static func forward(
        _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, _ shape: Shape, into out: UnsafeMutablePointer<Float>,
        probabilities: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .attention, operations: shape.operations,
                bytes: 4 * (4 * shape.offsets[shape.offsets.count - 1] * shape.channels + 3 * shape.probabilityCount))
        }
        let C = shape.channels, D = shape.headChannels
        forEachHead(shape) { begin, T, h, entry in
            let p = probabilities + entry, column = begin * C + h * D
            MatrixMultiply.multiply(
                m: T, n: T, k: D, q + column, lda: C, k + column, ldb: C, transposeB: true, into: p, ldc: T, alpha: shape.scale)
            Threads.overRanges(T, grain: 16) { rows in
                for t in rows { softmax(p + t * T, T) }
            }
            MatrixMultiply.multiply(m: T, n: D, k: T, p, lda: T, v + column, ldb: C, into: out + column, ldc: C)
        }
    }

    /// Gradients of q, k, v are stored. `scratch` holds at least length * length floats of the longest sequence.
    public static func backward(
        _ dOut: UnsafePointer<Float>, _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>,
        probabilities: UnsafePointer<Float>, _ shape: Shape, scratch: UnsafeMutablePointer<Float>, dq: UnsafeMutablePointer<Float>,
        dk: UnsafeMutablePointer<Float>, dv: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .attention, operations: 2 * shape.operations,
                bytes: 4 * (7 * shape.offsets[shape.offsets.count - 1] * shape.channels + 5 * shape.probabilityCount))
        }
        let C = shape.channels, D = shape.headChannels
        forEachHead(shape) { begin, T, h, entry in
            let p = probabilities + entry, column = begin * C + h * D
            MatrixMultiply.multiply(m: T, n: D, k: T, p, lda: T, transposeA: true, dOut + column, ldb: C, into: dv + column, ldc: C)
            MatrixMultiply.multiply(m: T, n: T, k: D, dOut + column, lda: C, v + column, ldb: C, transposeB: true, into: scratch, ldc: T)
            Threads.overRanges(T, grain: 16) { rows in
                for t in rows {
                    let p = p + t * T, ds = scratch + t * T
                    let mean = WindowedAttention.dot(p, ds, T)
                    forEachPiece(0..<T) { u, n in store(ds + u, load(p + u, n) * (load(ds + u, n) - mean), n) }
                }
            }
            MatrixMultiply.multiply(m: T, n: D, k: T, scratch, lda: T, k + column, ldb: C, into: dq + column, ldc: C, alpha: shape.scale)
            MatrixMultiply.multiply(
                m: T, n: D, k: T, scratch, lda: T, transposeA: true, q + column, ldb: C, into: dk + column, ldc: C, alpha: shape.scale)
        }
    }

    private static func forEachHead(_ shape: Shape, _ body: (_ begin: Int, _ length: Int, _ head: Int, _ entry: Int) -> Void) {
        var entry = 0
        for b in 0..<shape.offsets.count - 1 {
            let length = shape.offsets[b + 1] - shape.offsets[b]
            guard length > 0 else { continue }
            for h in 0..<shape.heads {
                body(shape.offsets[b], length, h, entry)
                entry += length * length
            }
        }
    }

    @inline(__always)
    private static func softmax(_ row: UnsafeMutablePointer<Float>, _ count: Int) {
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
}
