import Autograd
import Diagnostics
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Convolutions and norms of several layers in one pass: the bits of one operation after the other, forward alone too.
final class NormedProjectionTests: XCTestCase {
    private let offsets = [0, 1, 3, 70, 131], channels = 20, output = 7

    override func tearDown() { ComputeContext.current.precision = .float32 }

    /// Results without and with backward, all gradients, and in which order they are announced.
    private func run(inOnePass: Bool, stride: Int) -> [[UInt32]] {
        var random = RandomStream(seed: 4, "normed projections")
        func parameter(_ rows: Int, _ columns: Int) -> Tensor {
            testParameter(rows: rows, columns: columns, (0..<rows * columns).map { _ in random.normal() })
        }
        let x = parameter(offsets.last!, channels), packed = PackedSequence(x, offsets: offsets)
        let layers = (0..<3).map { _ in
            Tape.NormedProjection(
                filter: parameter(3, channels), scale: parameter(1, channels), shift: parameter(1, channels),
                weight: parameter(channels, output), bias: parameter(1, output))
        }
        func results(_ tape: Tape) -> [Tensor] {
            if inOnePass { return tape.normedProjections(of: packed, stride: stride, layers).map(\.tensor) }
            return layers.map { one in
                let convolved = tape.depthwiseConvolution(packed, weight: one.filter, stride: stride).tensor
                return tape.linearOfLayerNorm(convolved, scale: one.scale, shift: one.shift, weight: one.weight, bias: one.bias)
            }
        }
        let parameters = [x] + layers.flatMap { [$0.filter, $0.scale, $0.shift, $0.weight, $0.bias!] }
        var bits = results(Tape(recording: false)).map { $0.array.map(\.bitPattern) }, announced: [UInt32] = []
        let tape = Tape(), y = results(tape)
        tape.onGradientReady = { ready in announced.append(UInt32(parameters.firstIndex { $0 === ready }!)) }
        for one in y { one.gradientToWrite().pointer.update(from: (0..<one.count).map { _ in random.normal() }, count: one.count) }
        tape.backward()
        bits += y.map { $0.array.map(\.bitPattern) } + parameters.map { $0.gradientArray!.map(\.bitPattern) }
        return bits + [announced]
    }

    func testSameBits() {
        for stride in [1, 2] { XCTAssertEqual(run(inOnePass: true, stride: stride), run(inOnePass: false, stride: stride), "stride \(stride)") }
    }

    func testSameBitsInBFloat16() throws {
        try XCTSkipUnless(Processor.present.contains("avx512_bf16"), "this processor does not multiply in bfloat16")
        ComputeContext.current.precision = .bfloat16
        for stride in [1, 2] { XCTAssertEqual(run(inOnePass: true, stride: stride), run(inOnePass: false, stride: stride), "stride \(stride)") }
    }
}
