/// Sums.
public enum Reductions {
    /// out [channels] = column sums of x [rows, channels] (+ out when `add`).
    public static func columnSums(_ x: UnsafePointer<Float>, rows: Int, channels: Int, into out: UnsafeMutablePointer<Float>, add: Bool) {
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .reduction, operations: rows * channels, bytes: 4 * rows * channels) }
        Threads.summing(rows: rows, into: out, count: channels, add: add) { range, partial in
            for row in range {
                let x = x + row * channels
                forEachPiece(0..<channels) { c, n in store(partial + c, load(partial + c, n) + load(x + c, n), n) }
            }
        }
    }

    /// Sum of squares in double precision, in an order that depends on the count alone.
    public static func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .reduction, operations: 2 * count, bytes: 4 * count) }
        return Threads.sum(count, block: 1 << 14) { range in
            var low = SIMD8<Double>(), high = SIMD8<Double>()
            var rest = 0.0
            var i = range.lowerBound
            while i + 16 <= range.upperBound {
                let v = load(x + i)
                let l = SIMD8<Double>(v.lowHalf), h = SIMD8<Double>(v.highHalf)
                low = low.addingProduct(l, l)
                high = high.addingProduct(h, h)
                i += 16
            }
            while i < range.upperBound {
                rest += Double(x[i]) * Double(x[i])
                i += 1
            }
            return (low + high).sum() + rest
        }
    }
}
