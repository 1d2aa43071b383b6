import Autograd
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Every operation's gradients against finite differences, over sequences of length 1, 2, odd, even and uneven, with one thread and with two.
final class OperationGradientTests: XCTestCase {
    static let packings: [[Int]] = [[0, 1], [0, 2], [0, 1, 3, 8], [0, 7, 9, 16], [0, 5]]
    private var random = RandomStream(seed: 1, "operation gradients")

    private func parameter(_ rows: Int, _ columns: Int, scale: Float = 1) -> Tensor {
        testParameter(rows: rows, columns: columns, (0..<rows * columns).map { _ in scale * random.normal() })
    }

    /// Values at least 0.1 apart from each other in every window, so that a small step changes no maximum.
    private func spreadParameter(_ rows: Int, _ columns: Int) -> Tensor {
        var values = random.permutation(rows * columns).map { Float($0) * 0.2 }
        let mean = values.reduce(0, +) / Float(values.count)
        for i in values.indices { values[i] -= mean + 0.05 }
        return testParameter(rows: rows, columns: columns, values)
    }

    func testLinear() {
        for (rows, input, output) in [(1, 1, 1), (2, 3, 5), (7, 17, 33), (9, 16, 2)] {
            let x = parameter(rows, input), w = parameter(input, output), b = parameter(1, output)
            checkGradients("linear \(rows)x\(input)x\(output)", [("x", x), ("weight", w), ("bias", b)]) { $0.linear(x, weight: w, bias: b) }
            checkGradients("linear without bias", [("x", x), ("weight", w)]) { $0.linear(x, weight: w, bias: nil) }
        }
    }

    func testLinearOfLayerNorm() {
        for (rows, input, output) in [(1, 4, 1), (2, 16, 5), (7, 19, 33), (9, 33, 2)] {
            let x = parameter(rows, input), w = parameter(input, output), b = parameter(1, output)
            let scale = parameter(1, input), shift = parameter(1, input)
            checkGradients(
                "linear of layer norm \(rows)x\(input)x\(output)", [("x", x), ("scale", scale), ("shift", shift), ("weight", w), ("bias", b)],
                step: 5e-3, tolerance: 5e-3
            ) {
                $0.linearOfLayerNorm(x, scale: scale, shift: shift, weight: w, bias: b)
            }
        }
    }

    func testFeedForward() {
        for (rows, channels, hidden) in [(1, 4, 3), (2, 16, 5), (7, 5, 19), (9, 3, 33)] {
            let x = parameter(rows, channels), name = "feed-forward \(rows)x\(channels)x\(hidden)"
            let expand = (weight: parameter(channels, hidden), bias: parameter(1, hidden))
            let contract = (weight: parameter(hidden, channels), bias: parameter(1, channels))
            let scale = parameter(1, channels), shift = parameter(1, channels)
            let layers = [("expand", expand.weight), ("expand bias", expand.bias), ("contract", contract.weight), ("contract bias", contract.bias)]
            checkGradients(name, [("x", x)] + layers, tolerance: 5e-3) { $0.feedForward(x, expand: expand, contract: contract) }
            checkGradients("\(name), two uses of x", [("x", x)] + layers, tolerance: 5e-3) { tape in
                tape.sum(
                    tape.feedForward(x, expand: expand, contract: contract), tape.feedForward(x, expand: expand, contract: contract))
            }
            checkGradients("\(name) of a norm", [("x", x), ("scale", scale), ("shift", shift)] + layers, step: 5e-3, tolerance: 5e-3) {
                $0.feedForward(x, norm: (scale, shift), expand: expand, contract: contract)
            }
        }
    }

    func testConvolution() {
        for offsets in Self.packings {
            for (kernel, input, output) in [(1, 3, 4), (3, 3, 4), (3, 17, 5), (5, 2, 3)] {
                let x = parameter(offsets.last!, input), w = parameter(kernel * input, output), b = parameter(1, output)
                checkGradients("convolution k=\(kernel) \(offsets)", [("x", x), ("weight", w), ("bias", b)]) {
                    $0.convolution(PackedSequence(x, offsets: offsets), weight: w, bias: b, kernel: kernel).tensor
                }
            }
        }
    }

    func testDepthwiseConvolution() {
        for offsets in Self.packings {
            for (kernel, stride, channels) in [(3, 1, 3), (3, 2, 17), (5, 2, 4), (3, 3, 2), (5, 4, 16)] {
                let x = parameter(offsets.last!, channels), w = parameter(kernel, channels), b = parameter(1, channels)
                checkGradients("depthwise k=\(kernel) s=\(stride) \(offsets)", [("x", x), ("weight", w), ("bias", b)]) {
                    $0.depthwiseConvolution(PackedSequence(x, offsets: offsets), weight: w, bias: b, stride: stride).tensor
                }
            }
        }
    }

    func testNormedProjections() {
        for offsets in Self.packings {
            for (kernel, stride, channels, output) in [(3, 1, 5, 4), (3, 2, 17, 3), (5, 2, 4, 6)] {
                let x = parameter(offsets.last!, channels)
                let layers = [true, false].map { hasBias in
                    Tape.NormedProjection(
                        filter: parameter(kernel, channels), scale: parameter(1, channels), shift: parameter(1, channels),
                        weight: parameter(channels, output), bias: hasBias ? parameter(1, output) : nil)
                }
                let named = layers.enumerated().flatMap { number, one in
                    [("filter", one.filter), ("scale", one.scale), ("shift", one.shift), ("weight", one.weight), ("bias", one.bias)]
                        .compactMap { name, tensor in tensor.map { ("\(name) \(number)", $0) } }
                }
                checkGradients("normed projections k=\(kernel) s=\(stride) \(offsets)", [("x", x)] + named, step: 5e-3, tolerance: 5e-3) {
                    let y = $0.normedProjections(of: PackedSequence(x, offsets: offsets), stride: stride, layers)
                    return $0.sum(y[0].tensor, y[1].tensor)
                }
            }
        }
    }

    func testLayerNorm() {
        for (rows, channels) in [(1, 4), (2, 16), (5, 19), (9, 33)] {
            let x = parameter(rows, channels), w = parameter(1, channels), b = parameter(1, channels)
            checkGradients("layer norm \(rows)x\(channels)", [("x", x), ("weight", w), ("bias", b)], step: 5e-3, tolerance: 5e-3) {
                $0.layerNorm(x, weight: w, bias: b)
            }
        }
        // With ReLU: biases far from zero, so that no step crosses the corner.
        let x = parameter(6, 18), w = parameter(1, 18, scale: 0.05)
        let b = testParameter(rows: 1, columns: 18, (0..<18).map { $0 % 2 == 0 ? 1 : -1 })
        checkGradients("layer norm + ReLU", [("x", x), ("weight", w), ("bias", b)], step: 5e-3, tolerance: 5e-3) {
            $0.layerNorm(x, weight: w, bias: b, relu: true)
        }
    }

    func testActivations() {
        for (rows, columns) in [(1, 1), (3, 5), (4, 33)] {
            let spread = spreadParameter(rows, columns), x = parameter(rows, columns), mask = parameter(rows, columns)
            checkGradients("ReLU", [("x", spread)]) { $0.relu(spread) }
            checkGradients("GELU", [("x", x)]) { $0.gelu(x) }
            checkGradients("mask", [("x", x)]) { $0.masked(x, by: mask) }
            checkGradients("constant added", [("x", x)]) { $0.addingConstant(x, mask) }
            checkGradients("sum", [("a", x), ("b", spread)]) { $0.sum(x, spread) }
            checkGradients("sum with itself", [("a", x)]) { $0.sum(x, x) }
        }
        let x = spreadParameter(5, 2), scales = [parameter(1, 1), testParameter(rows: 1, columns: 1, [1.5])]
        checkGradients("scaled ReLU", [("x", x), ("scale 0", scales[0]), ("scale 1", scales[1])], step: 5e-3) {
            $0.scaledReLU(x, scales: scales, groupOffsets: [0, 2, 5])
        }
    }

    func testAttention() {
        for offsets in Self.packings {
            for (heads, channels, window) in [(1, 3, 3), (2, 4, 5), (2, 34, 19), (2, 6, 0), (1, 17, -1), (3, 6, 4), (1, 66, 5)] {
                let q = parameter(offsets.last!, channels), k = parameter(offsets.last!, channels), v = parameter(offsets.last!, channels)
                func packed(_ x: Tensor) -> PackedSequence { PackedSequence(x, offsets: offsets) }
                checkGradients("attention window \(window) \(offsets)", [("q", q), ("k", k), ("v", v)], step: 1e-2, tolerance: 4e-3) {
                    $0.attention(packed(q), packed(k), packed(v), heads: heads, window: window).tensor
                }
                checkGradients("attention of one tensor", [("x", v)], step: 1e-2, tolerance: 4e-3) {
                    $0.attention(packed(v), packed(v), packed(v), heads: heads, window: window).tensor
                }
                guard window > 1, window % 2 == 1 else { continue }
                let relative = parameter(heads, window)
                checkGradients("attention with relative positions", [("q", q), ("relative", relative)], step: 1e-2, tolerance: 4e-3) {
                    $0.attention(packed(q), packed(k), packed(v), heads: heads, window: window, relative: relative).tensor
                }
            }
        }
    }

    /// A window beyond the longest sequence costs no memory and changes no bit.
    func testAttentionWindowBeyondTheSequences() {
        for offsets in [[0, 5], [0, 1, 8, 8, 12], [0, 1]] {
            let rows = offsets.last!, longest = zip(offsets, offsets.dropFirst()).map { $1 - $0 }.max()!
            func result(window: Int) -> [[UInt32]] {
                var random = RandomStream(seed: 3, "attention window")
                let tensors = (0..<3).map { _ in Tensor(rows: rows, columns: 6, requiresGradient: true) }
                for tensor in tensors { for i in 0..<rows * 6 { tensor.values[i] = random.normal() } }
                let tape = Tape()
                let packed = tensors.map { PackedSequence($0, offsets: offsets) }
                let y = tape.attention(packed[0], packed[1], packed[2], heads: 2, window: window).tensor
                let dy = y.gradientToWrite().pointer
                for i in 0..<rows * 6 { dy[i] = random.normal() }
                tape.backward()
                return ([y.values] + tensors.compactMap(\.gradient)).map { values in (0..<rows * 6).map { values[$0].bitPattern } }
            }
            let expected = result(window: 2 * longest + 1)
            XCTAssertEqual(expected.count, 4)
            // Without the clamp the last one would need 10^12 floats.
            for window in [2 * longest + 3, 101, 1_000_000_000_001] { XCTAssertEqual(result(window: window), expected, "window \(window)") }
        }
    }

    func testPooling() {
        for offsets in Self.packings {
            let x = spreadParameter(offsets.last!, 3)
            checkGradients("max-pool \(offsets)", [("x", x)]) { $0.maxPool(PackedSequence(x, offsets: offsets), kernel: 3, stride: 2).tensor }
            for size in [2, 3] {
                checkGradients("average-pool \(offsets)", [("x", x)]) { $0.averagePool(PackedSequence(x, offsets: offsets), size: size).tensor }
                // A gradient that is added to one already there.
                checkGradients("average-pool twice \(offsets)", [("x", x)]) {
                    let packed = PackedSequence(x, offsets: offsets)
                    return $0.sum($0.averagePool(packed, size: size).tensor, $0.averagePool(packed, size: size).tensor)
                }
            }
            let coarseOffsets = stridedOffsets(offsets, stride: 2)
            let fine = parameter(offsets.last!, 17), coarse = parameter(coarseOffsets.last!, 17)
            checkGradients("up-sampling \(offsets)", [("fine", fine), ("coarse", coarse)]) {
                $0.addingUpsampled(PackedSequence(fine, offsets: offsets), PackedSequence(coarse, offsets: coarseOffsets), factor: 2).tensor
            }
        }
    }

    func testResidualAndConcatenation() {
        for offsets in Self.packings {
            let x = parameter(offsets.last!, 5), branch = parameter(offsets.last!, 5), scale = parameter(1, 5)
            let factors = (0..<offsets.count - 1).map { Float($0 % 2) * 1.25 }
            checkGradients("residual \(offsets)", [("x", x), ("branch", branch), ("scale", scale)]) {
                $0.residual(PackedSequence(x, offsets: offsets), branch: PackedSequence(branch, offsets: offsets), scale: scale, factors: factors)
                    .tensor
            }
            let other = parameter(3, 5)
            checkGradients("concatenation", [("a", x), ("b", other)]) {
                $0.concatenated([PackedSequence(x, offsets: offsets), PackedSequence(other, offsets: [0, 3])]).tensor
            }
        }
    }

    func testTwoThreadsGiveTheGradientsToo() {
        ComputeContext.current.threads = 2
        defer { ComputeContext.current.threads = 1 }
        let offsets = [0, 40, 41, 150], x = parameter(150, 3), w = parameter(9, 2)
        checkGradients("convolution on two threads", [("weight", w)]) {
            $0.convolution(PackedSequence(x, offsets: offsets), weight: w, bias: nil, kernel: 3).tensor
        }
        let norm = parameter(1, 3), bias = parameter(1, 3)
        checkGradients("layer norm on two threads", [("weight", norm), ("bias", bias)]) { $0.layerNorm(x, weight: norm, bias: bias) }
        let spread = spreadParameter(150, 3)
        checkGradients("max-pool on two threads", [("x", spread)]) {
            $0.maxPool(PackedSequence(spread, offsets: offsets), kernel: 3, stride: 2).tensor
        }
    }

    func testParameterIsReadyAfterItsLastUse() {
        let x = parameter(3, 4), shared = parameter(4, 4), last = parameter(4, 2)
        let tape = Tape()
        let y = tape.linear(tape.linear(tape.linear(x, weight: shared, bias: nil), weight: shared, bias: nil), weight: last, bias: nil)
        let (gradient, _) = y.gradientToWrite()
        for i in 0..<y.count { gradient[i] = 1 }
        var ready: [String] = []
        tape.onGradientReady = { ready.append($0 === shared ? "shared" : "last") }
        tape.backward()
        XCTAssertEqual(ready, ["last", "shared"])
    }

    func testBuffersAreGivenOutAgain() {
        let x = parameter(64, 32), w = parameter(32, 32)
        func step() {
            let tape = Tape()
            let y = tape.gelu(tape.linear(x, weight: w, bias: nil))
            let (gradient, _) = y.gradientToWrite()
            for i in 0..<y.count { gradient[i] = 1 }
            tape.backward()
        }
        step()
        let held = BufferPool.shared.heldBytes
        for _ in 0..<5 { step() }
        XCTAssertEqual(BufferPool.shared.heldBytes, held)
    }
}
