/// Multi-head attention in which position t of a sequence sees positions |t - u| <= reach of the same sequence.
///
/// q, k, v, out [rows, heads * headChannels], head h in columns h * headChannels ...; probabilities [rows, heads, 2 * reach + 1], entry j for
/// u = t + j - reach, zero beyond the ends.
public enum WindowedAttention {
    /// Sizes of the attention over packed sequences.
    public struct Shape {
        public var heads: Int, headChannels: Int, reach: Int
        /// Ends of the sequences, first 0, last the number of rows.
        public var offsets: [Int]
        /// `reach` rows are seen on both sides; `offsets` are those of a packed sequence: ascending, first 0, last the number of rows.
        public init(heads: Int, headChannels: Int, reach: Int, offsets: [Int]) {
            self.heads = heads
            self.headChannels = headChannels
            self.reach = reach
            self.offsets = offsets
        }
        public var rows: Int { offsets[offsets.count - 1] }
        public var channels: Int { heads * headChannels }
        /// Positions that one position sees, itself among them.
        public var width: Int { 2 * reach + 1 }
        var scale: Float { 1 / Float(headChannels).squareRoot() }
        /// Of the forward pass, as if every position saw a whole window: scores, weighted sum, softmax.
        var operations: Int { rows * width * (4 * channels + 25 * heads) }
    }

    /// - Parameters:
    ///   - q: queries, [rows, heads * head channels].
    ///   - k: keys, like the queries.
    ///   - v: values, like the queries.
    ///   - relative: [heads, width] added to the scores before the softmax, or nil.
    ///   - shape: heads, channels, window and sequences.
    ///   - out: receives the result, [rows, heads * head channels].
    ///   - probabilities: [rows, heads, width], kept for backward.
    public static func forward(
        _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, relative: UnsafePointer<Float>?, _ shape: Shape,
        into out: UnsafeMutablePointer<Float>, probabilities: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .attention, operations: shape.operations,
                bytes: 4 * shape.rows * (4 * shape.channels + shape.heads * shape.width))
        }
        let C = shape.channels, D = shape.headChannels, W = shape.width, reach = shape.reach, scale = shape.scale
        Threads.overSequenceRows(shape.offsets, grain: 16) { t, begin, end in
            let first = max(begin, t - reach), last = min(end, t + reach + 1), skip = first - (t - reach)
            for h in 0..<shape.heads {
                let q = q + t * C + h * D, p = probabilities + (t * shape.heads + h) * W
                p.update(repeating: 0, count: W)
                dots(q, k + first * C + h * D, stride: C, rows: last - first, D, into: p + skip)
                var highest = -Float.infinity
                for j in skip..<skip + last - first {
                    var score = p[j] * scale
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
                weightedSum(p + skip, v + first * C + h * D, stride: C, rows: last - first, D, scale: 1, into: out)
            }
        }
    }

    /// Gradients of q, k and v (stored) and of the relative positions (stored over, or added when `addRelative`).
    ///
    /// - Parameters:
    ///   - dOut: gradient of the result, [rows, heads * head channels].
    ///   - q: queries, [rows, heads * head channels].
    ///   - k: keys, like the queries.
    ///   - v: values, like the queries.
    ///   - probabilities: [rows, heads, width], kept for backward.
    ///   - shape: heads, channels, window and sequences.
    ///   - scratch: [rows, heads, width]: receives the gradient of the scores.
    ///   - dq: receives the gradient of the queries.
    ///   - dk: receives the gradient of the keys.
    ///   - dv: receives the gradient of the values.
    ///   - dRelative: receives the gradient of the relative positions, [heads, width]; nil without them.
    ///   - addRelative: whether the gradient of the relative positions is added to what is there.
    public static func backward(
        _ dOut: UnsafePointer<Float>, _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>,
        probabilities: UnsafePointer<Float>, _ shape: Shape, scratch: UnsafeMutablePointer<Float>, dq: UnsafeMutablePointer<Float>,
        dk: UnsafeMutablePointer<Float>, dv: UnsafeMutablePointer<Float>, dRelative: UnsafeMutablePointer<Float>?, addRelative: Bool
    ) {
        let began = KernelCounter.begin()
        defer {
            KernelCounter.end(
                began, .attention, operations: 2 * shape.operations,
                bytes: 4 * shape.rows * (7 * shape.channels + 3 * shape.heads * shape.width))
        }
        let C = shape.channels, D = shape.headChannels, W = shape.width, H = shape.heads, reach = shape.reach, scale = shape.scale
        // Score gradients and dq, row by row.
        Threads.overSequenceRows(shape.offsets, grain: 16) { t, begin, end in
            let first = max(begin, t - reach), last = min(end, t + reach + 1), skip = first - (t - reach)
            for h in 0..<H {
                let g = dOut + t * C + h * D, p = probabilities + (t * H + h) * W, ds = scratch + (t * H + h) * W
                ds.update(repeating: 0, count: W)
                dots(g, v + first * C + h * D, stride: C, rows: last - first, D, into: ds + skip)
                var mean: Float = 0
                for j in skip..<skip + last - first { mean += p[j] * ds[j] }
                for j in skip..<skip + last - first { ds[j] = p[j] * (ds[j] - mean) }
                weightedSum(ds + skip, k + first * C + h * D, stride: C, rows: last - first, D, scale: scale, into: dq + t * C + h * D)
            }
        }
        // dk and dv gather from the positions that saw them.
        Threads.overSequenceRows(shape.offsets, grain: 16) { u, begin, end in
            let first = max(begin, u - reach), last = min(end, u + reach + 1)
            for h in 0..<H {
                // Entry of position t for u: one row further, one entry less.
                let entry = (first * H + h) * W + u - first + reach, q = q + first * C + h * D, g = dOut + first * C + h * D
                weightedSum(scratch + entry, weightStride: H * W - 1, q, stride: C, rows: last - first, D, scale: scale, into: dk + u * C + h * D)
                weightedSum(probabilities + entry, weightStride: H * W - 1, g, stride: C, rows: last - first, D, scale: 1, into: dv + u * C + h * D)
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

    /// result[r] = a . b[r] for rows r of b; four at a time, whose sums do not wait for each other.
    @inline(__always)
    private static func dots(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, stride: Int, rows: Int, _ count: Int, into result: UnsafeMutablePointer<Float>
    ) {
        var r = 0
        while r &+ 4 <= rows {
            let b0 = b + r * stride, b1 = b0 + stride, b2 = b1 + stride, b3 = b2 + stride
            var t0 = Vector(), t1 = Vector(), t2 = Vector(), t3 = Vector()
            forEachPiece(0..<count) { i, n in
                let v = load(a + i, n)
                t0 = t0.addingProduct(v, load(b0 + i, n))
                t1 = t1.addingProduct(v, load(b1 + i, n))
                t2 = t2.addingProduct(v, load(b2 + i, n))
                t3 = t3.addingProduct(v, load(b3 + i, n))
            }
            result[r] = sum(t0)
            result[r + 1] = sum(t1)
            result[r + 2] = sum(t2)
            result[r + 3] = sum(t3)
            r &+= 4
        }
        while r < rows {
            result[r] = dot(a, b + r * stride, count)
            r &+= 1
        }
    }

    /// result = scale * sum over rows r of weight[r] * x[r]; 64 columns at a time, whose sums do not wait for each other.
    @inline(__always)
    private static func weightedSum(
        _ weights: UnsafePointer<Float>, weightStride: Int = 1, _ x: UnsafePointer<Float>, stride: Int, rows: Int, _ count: Int, scale: Float,
        into result: UnsafeMutablePointer<Float>
    ) {
        var c = 0
        while c &+ 64 <= count {
            var s0 = Vector(), s1 = Vector(), s2 = Vector(), s3 = Vector()
            var row = x + c, weight = weights
            for _ in 0..<rows {
                let w = Vector(repeating: weight.pointee)
                s0 = s0.addingProduct(w, load(row))
                s1 = s1.addingProduct(w, load(row + 16))
                s2 = s2.addingProduct(w, load(row + 32))
                s3 = s3.addingProduct(w, load(row + 48))
                row += stride
                weight += weightStride
            }
            store(result + c, s0 * scale)
            store(result + c + 16, s1 * scale)
            store(result + c + 32, s2 * scale)
            store(result + c + 48, s3 * scale)
            c &+= 64
        }
        forEachPiece(c..<count) { c, n in
            var sum = Vector()
            for r in 0..<rows { sum = sum.addingProduct(Vector(repeating: weights[r * weightStride]), load(x + r * stride + c, n)) }
            store(result + c, sum * scale, n)
        }
    }
}
