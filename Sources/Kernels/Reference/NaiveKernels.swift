import Foundation

/// Reference kernels: plain loops in double precision, against which the fast ones are tested.
public enum NaiveKernels {
    /// C = op(A) op(B); A as stored [m, k] or [k, m].
    public static func multiply(m: Int, n: Int, k: Int, _ a: [Float], transposeA: Bool, _ b: [Float], transposeB: Bool) -> [Float] {
        var c = [Float](repeating: 0, count: m * n)
        for i in 0..<m {
            for j in 0..<n {
                var total = 0.0
                for l in 0..<k {
                    total += Double(a[transposeA ? l * m + i : i * k + l]) * Double(b[transposeB ? j * k + l : l * n + j])
                }
                c[i * n + j] = Float(total)
            }
        }
        return c
    }

    /// y [outputs, output channels]: w [kernel, input, output], output i at row i * stride.
    public static func convolution(
        _ x: [Float], input: Int, _ w: [Float], kernel: Int, output: Int, stride: Int = 1, offsets: [Int]
    ) -> [Float] {
        var y: [Float] = []
        for b in 0..<offsets.count - 1 {
            for center in Swift.stride(from: offsets[b], to: offsets[b + 1], by: stride) {
                for o in 0..<output {
                    var total = 0.0
                    for j in 0..<kernel {
                        let row = center + j - kernel / 2
                        guard row >= offsets[b], row < offsets[b + 1] else { continue }
                        for i in 0..<input { total += Double(x[row * input + i]) * Double(w[(j * input + i) * output + o]) }
                    }
                    y.append(Float(total))
                }
            }
        }
        return y
    }

    /// Gradients of `convolution` of stride 1 with respect to x and w.
    public static func convolutionGradients(
        _ x: [Float], input: Int, _ w: [Float], kernel: Int, output: Int, offsets: [Int], _ dy: [Float]
    ) -> (dx: [Float], dw: [Float]) {
        var dx = [Double](repeating: 0, count: x.count), dw = [Double](repeating: 0, count: w.count)
        for b in 0..<offsets.count - 1 {
            for t in offsets[b]..<offsets[b + 1] {
                for j in 0..<kernel {
                    let row = t + j - kernel / 2
                    guard row >= offsets[b], row < offsets[b + 1] else { continue }
                    for i in 0..<input {
                        for o in 0..<output {
                            let weight = (j * input + i) * output + o, g = Double(dy[t * output + o])
                            dx[row * input + i] += Double(w[weight]) * g
                            dw[weight] += Double(x[row * input + i]) * g
                        }
                    }
                }
            }
        }
        return (dx.map(Float.init), dw.map(Float.init))
    }

    /// The nearest bfloat16, of two equally near ones the even one.
    public static func roundedToBFloat16(_ x: Float) -> Float {
        guard x.isFinite else { return x }
        let below = Float(bitPattern: x.bitPattern & 0xFFFF_0000), above = Float(bitPattern: (x.bitPattern & 0xFFFF_0000) &+ 0x1_0000)
        let toBelow = abs(Double(x) - Double(below)), spacing = below.ulp * 65_536, toAbove = Double(spacing) - toBelow
        if toBelow != toAbove { return toBelow < toAbove ? below : above }
        return (x.bitPattern >> 16) & 1 == 0 ? below : above
    }

    /// w [kernel, channels], one filter per channel.
    public static func depthwiseConvolution(_ x: [Float], channels: Int, _ w: [Float], kernel: Int, stride: Int, offsets: [Int]) -> [Float] {
        var y: [Float] = []
        for b in 0..<offsets.count - 1 {
            for center in Swift.stride(from: offsets[b], to: offsets[b + 1], by: stride) {
                for c in 0..<channels {
                    var total = 0.0
                    for j in 0..<kernel {
                        let row = center + j - kernel / 2
                        guard row >= offsets[b], row < offsets[b + 1] else { continue }
                        total += Double(x[row * channels + c]) * Double(w[j * channels + c])
                    }
                    y.append(Float(total))
                }
            }
        }
        return y
    }

    /// Layer norm over the channels of each row.
    public static func layerNorm(_ x: [Float], channels: Int, _ weight: [Float], _ bias: [Float], eps: Double = 1e-5) -> [Float] {
        var y = x
        for row in 0..<x.count / channels {
            let values = x[row * channels..<(row + 1) * channels].map(Double.init)
            let mean = values.reduce(0, +) / Double(channels)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(channels)
            for c in 0..<channels {
                y[row * channels + c] = Float((values[c] - mean) / (variance + eps).squareRoot() * Double(weight[c]) + Double(bias[c]))
            }
        }
        return y
    }

    /// x/2 (1 + erf(x / sqrt 2)).
    public static func gelu(_ x: Float) -> Float { Float(0.5 * Double(x) * (1 + erf(Double(x) / 2.0.squareRoot()))) }

    /// Attention within `reach` positions (nil: all) of the same sequence; relative [heads, 2 * reach + 1].
    public static func attention(
        _ q: [Float], _ k: [Float], _ v: [Float], heads: Int, headChannels: Int, reach: Int?, relative: [Float]?, offsets: [Int]
    ) -> [Float] {
        let C = heads * headChannels
        var out = [Float](repeating: 0, count: q.count)
        for b in 0..<offsets.count - 1 {
            for t in offsets[b]..<offsets[b + 1] {
                let seen = (offsets[b]..<offsets[b + 1]).filter { abs($0 - t) <= reach ?? Int.max }
                for h in 0..<heads {
                    let scores = seen.map { u in
                        var total = 0.0
                        for c in 0..<headChannels { total += Double(q[t * C + h * headChannels + c]) * Double(k[u * C + h * headChannels + c]) }
                        total /= Double(headChannels).squareRoot()
                        if let relative, let reach { total += Double(relative[h * (2 * reach + 1) + u - t + reach]) }
                        return exp(total)
                    }
                    let sum = scores.reduce(0, +)
                    for c in 0..<headChannels {
                        var total = 0.0
                        for (u, score) in zip(seen, scores) { total += score / sum * Double(v[u * C + h * headChannels + c]) }
                        out[t * C + h * headChannels + c] = Float(total)
                    }
                }
            }
        }
        return out
    }

    /// Max-pooling along time within each sequence.
    public static func maxPool(_ x: [Float], channels: Int, kernel: Int, stride: Int, offsets: [Int]) -> [Float] {
        var y: [Float] = []
        for b in 0..<offsets.count - 1 {
            for center in Swift.stride(from: offsets[b], to: offsets[b + 1], by: stride) {
                for c in 0..<channels {
                    let rows = max(offsets[b], center - kernel / 2)...min(offsets[b + 1] - 1, center + kernel / 2)
                    y.append(rows.map { x[$0 * channels + c] }.max()!)
                }
            }
        }
        return y
    }

    /// Average-pooling along time within each sequence, zeros beyond its end.
    public static func averagePool(_ x: [Float], channels: Int, size: Int, offsets: [Int]) -> [Float] {
        var y: [Float] = []
        for b in 0..<offsets.count - 1 {
            for first in Swift.stride(from: offsets[b], to: offsets[b + 1], by: size) {
                for c in 0..<channels {
                    let rows = (first..<first + size).map { $0 < offsets[b + 1] ? Double(x[$0 * channels + c]) : 0 }
                    y.append(Float(rows.reduce(0, +) / Double(size)))
                }
            }
        }
        return y
    }
}
