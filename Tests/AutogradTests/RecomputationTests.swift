import Autograd
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// What is computed again in backward: the same bits as what is kept, with less memory between forward and backward.
final class RecomputationTests: XCTestCase {
    private var random = RandomStream(seed: 3, "recomputation")

    private func values(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }

    /// What a tape's operations leave between forward and backward, and the bits, with and without operands that are not kept.
    private func run(
        _ parameters: [Tensor], dy: [Float], _ operations: (Tape) -> Tensor
    ) -> (bits: [[UInt32]], kept: Int, announced: [Int]) {
        var bits: [[UInt32]] = [], announced: [Int] = [], kept = 0
        // The second time gradients are added.
        for _ in 1...2 {
            let tape = Tape(), before = BufferPool.shared.usedBytes, y = operations(tape)
            kept = BufferPool.shared.usedBytes - before
            tape.onGradientReady = { ready in announced += parameters.indices.filter { parameters[$0] === ready } }
            y.gradientToWrite().pointer.update(from: dy, count: dy.count)
            tape.backward()
            bits += [y.array.map(\.bitPattern)] + parameters.map { $0.gradientArray!.map(\.bitPattern) }
        }
        return (bits, kept, announced.sorted())
    }

    /// Linear layers that do not keep their operand: the bits of two operations, gradients stored or added, without the operand in between.
    func testOperandsThatAreNotKept() {
        for (rows, input, output) in [(1, 1, 3), (2, 7, 5), (131, 20, 9), (70, 33, 40)] {
            let x0 = values(rows * input), w0 = values(input * output), b0 = values(output), dy = values(rows * output)
            let scale0 = values(input), shift0 = values(input), name = "\(rows) x \(input) x \(output)"
            func run(unkept: Bool) -> (bits: [[UInt32]], kept: Int, announced: [Int]) {
                let x = testParameter(rows: rows, columns: input, x0), w = testParameter(rows: input, columns: output, w0)
                let b = testParameter(rows: 1, columns: output, b0), scale = testParameter(rows: 1, columns: input, scale0)
                let shift = testParameter(rows: 1, columns: input, shift0)
                return self.run([x, w, b, scale, shift], dy: dy) { tape in
                    unkept
                        ? tape.linearOfLayerNorm(x, scale: scale, shift: shift, weight: w, bias: b)
                        : tape.linear(tape.layerNorm(x, weight: scale, bias: shift), weight: w, bias: b)
                }
            }
            let twice = run(unkept: false), once = run(unkept: true)
            XCTAssertEqual(once.bits, twice.bits, name)
            XCTAssertEqual(once.announced, twice.announced, name)
            XCTAssertLessThanOrEqual(once.kept, twice.kept - 4 * rows * input, name)
        }
    }

    /// The layers of a block in one pass over the rows: the bits of the operations one after the other, without what stands before the products.
    func testFeedForwardInOnePass() {
        for threads in [1, 2] {
            ComputeContext.current.threads = threads
            defer { ComputeContext.current.threads = 1 }
            for (rows, channels, hidden) in [(1, 1, 3), (2, 7, 5), (131, 20, 9), (70, 33, 40), (700, 24, 96)] {
                let x0 = values(rows * channels), w1 = values(channels * hidden), b1 = values(hidden), w2 = values(hidden * channels)
                let b2 = values(channels), scale0 = values(channels), shift0 = values(channels), dy = values(rows * channels)
                for hasNorm in [false, true] {
                    func run(inOnePass: Bool) -> (bits: [[UInt32]], kept: Int, announced: [Int]) {
                        let x = testParameter(rows: rows, columns: channels, x0)
                        let expand = (weight: testParameter(rows: channels, columns: hidden, w1), bias: testParameter(rows: 1, columns: hidden, b1))
                        let contract = (
                            weight: testParameter(rows: hidden, columns: channels, w2), bias: testParameter(rows: 1, columns: channels, b2)
                        )
                        let scale = testParameter(rows: 1, columns: channels, scale0), shift = testParameter(rows: 1, columns: channels, shift0)
                        func block(_ tape: Tape) -> Tensor {
                            if inOnePass { return tape.feedForward(x, norm: hasNorm ? (scale, shift) : nil, expand: expand, contract: contract) }
                            let operand = hasNorm ? tape.layerNorm(x, weight: scale, bias: shift) : x
                            let activated = tape.gelu(tape.linear(operand, weight: expand.weight, bias: expand.bias))
                            return tape.linear(activated, weight: contract.weight, bias: contract.bias)
                        }
                        var result = self.run(
                            [x, expand.weight, expand.bias, contract.weight, contract.bias] + (hasNorm ? [scale, shift] : []), dy: dy, block)
                        result.bits.append(block(Tape(recording: false)).array.map(\.bitPattern))
                        return result
                    }
                    let name = "\(rows) x \(channels) x \(hidden), norm \(hasNorm), \(threads) threads"
                    let twice = run(inOnePass: false), once = run(inOnePass: true)
                    XCTAssertEqual(once.bits, twice.bits, name)
                    XCTAssertEqual(once.announced, twice.announced, name)
                    XCTAssertLessThanOrEqual(once.kept, twice.kept - 4 * rows * (hidden + (hasNorm ? channels : 0)), name)
                }
            }
        }
    }

    func testSameBitsAndLessMemory() {
        // A width at which inference would read copies of weights, with another library's bits.
        ComputeContext.current.backend = .byShape
        defer { ComputeContext.current.backend = .openblas }
        for (rows, channels, hidden) in [(1, 1, 2), (2, 5, 20), (33, 16, 64), (130, 12, 48), (70, 24, 512)] {
            let x0 = values(rows * channels), w1 = values(channels * hidden), w2 = values(hidden * channels), b = values(hidden)
            func run(_ recomputing: Bool) -> (bits: [[UInt32]], kept: Int, announced: [Int]) {
                let x = testParameter(rows: rows, columns: channels, x0), bias = testParameter(rows: 1, columns: hidden, b)
                let expand = testParameter(rows: channels, columns: hidden, w1), contract = testParameter(rows: hidden, columns: channels, w2)
                let parameters = [x, expand, bias, contract], tape = Tape(recomputing: recomputing), before = BufferPool.shared.usedBytes
                func block(_ tape: Tape, _ x: Tensor) -> Tensor {
                    tape.linear(tape.gelu(tape.linear(x, weight: expand, bias: bias)), weight: contract, bias: nil)
                }
                // Twice with the same weights: they are ready after the first use's backward alone.
                let once = tape.recomputed(x, leaves: [expand, bias, contract], block)
                let y = tape.recomputed(once, leaves: [expand, bias, contract], block)
                let kept = BufferPool.shared.usedBytes - before
                var announced: [Int] = []
                tape.onGradientReady = { ready in announced += parameters.indices.filter { parameters[$0] === ready } }
                y.gradientToWrite().pointer.update(from: x0, count: x0.count)
                tape.backward()
                return ([y.array.map(\.bitPattern)] + parameters.map { $0.gradientArray!.map(\.bitPattern) }, kept, announced.sorted())
            }
            let whole = run(false), again = run(true)
            XCTAssertEqual(again.bits, whole.bits, "\(rows) x \(channels) x \(hidden)")
            XCTAssertEqual(again.announced, [1, 2, 3])
            XCTAssertEqual(whole.announced, [1, 2, 3])
            // Of two hidden matrices in each of two blocks nothing stays; pieces are whole cache lines.
            XCTAssertLessThanOrEqual(again.kept, whole.kept - 4 * 4 * rows * hidden + 64 * 4, "\(rows) x \(channels) x \(hidden)")
        }
    }
}
