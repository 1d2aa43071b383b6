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
            ComputeContext.current.threads = threads
            try body()
        }
        ComputeContext.current.threads = 1
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

    /// The bits of convolution and norm one after the other, also where the norm takes the convolution's place, and rounded.
    func testNormedDepthwise() {
        forThreadCounts {
            for offsets in Self.packings {
                for (kernel, stride, channels, count) in [(3, 1, 19, 3), (3, 2, 16, 3), (5, 2, 3, 2), (3, 1, 33, 1)] {
                    let outputs = strided(offsets, stride), rows = outputs.last!, name = "\(kernel) \(stride) \(channels) \(offsets)"
                    let x = normals(offsets.last! * channels)
                    var branches: [NormedDepthwise.Branch<Float>] = [], rounded: [NormedDepthwise.Branch<BFloat16>] = []
                    var places: [(convolved: UnsafeMutablePointer<Float>, normed: UnsafeMutablePointer<Float>)] = []
                    var results: [UnsafeMutablePointer<BFloat16>] = [], expected: [(convolved: [Float], normed: [Float])] = []
                    let room = UnsafeMutablePointer<Float>.allocate(capacity: count * (4 * rows * channels + 4 * rows + (kernel + 2) * channels))
                    defer { room.deallocate() }
                    var next = room
                    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
                        next.initialize(repeating: .nan, count: count)
                        defer { next += count }
                        return next
                    }
                    func given(_ values: [Float]) -> UnsafePointer<Float> {
                        let place = take(values.count)
                        place.update(from: values, count: values.count)
                        return UnsafePointer(place)
                    }
                    for branch in 0..<count {
                        let filter = given(normals(kernel * channels)), scale = given(normals(channels)), shift = given(normals(channels))
                        var convolved = [Float](repeating: .nan, count: rows * channels), normed = convolved
                        var statistics = [Float](repeating: .nan, count: 2 * rows)
                        DepthwiseConvolution.forward(
                            x, channels: channels, filter, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputs,
                            into: &convolved)
                        LayerNorm.forward(
                            convolved, rows: rows, channels: channels, scale, shift, relu: false, into: &normed, statistics: &statistics)
                        expected.append((convolved, normed))
                        let place = take(rows * channels), own = branch == 0 ? take(rows * channels) : place
                        places.append((own, place))
                        branches.append(
                            .init(filter: filter, scale: scale, shift: shift, convolved: own, normed: place, statistics: take(2 * rows)))
                        let result = UnsafeMutableRawPointer(take(rows * channels)).assumingMemoryBound(to: BFloat16.self)
                        results.append(result)
                        rounded.append(
                            .init(
                                filter: filter, scale: scale, shift: shift, convolved: take(rows * channels), normed: result,
                                statistics: take(2 * rows)))
                    }
                    NormedDepthwise.forward(
                        x, channels: channels, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputs, branches)
                    NormedDepthwise.forward(
                        x, channels: channels, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputs, rounded)
                    func bits(_ values: UnsafeMutablePointer<Float>) -> [UInt32] { (0..<rows * channels).map { values[$0].bitPattern } }
                    for (branch, one) in expected.enumerated() {
                        XCTAssertEqual(bits(places[branch].normed), one.normed.map(\.bitPattern), name)
                        if branch == 0 { XCTAssertEqual(bits(places[branch].convolved), one.convolved.map(\.bitPattern), name) }
                        var wanted = [BFloat16](repeating: 0, count: rows * channels)
                        convertToBFloat16(one.normed, count: rows * channels, into: &wanted)
                        XCTAssertEqual((0..<rows * channels).map { results[branch][$0] }, wanted, name)
                    }
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
                for (heads, headChannels, reach) in [(1, 3, 1), (2, 16, 4), (4, 19, 9), (2, 83, 3)] {
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
                    var allProbabilities = [Float](repeating: .nan, count: all.probabilityCount), scratch: [Float] = [0]
                    GlobalAttention.forward(q, k, v, all, into: &out, probabilities: &allProbabilities, scratch: &scratch)
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

    /// In windows of two and of three rows; the last one of a sequence may lack some.
    func testAveragePool() {
        forThreadCounts {
            for offsets in Self.packings {
                for (size, channels) in [(1, 3), (2, 1), (2, 19), (3, 33)] {
                    let x = normals(offsets.last! * channels), outputs = strided(offsets, size)
                    var y = [Float](repeating: .nan, count: outputs.last! * channels)
                    Pooling.averageForward(x, channels: channels, size: size, offsets: offsets, outputOffsets: outputs, into: &y)
                    let expected = NaiveKernels.averagePool(x, channels: channels, size: size, offsets: offsets)
                    assertClose("average \(size) \(offsets)", y, expected, absolute: 1e-6, relative: 1e-6)
                    // The transpose: <dy, A x> = <A' dy, x> for every x, so for each unit vector.
                    let dy = normals(y.count), before = normals(x.count)
                    var dx = [Float](repeating: .nan, count: x.count), added = before
                    Pooling.averageBackward(dy, channels: channels, size: size, offsets: offsets, outputOffsets: outputs, into: &dx, add: false)
                    Pooling.averageBackward(dy, channels: channels, size: size, offsets: offsets, outputOffsets: outputs, into: &added, add: true)
                    for b in 0..<offsets.count - 1 {
                        for row in offsets[b]..<offsets[b + 1] {
                            for c in 0..<channels {
                                let i = row * channels + c, window = outputs[b] + (row - offsets[b]) / size
                                let share = dy[window * channels + c] / Float(size)
                                XCTAssertEqual(dx[i], share, accuracy: 1e-6)
                                XCTAssertEqual(added[i], before[i] + share, accuracy: 1e-6)
                            }
                        }
                    }
                }
            }
        }
        // By hand: the means of 1, 3 and of 5 with nothing; the second sequence is its own.
        var y = [Float](repeating: .nan, count: 3)
        Pooling.averageForward([1, 3, 5, 8], channels: 1, size: 2, offsets: [0, 3, 4], outputOffsets: [0, 2, 3], into: &y)
        XCTAssertEqual(y, [2, 2.5, 4])
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
        ComputeContext.current.threads = 1
        let one = Reductions.sumOfSquares(x, count: x.count)
        ComputeContext.current.threads = 2
        XCTAssertEqual(Reductions.sumOfSquares(x, count: x.count), one)
        ComputeContext.current.threads = 1
    }

    /// A class's weight multiplies its terms and nothing else; each column is computed alone for comparison.
    func testClassWeightsOfFocalLosses() {
        let rows = 13, classes = 3, x = normals(rows * classes), weights: [Float] = [2, 0, 0.25]
        let oneHot = (0..<rows * classes).map { Float($0 % 5 == 0 ? 1 : 0) }, factors = (0..<rows).map { 0.1 + 0.06 * Float($0) }
        let rowWeights = (0..<rows).map { Float($0 % 4) }
        var gradient = [Float](repeating: .nan, count: x.count), soft = gradient, dq = [Float](repeating: .nan, count: rows)
        let loss = DetectionLosses.sigmoidFocal(
            x, oneHot, count: x.count, weights: rowWeights, classWeights: weights, columns: classes, scale: 0.5, gradient: &gradient)
        let softLoss = QualityAssessment.softFocal(
            x, targets: oneHot, oneHot: oneHot, factors: factors, points: rows, classes: classes, weights: rowWeights, classWeights: weights,
            alpha: 0.25,
            scale: 0.5, gradient: &soft, factorGradient: &dq)
        var sum = 0.0, softSum = 0.0, dqSum = [Float](repeating: 0, count: rows)
        for (column, weight) in weights.enumerated() {
            func own(_ values: [Float]) -> [Float] { (0..<rows).map { values[$0 * classes + column] } }
            var g = [Float](repeating: .nan, count: rows), s = g, q = g
            sum += Double(weight) * DetectionLosses.sigmoidFocal(own(x), own(oneHot), count: rows, weights: rowWeights, scale: 0.5, gradient: &g)
            softSum +=
                Double(weight)
                * QualityAssessment.softFocal(
                    own(x), targets: own(oneHot), oneHot: own(oneHot), factors: factors, points: rows, classes: 1, weights: rowWeights, alpha: 0.25,
                    scale: 0.5, gradient: &s, factorGradient: &q)
            // Powers of two: no rounding.
            XCTAssertEqual(own(gradient), g.map { weight * $0 }, "\(column)")
            XCTAssertEqual(own(soft), s.map { weight * $0 }, "\(column)")
            for i in 0..<rows { dqSum[i] += weight * q[i] }
        }
        XCTAssertEqual(loss, sum, accuracy: 1e-6)
        XCTAssertEqual(softLoss, softSum, accuracy: 1e-6)
        for i in 0..<rows { XCTAssertEqual(dq[i], dqSum[i], accuracy: 1e-5) }
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
