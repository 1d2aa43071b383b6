import Foundation
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// The fast kernels against their naive twins, over lengths 1, 2, odd, even and uneven and channel counts around the vector width.
final class KernelsTests: XCTestCase {
    private static let packings: [[Int]] = [[0, 1], [0, 2], [0, 1, 3, 8], [0, 7, 9, 16], [0, 131, 132, 260]]
    private var random = RandomStream(seed: 3, "kernels")

    private func normals(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }

    /// Runs the body with one thread and with two.
    private func forThreadCounts(_ body: () throws -> Void) rethrows {
        for threads in [1, 2] {
            Threads.count = threads
            try body()
        }
        Threads.count = 1
    }

    func testMatrixMultiply() {
        forThreadCounts {
            for (m, n, k) in [(1, 1, 1), (2, 3, 4), (17, 33, 19), (130, 31, 70), (5, 200, 300)] {
                for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
                    let a = normals(m * k), b = normals(k * n)
                    let expected = NaiveKernels.multiply(m: m, n: n, k: k, a, transposeA: transposeA, b, transposeB: transposeB)
                    var c = [Float](repeating: .nan, count: m * n)
                    MatrixMultiply.multiply(
                        m: m, n: n, k: k, a, lda: transposeA ? m : k, transposeA: transposeA, b, ldb: transposeB ? k : n, transposeB: transposeB,
                        into: &c, ldc: n)
                    assertClose("gemm \(m)x\(n)x\(k) \(transposeA) \(transposeB)", c, expected, absolute: 2e-5, relative: 1e-5)
                    MatrixMultiply.multiply(
                        m: m, n: n, k: k, a, lda: transposeA ? m : k, transposeA: transposeA, b, ldb: transposeB ? k : n, transposeB: transposeB,
                        into: &c, ldc: n, accumulate: true, alpha: 2)
                    assertClose("gemm accumulated", c, expected.map { 3 * $0 }, absolute: 6e-5, relative: 1e-5)
                }
            }
        }
    }

    func testMatrixMultiplyOfSubmatrices() {
        // Heads are strided views: column blocks of wider matrices.
        let wide = 12, m = 5, k = 4
        let a = normals(m * wide), b = normals(m * wide)
        var c = [Float](repeating: 0, count: m * m)
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                MatrixMultiply.multiply(
                    m: m, n: m, k: k, a.baseAddress! + 3, lda: wide, b.baseAddress! + 5, ldb: wide, transposeB: true, into: &c, ldc: m)
            }
        }
        func block(_ x: [Float], _ column: Int) -> [Float] { (0..<m).flatMap { row in (0..<k).map { x[row * wide + column + $0] } } }
        assertClose(
            "submatrices", c, NaiveKernels.multiply(m: m, n: m, k: k, block(a, 3), transposeA: false, block(b, 5), transposeB: true),
            absolute: 1e-5)
    }

    func testConvolutionByWindows() {
        forThreadCounts {
            for offsets in Self.packings {
                for (kernel, input, output) in [(3, 1, 1), (3, 19, 5), (5, 16, 17)] {
                    let rows = offsets.last!, x = normals(rows * input), w = normals(kernel * input * output)
                    var windows = [Float](repeating: .nan, count: rows * kernel * input), y = [Float](repeating: .nan, count: rows * output)
                    Convolution.gatherWindows(x, channels: input, kernel: kernel, offsets: offsets, into: &windows)
                    MatrixMultiply.multiply(
                        m: rows, n: output, k: kernel * input, windows, lda: kernel * input, w, ldb: output, into: &y, ldc: output)
                    assertClose(
                        "convolution \(offsets) k=\(kernel)", y,
                        NaiveKernels.convolution(x, input: input, w, kernel: kernel, output: output, offsets: offsets), absolute: 2e-5)
                    // Scattering is the transpose of gathering: <gather x, v> = <x, scatter v>.
                    let v = normals(windows.count)
                    var back = [Float](repeating: .nan, count: x.count)
                    Convolution.scatterWindows(v, channels: input, kernel: kernel, offsets: offsets, into: &back, add: false)
                    let left = zip(windows, v).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                    let right = zip(x, back).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                    XCTAssertEqual(left, right, accuracy: 1e-4 * max(1, abs(left)))
                }
            }
        }
    }

    func testDepthwiseConvolution() {
        forThreadCounts {
            for offsets in Self.packings {
                for (kernel, stride, channels) in [(3, 1, 19), (3, 2, 16), (5, 2, 3)] {
                    let outputs = strided(offsets, stride)
                    let x = normals(offsets.last! * channels), w = normals(kernel * channels)
                    var y = [Float](repeating: .nan, count: outputs.last! * channels)
                    DepthwiseConvolution.forward(
                        x, channels: channels, w, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputs, into: &y)
                    assertClose(
                        "depthwise \(offsets)", y,
                        NaiveKernels.depthwiseConvolution(x, channels: channels, w, kernel: kernel, stride: stride, offsets: offsets))
                }
            }
        }
    }

    func testLayerNorm() {
        forThreadCounts {
            for (rows, channels) in [(1, 1), (2, 7), (5, 16), (3, 150), (200, 33)] {
                let x = normals(rows * channels), w = normals(channels), b = normals(channels)
                let expected = NaiveKernels.layerNorm(x, channels: channels, w, b)
                for relu in [false, true] {
                    var y = [Float](repeating: .nan, count: x.count), statistics = [Float](repeating: .nan, count: 2 * rows)
                    LayerNorm.forward(x, rows: rows, channels: channels, w, b, relu: relu, into: &y, statistics: &statistics)
                    assertClose("layer norm \(rows)x\(channels)", y, relu ? expected.map { max(0, $0) } : expected, absolute: 5e-6)
                }
            }
        }
    }

    func testElementWise() {
        let x = stride(from: Float(-30), through: 30, by: 0.013).map { $0 } + [0, -0.0, 1e-30, -88, 88, 200, -200]
        var y = [Float](repeating: .nan, count: x.count)
        Activations.gelu(x, count: x.count, into: &y)
        assertClose("GELU", y, x.map(NaiveKernels.gelu), absolute: 4e-7, relative: 1e-6)
        Activations.sigmoid(x, count: x.count, into: &y)
        assertClose("sigmoid", y, x.map { Float(1 / (1 + exp(-Double($0)))) }, absolute: 1e-37, relative: 2e-6)
        Activations.relu(x, count: x.count, into: &y)
        XCTAssertEqual(y, x.map { max(0, $0) })
    }

    func testAttention() {
        forThreadCounts {
            for offsets in Self.packings {
                for (heads, headChannels, reach) in [(1, 3, 1), (2, 16, 4), (4, 19, 9)] {
                    let rows = offsets.last!, count = rows * heads * headChannels
                    let q = normals(count), k = normals(count), v = normals(count), relative = normals(heads * (2 * reach + 1))
                    var out = [Float](repeating: .nan, count: count)
                    var probabilities = [Float](repeating: .nan, count: rows * heads * (2 * reach + 1))
                    let shape = WindowedAttention.Shape(heads: heads, headChannels: headChannels, reach: reach, offsets: offsets)
                    WindowedAttention.forward(q, k, v, relative: relative, shape, into: &out, probabilities: &probabilities)
                    assertClose(
                        "windowed attention \(offsets)", out,
                        NaiveKernels.attention(q, k, v, heads: heads, headChannels: headChannels, reach: reach, relative: relative, offsets: offsets),
                        absolute: 3e-6, relative: 2e-5)
                    let all = GlobalAttention.Shape(heads: heads, headChannels: headChannels, offsets: offsets)
                    var allProbabilities = [Float](repeating: .nan, count: all.probabilityCount)
                    GlobalAttention.forward(q, k, v, all, into: &out, probabilities: &allProbabilities)
                    assertClose(
                        "global attention \(offsets)", out,
                        NaiveKernels.attention(q, k, v, heads: heads, headChannels: headChannels, reach: nil, relative: nil, offsets: offsets),
                        absolute: 3e-6, relative: 2e-5)
                }
            }
        }
    }

    func testMaxPool() {
        forThreadCounts {
            for offsets in Self.packings {
                let channels = 19, x = normals(offsets.last! * channels), outputs = strided(offsets, 2)
                var y = [Float](repeating: .nan, count: outputs.last! * channels), winners = [Int32](repeating: -1, count: y.count)
                Pooling.maxForward(x, channels: channels, kernel: 3, stride: 2, offsets: offsets, outputOffsets: outputs, into: &y, winners: &winners)
                XCTAssertEqual(y, NaiveKernels.maxPool(x, channels: channels, kernel: 3, stride: 2, offsets: offsets))
                for i in y.indices { XCTAssertEqual(x[Int(winners[i]) * channels + i % channels], y[i]) }
            }
        }
    }

    func testReductions() {
        forThreadCounts {
            for (rows, channels) in [(1, 1), (3, 17), (300, 16)] {
                let x = normals(rows * channels)
                var sums = [Float](repeating: .nan, count: channels)
                Reductions.columnSums(x, rows: rows, channels: channels, into: &sums, add: false)
                assertClose(
                    "column sums", sums, (0..<channels).map { c in Float((0..<rows).reduce(0.0) { $0 + Double(x[$1 * channels + c]) }) },
                    absolute: 1e-5)
                XCTAssertEqual(
                    Reductions.sumOfSquares(x, count: x.count), x.reduce(0.0) { $0 + Double($1) * Double($1) }, accuracy: 1e-9 * Double(x.count))
            }
        }
        // The same bits for every thread count.
        let x = normals(100_003)
        Threads.count = 1
        let one = Reductions.sumOfSquares(x, count: x.count)
        Threads.count = 2
        XCTAssertEqual(Reductions.sumOfSquares(x, count: x.count), one)
        Threads.count = 1
    }

    /// Elements do not depend on how rows or columns are shared out: the same bits for every thread count.
    func testMatrixProductsDoNotDependOnTheThreadCount() {
        for (m, n, k) in [(64, 64, 64), (100, 100, 101), (129, 70, 450), (777, 256, 450), (450, 256, 777), (256, 1024, 333), (1000, 12, 768), (50, 2, 768)] {
            for (transposeA, transposeB) in [(false, false), (true, false), (false, true)] {
                let a = normals(m * k), b = normals(k * n)
                func product(_ threads: Int) -> [Float] {
                    Threads.count = threads
                    defer { Threads.count = 1 }
                    var c = [Float](repeating: .nan, count: m * n)
                    MatrixMultiply.multiply(
                        m: m, n: n, k: k, a, lda: transposeA ? m : k, transposeA: transposeA, b, ldb: transposeB ? k : n, transposeB: transposeB,
                        into: &c, ldc: n)
                    return c
                }
                let reference = product(1)
                for threads in [2, 3, 4, 8] {
                    XCTAssertTrue(product(threads) == reference, "\(m)x\(n)x\(k) \(transposeA) \(transposeB): \(threads) threads give other bits than one")
                }
            }
        }
    }

    func testDetectionLossGradients() {
        let x = normals(40), y = (0..<40).map { Float($0 % 3) / 2 }
        var gradient = [Float](repeating: .nan, count: 40)
        _ = DetectionLosses.sigmoidFocal(x, y, count: 40, scale: 0.5, gradient: &gradient)
        for i in x.indices {
            func loss(_ shift: Float) -> Double {
                DetectionLosses.sigmoidFocal([x[i] + shift], [y[i]], count: 1, scale: 1, gradient: nil)
            }
            let numeric = Float((loss(1e-2) - loss(-1e-2)) / 2e-2)
            XCTAssertEqual(gradient[i], 0.5 * numeric, accuracy: 1e-4, "focal loss at \(x[i]), \(y[i])")
        }
        let target: [Float] = [1, 2, 0.5, 3, 4, 0.1], predicted: [Float] = [1.5, 1, 0.7, 2.5, 5, 0]
        var slope = [Float](repeating: .nan, count: 6)
        _ = DetectionLosses.distanceIoU(predicted, target, count: 3, scale: 2, gradient: &slope)
        for i in predicted.indices where predicted[i] > 0 {
            func loss(_ shift: Float) -> Double {
                var shifted = predicted
                shifted[i] += shift
                return DetectionLosses.distanceIoU(shifted, target, count: 3, scale: 1, gradient: nil)
            }
            XCTAssertEqual(slope[i], Float((loss(1e-2) - loss(-1e-2)) / 1e-2), accuracy: 1e-3, "DIoU at \(i)")
        }
        XCTAssertEqual(DetectionLosses.distanceIoU(target, target, count: 3, scale: 1, gradient: nil), 0, accuracy: 1e-6)
    }

    private func strided(_ offsets: [Int], _ stride: Int) -> [Int] {
        var result = [0]
        for b in 0..<offsets.count - 1 { result.append(result[b] + (offsets[b + 1] - offsets[b] + stride - 1) / stride) }
        return result
    }
}
