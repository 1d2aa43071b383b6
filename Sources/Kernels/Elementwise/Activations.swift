/// Element-wise passes over whole matrices.
public enum Activations {
    /// y = max(x, 0).
    public static func relu(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
        overElements(count, operations: 1, arrays: 2) { i, n in
            let v = load(x + i, n)
            store(y + i, v.replacing(with: 0, where: v .< 0), n)
        }
    }

    /// dx = dy where y > 0, else 0.
    public static func reluBackward(
        _ dy: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int, into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        overElements(count, operations: 1, arrays: add ? 4 : 3) { i, n in
            let g = load(dy + i, n).replacing(with: 0, where: load(y + i, n) .<= 0)
            store(dx + i, add ? load(dx + i, n) + g : g, n)
        }
    }

    /// y = x/2 (1 + erf(x / sqrt 2)), the exact GELU.
    public static func gelu(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
        overElements(count, operations: 45, arrays: 2) { i, n in
            store(y + i, gelu(load(x + i, n)), n)
        }
    }

    /// The same with y rounded to bfloat16.
    public static func gelu(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<BFloat16>) {
        overElements(count, operations: 46, bytes: 6) { i, n in store(y + i, roundedToBFloat16(gelu(load(x + i, n))), n) }
    }

    @inline(__always)
    static func gelu(_ v: Vector) -> Vector { gelu(v, doubledPhi(v)) }

    @inline(__always)
    private static func gelu(_ v: Vector, _ doubledPhi: Vector) -> Vector { (v * 0.5) * doubledPhi }

    /// 2 Phi(v), Phi the distribution function of the standard normal distribution.
    @inline(__always)
    private static func doubledPhi(_ v: Vector) -> Vector { errorFunction(v * 0.707_106_78) + 1 }

    /// dx = dy * (Phi(x) + x phi(x)).
    public static func geluBackward(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, count: Int, into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        overElements(count, operations: 70, arrays: add ? 4 : 3) { i, n in
            let g = load(dy + i, n) * geluAndDerivative(load(x + i, n)).derivative
            store(dx + i, add ? load(dx + i, n) + g : g, n)
        }
    }

    /// The same, which leaves GELU(x) where dy was.
    public static func geluBackward(
        replacing dy: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, count: Int, into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        overElements(count, operations: 72, arrays: add ? 5 : 4) { i, n in
            let (y, derivative) = geluAndDerivative(load(x + i, n)), g = load(dy + i, n) * derivative
            store(dy + i, y, n)
            store(dx + i, add ? load(dx + i, n) + g : g, n)
        }
    }

    @inline(__always)
    private static func geluAndDerivative(_ v: Vector) -> (y: Vector, derivative: Vector) {
        let doubledPhi = doubledPhi(v)
        let density = exponential(v * v * -0.5) * 0.398_942_28
        return (gelu(v, doubledPhi), (doubledPhi * 0.5).addingProduct(v, density))
    }

    /// y = 1 / (1 + e^-x).
    public static func sigmoid(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
        overElements(count, operations: 20, arrays: 2) { i, n in store(y + i, logistic(load(x + i, n)), n) }
    }

    /// dx = dy y (1 - y).
    public static func sigmoidBackward(
        _ dy: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int, into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        overElements(count, operations: 3, arrays: add ? 4 : 3) { i, n in
            let v = load(y + i, n), g = load(dy + i, n) * (v * (1 - v))
            store(dx + i, add ? load(dx + i, n) + g : g, n)
        }
    }

    /// y += x.
    public static func add(_ x: UnsafePointer<Float>, count: Int, to y: UnsafeMutablePointer<Float>) {
        overElements(count, operations: 1, arrays: 3) { i, n in store(y + i, load(y + i, n) + load(x + i, n), n) }
    }

    /// y = a + b.
    public static func sum(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
        overElements(count, operations: 1, arrays: 3) { i, n in store(y + i, load(a + i, n) + load(b + i, n), n) }
    }

    /// y (+)= x * m, element by element (dropout's mask holds 0 or 1 / keep).
    public static func multiply(
        _ x: UnsafePointer<Float>, _ m: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>, add: Bool
    ) {
        overElements(count, operations: 1, arrays: add ? 4 : 3) { i, n in
            let v = load(x + i, n) * load(m + i, n)
            store(y + i, add ? load(y + i, n) + v : v, n)
        }
    }

    /// y [rows, channels] += bias [channels].
    public static func addBias(_ bias: UnsafePointer<Float>, rows: Int, channels: Int, to y: UnsafeMutablePointer<Float>) {
        KernelCounter.count(.elementWise, operations: rows * channels, bytes: 8 * rows * channels) {
            Threads.overRanges(rows) { range in addBias(bias, range, channels: channels, to: y) }
        }
    }

    /// The same on the calling thread, for some rows.
    @inline(__always)
    static func addBias(_ bias: UnsafePointer<Float>, _ rows: Range<Int>, channels: Int, to y: UnsafeMutablePointer<Float>) {
        for row in rows {
            let y = y + row * channels
            forEachPiece(0..<channels) { c, n in store(y + c, load(y + c, n) + load(bias + c, n), n) }
        }
    }

    /// - Parameters:
    ///   - operations: additions, multiplications, comparisons and divisions per element.
    ///   - arrays: read or written.
    @inline(__always)
    static func overElements(_ count: Int, operations: Int, arrays: Int, _ body: (_ index: Int, _ lanes: Int) -> Void) {
        overElements(count, operations: operations, bytes: 4 * arrays, body)
    }

    /// - Parameter bytes: read or written per element.
    @inline(__always)
    static func overElements(_ count: Int, operations: Int, bytes: Int, _ body: (_ index: Int, _ lanes: Int) -> Void) {
        KernelCounter.count(.elementWise, operations: operations * count, bytes: bytes * count) {
            Threads.overBlocks(count, block: 16, parts: count < 1 << 15 ? 1 : ComputeContext.current.threads) { range in forEachPiece(range, body) }
        }
    }
}
