/// Normalisation over the channels of each row: y = (x - mean) / sqrt(variance + eps) * weight + bias, population variance.
public enum LayerNorm {
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - rows: number of rows.
    ///   - channels: values of a row.
    ///   - weight: [channels].
    ///   - bias: [channels].
    ///   - eps: added to the variance.
    ///   - relu: whether negative results become 0.
    ///   - y: receives the result, [rows, channels].
    ///   - statistics: [rows, 2], mean and 1/sqrt(variance + eps), kept for backward.
    public static func forward(
        _ x: UnsafePointer<Float>, rows: Int, channels: Int, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, eps: Float = 1e-5,
        relu: Bool, into y: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<Float>
    ) {
        forward(x, rows: rows, channels: channels, weight, bias, eps: eps, resultBytes: 4, statistics: statistics) { i, v, n in
            store(y + i, relu ? v.replacing(with: 0, where: v .< 0) : v, n)
        }
    }

    /// The same with y rounded to bfloat16.
    public static func forward(
        _ x: UnsafePointer<Float>, rows: Int, channels: Int, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, eps: Float = 1e-5,
        into y: UnsafeMutablePointer<BFloat16>, statistics: UnsafeMutablePointer<Float>
    ) {
        forward(x, rows: rows, channels: channels, weight, bias, eps: eps, resultBytes: 2, statistics: statistics) { i, v, n in
            store(y + i, roundedToBFloat16(v), n)
        }
    }

    @inline(__always)
    private static func forward(
        _ x: UnsafePointer<Float>, rows: Int, channels: Int, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, eps: Float,
        resultBytes: Int, statistics: UnsafeMutablePointer<Float>, _ write: (_ index: Int, Vector, _ lanes: Int) -> Void
    ) {
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .layerNorm, operations: 8 * rows * channels, bytes: (4 + resultBytes) * rows * channels) }
        Threads.overRanges(rows) { range in
            for row in range {
                forwardRow(x + row * channels, channels: channels, weight, bias, eps: eps, statistics: statistics + 2 * row) { c, v, n in
                    write(row * channels + c, v, n)
                }
            }
        }
    }

    /// One row: `write` takes it piece by piece, and may write over x.
    @inline(__always)
    static func forwardRow(
        _ x: UnsafePointer<Float>, channels: Int, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, eps: Float = 1e-5,
        statistics: UnsafeMutablePointer<Float>, _ write: (_ channel: Int, Vector, _ lanes: Int) -> Void
    ) {
        let scale = 1 / Float(channels), whole = channels & ~15
        var total = Vector()
        forEachPiece(0..<channels) { c, n in total += load(x + c, n) }
        let mean = sum(total) * scale
        var squares = Vector()
        var c = 0
        while c < whole {
            let d = load(x + c) - mean
            squares = squares.addingProduct(d, d)
            c += 16
        }
        var variance = sum(squares)
        while c < channels {
            let d = x[c] - mean
            variance += d * d
            c += 1
        }
        let inverse = 1 / (variance * scale + eps).squareRoot()
        statistics[0] = mean
        statistics[1] = inverse
        forEachPiece(0..<channels) { c, n in
            write(c, load(bias + c, n).addingProduct((load(x + c, n) - mean) * inverse, load(weight + c, n)), n)
        }
    }

    /// Gradients of the input (stored, or added when `addInput`), weight and bias (added when `addWeight`).
    ///
    /// - Parameters:
    ///   - dy: gradient of the result, [rows, channels].
    ///   - x: [rows, channels].
    ///   - y: the forward result when `relu`, nil otherwise: where it is 0 the gradient stops.
    ///   - statistics: what `forward` has kept.
    ///   - rows: number of rows.
    ///   - channels: values of a row.
    ///   - weight: [channels].
    ///   - dx: receives the gradient of the input; nil: not computed.
    ///   - addInput: whether the gradient of the input is added to what is there.
    ///   - dWeight: receives the gradient of the weight, [channels].
    ///   - dBias: receives the gradient of the bias, [channels].
    ///   - addWeight: whether those of weight and bias are.
    ///   - result: receives the forward result without ReLU once more, from the bias [channels]; may be the place of dy. Needs dx.
    public static func backward(
        _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>?, statistics: UnsafePointer<Float>, rows: Int,
        channels: Int, _ weight: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>?, addInput: Bool,
        dWeight: UnsafeMutablePointer<Float>, dBias: UnsafeMutablePointer<Float>, addWeight: Bool,
        result: (rows: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>)? = nil
    ) {
        let began = KernelCounter.begin()
        let arrays = (addInput ? 4 : 3) + (result == nil ? 0 : 1), operations = 14 + (result == nil ? 0 : 2)
        defer { KernelCounter.end(began, .layerNorm, operations: operations * rows * channels, bytes: 4 * arrays * rows * channels) }
        let scale = 1 / Float(channels)
        let both = UnsafeMutablePointer<Float>.allocate(capacity: 2 * channels)
        defer { both.deallocate() }
        Threads.summing(rows: rows, into: both, count: 2 * channels, add: false) { range, partial in
            let partialBias = partial + channels
            for row in range {
                let dy = dy + row * channels, x = x + row * channels, y = y.map { $0 + row * channels }
                let mean = statistics[2 * row], inverse = statistics[2 * row + 1]
                var sumG = Vector(), sumGX = Vector()
                forEachPiece(0..<channels) { c, n in
                    var g = load(dy + c, n)
                    if let y { g = g.replacing(with: 0, where: load(y + c, n) .<= 0) }
                    let normalized = (load(x + c, n) - mean) * inverse
                    store(partial + c, load(partial + c, n).addingProduct(g, normalized), n)
                    store(partialBias + c, load(partialBias + c, n) + g, n)
                    let gw = g * load(weight + c, n)
                    sumG += gw
                    sumGX = sumGX.addingProduct(gw, normalized)
                }
                guard let dx = dx.map({ $0 + row * channels }) else { continue }
                let meanG = sum(sumG) * scale, meanGX = sum(sumGX) * scale
                forEachPiece(0..<channels) { c, n in
                    var g = load(dy + c, n)
                    if let y { g = g.replacing(with: 0, where: load(y + c, n) .<= 0) }
                    let normalized = (load(x + c, n) - mean) * inverse
                    let value = ((g * load(weight + c, n) - meanG) - normalized * meanGX) * inverse
                    store(dx + c, addInput ? load(dx + c, n) + value : value, n)
                    if let result {
                        store(result.rows + row * channels + c, load(result.bias + c, n).addingProduct(normalized, load(weight + c, n)), n)
                    }
                }
            }
        }
        for c in 0..<channels {
            dWeight[c] = addWeight ? dWeight[c] + both[c] : both[c]
            dBias[c] = addWeight ? dBias[c] + both[channels + c] : both[channels + c]
        }
    }
}
