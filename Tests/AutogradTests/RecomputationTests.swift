import Autograd
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// What is computed again in backward: the same bits as what is kept, with less memory between forward and backward.
final class RecomputationTests: XCTestCase {
    private var random = RandomStream(seed: 3, "recomputation")

    private func values(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }

    func testSameBitsAndLessMemory() {
        for (rows, channels, hidden) in [(1, 1, 2), (2, 5, 20), (33, 16, 64), (130, 12, 48)] {
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
