/// Multi-head attention in which position t of a sequence sees positions |t - u| <= reach of the same sequence.
///
/// q, k, v, out [rows, heads * headChannels], head h in columns h * headChannels ...; probabilities [rows, heads, 2 * reach + 1], entry j for u = t + j - reach,
/// zero beyond the ends.
public enum WindowedAttention {
    public struct Shape {
        public var heads: Int, headChannels: Int, reach: Int
        public var offsets: [Int]
        public init(heads: Int, headChannels: Int, reach: Int, offsets: [Int]) {
            self.heads = heads
            self.headChannels = headChannels
            self.reach = reach
            self.offsets = offsets
        }
        public var rows: Int { offsets[offsets.count - 1] }
        public var channels: Int { heads * headChannels }
        public var width: Int { 2 * reach + 1 }
        var scale: Float { 1 / Float(headChannels).squareRoot() }
        /// Of the forward pass, as if every position saw a whole window: scores, weighted sum, softmax.
        var operations: Int { rows * width * (4 * channels + 25 * heads) }
    }

    /// - Parameter relative: [heads, width] added to the scores before the softmax, or nil.
    public static func forward(
        _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, relative: UnsafePointer<Float>?, _ shape: Shape,
        into out: UnsafeMutablePointer<Float>, probabilities: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .attention, operations: shape.operations, bytes: 4 * shape.rows * (4 * shape.channels + shape.heads * shape.width)) }
        let C = shape.channels, D = shape.headChannels, W = shape.width, reach = shape.reach, scale = shape.scale
        Threads.overSequenceRows(shape.offsets, grain: 16) { t, begin, end in
            let first = max(begin, t - reach), last = min(end, t + reach + 1), skip = first - (t - reach)
            for h in 0..<shape.heads {
                let q = q + t * C + h * D, p = probabilities + (t * shape.heads + h) * W
                p.update(repeating: 0, count: W)
                var highest = -Float.infinity
                for u in first..<last {
                    var score = dot(q, k + u * C + h * D, D) * scale
                    let j = u - first + skip
                    if let relative { score += relative[h * W + j] }
                    p[j] = score
                    highest = max(highest, score)
                }
                var total: Float = 0
                let count = last - first
                forEachPiece(skip..<skip + count) { j, n in
                    let e = exponential(load(p + j, n) - highest)
                    store(p + j, e, n)
                    for lane in 0..<n { total += e[lane] }
                }
                let inverse = 1 / total
                let out = out + t * C + h * D
                for j in skip..<skip + count { p[j] *= inverse }
                forEachPiece(0..<D) { c, n in
                    var sum = Vector()
                    for u in first..<last {
                        sum = sum.addingProduct(Vector(repeating: p[u - first + skip]), load(v + u * C + h * D + c, n))
                    }
                    store(out + c, sum, n)
                }
            }
        }
    }

    /// Gradients of q, k and v (stored) and of the relative positions (stored over, or added when `addRelative`).
    ///
    /// - Parameter scratch: [rows, heads, width]: receives the gradient of the scores.
    public static func backward(
        _ dOut: UnsafePointer<Float>, _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>,
        probabilities: UnsafePointer<Float>, _ shape: Shape, scratch: UnsafeMutablePointer<Float>, dq: UnsafeMutablePointer<Float>,
        dk: UnsafeMutablePointer<Float>, dv: UnsafeMutablePointer<Float>, dRelative: UnsafeMutablePointer<Float>?, addRelative: Bool
    ) {
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .attention, operations: 2 * shape.operations, bytes: 4 * shape.rows * (7 * shape.channels + 3 * shape.heads * shape.width)) }
        let C = shape.channels, D = shape.headChannels, W = shape.width, H = shape.heads, reach = shape.reach, scale = shape.scale
        // Score gradients and dq, row by row.
        Threads.overSequenceRows(shape.offsets, grain: 16) { t, begin, end in
            let first = max(begin, t - reach), last = min(end, t + reach + 1), skip = first - (t - reach)
            for h in 0..<H {
                let g = dOut + t * C + h * D, p = probabilities + (t * H + h) * W, ds = scratch + (t * H + h) * W
                ds.update(repeating: 0, count: W)
                var mean: Float = 0
                for u in first..<last {
                    let j = u - first + skip
                    ds[j] = dot(g, v + u * C + h * D, D)
                    mean += p[j] * ds[j]
                }
                for j in skip..<skip + last - first { ds[j] = p[j] * (ds[j] - mean) }
                forEachPiece(0..<D) { c, n in
                    var sum = Vector()
                    for u in first..<last {
                        sum = sum.addingProduct(Vector(repeating: ds[u - first + skip]), load(k + u * C + h * D + c, n))
                    }
                    store(dq + t * C + h * D + c, sum * scale, n)
                }
            }
        }
        // dk and dv gather from the positions that saw them.
        Threads.overSequenceRows(shape.offsets, grain: 16) { u, begin, end in
            let first = max(begin, u - reach), last = min(end, u + reach + 1)
            for h in 0..<H {
                forEachPiece(0..<D) { c, n in
                    var sumK = Vector(), sumV = Vector()
                    for t in first..<last {
                        let entry = (t * H + h) * W + u - t + reach
                        sumK = sumK.addingProduct(Vector(repeating: scratch[entry]), load(q + t * C + h * D + c, n))
                        sumV = sumV.addingProduct(Vector(repeating: probabilities[entry]), load(dOut + t * C + h * D + c, n))
                    }
                    store(dk + u * C + h * D + c, sumK * scale, n)
                    store(dv + u * C + h * D + c, sumV, n)
                }
            }
        }
        if let dRelative { Reductions.columnSums(scratch, rows: shape.rows, channels: H * W, into: dRelative, add: addRelative) }
    }

    @inline(__always)
    static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
        var total = Vector()
        forEachPiece(0..<count) { i, n in total = total.addingProduct(load(a + i, n), load(b + i, n)) }
        return sum(total)
    }
}
