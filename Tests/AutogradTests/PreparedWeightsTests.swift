import Autograd
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Copies of weights that products of inference read where the weights' own rows would crowd the cache.
final class PreparedWeightsTests: XCTestCase {
    private var random = RandomStream(seed: 9, "prepared weights")
    private let rows = 33, input = 20, output = 512

    override func setUp() { ComputeContext.current.backend = .byShape }
    override func tearDown() { ComputeContext.current.backend = .openblas }

    private func parameter(_ rows: Int, _ columns: Int) -> Tensor {
        testParameter(rows: rows, columns: columns, (0..<rows * columns).map { _ in random.normal() })
    }

    /// Bytes of the copy of a weight [input, output]; processors with AVX-512 need none.
    private var copyBytes: Int {
        let rowsApart = MatrixMultiply.rowsApart(ofKeptWeights: output)
        return rowsApart == output ? 0 : 4 * input * rowsApart
    }

    func testInferenceComputesTheSameAsTraining() {
        let x = parameter(rows, input), w = parameter(input, output), b = parameter(1, output)
        let expand = (weight: parameter(output, 1_024), bias: parameter(1, 1_024))
        let contract = (weight: parameter(1_024, output), bias: parameter(1, output))
        func run(_ tape: Tape) -> [Float] {
            tape.feedForward(tape.linear(x, weight: w, bias: b), expand: expand, contract: contract).array
        }
        let trained = run(Tape()), largest = trained.map(abs).max()!
        for keeps in [false, true] {
            let found = keeps ? PreparedWeights.keeping { run(Tape(recording: false)) } : run(Tape(recording: false))
            assertClose("keeping \(keeps)", found, trained, absolute: 2e-6 * largest)
        }
    }

    func testACopyIsMadeOnceAndForgotten() {
        let x = parameter(rows, input), w = parameter(input, output)
        func run() -> [UInt32] { Tape(recording: false).linear(x, weight: w, bias: nil).array.map(\.bitPattern) }
        let before = BufferPool.shared.usedBytes, alone = run()
        XCTAssertEqual(BufferPool.shared.usedBytes, before)
        PreparedWeights.keeping {
            for _ in 1...2 {
                XCTAssertEqual(run(), alone)
                XCTAssertEqual(BufferPool.shared.usedBytes - before, copyBytes)
            }
            for place in 0..<w.count { w.values[place] *= 2 }
            PreparedWeights.forget()
            XCTAssertEqual(run().map { Float(bitPattern: $0) }, alone.map { 2 * Float(bitPattern: $0) })
        }
        XCTAssertEqual(BufferPool.shared.usedBytes, before)
    }

    /// Minimal filtering: the bits of weights that are transformed for every use, transformed once.
    func testWeightsOfMinimalFilteringAreTransformedOnce() {
        ComputeContext.current.convolution = .winograd
        defer { ComputeContext.current.convolution = .direct }
        for (input, output) in [(16, 24), (600, 16), (20, 512)] {
            let x = PackedSequence(parameter(rows, input), offsets: [0, 1, 3, 20, rows]), w = parameter(3 * input, output), b = parameter(1, output)
            func run() -> [UInt32] { Tape(recording: false).convolution(x, weight: w, bias: b, kernel: 3).tensor.array.map(\.bitPattern) }
            let before = BufferPool.shared.usedBytes, alone = run()
            PreparedWeights.keeping {
                XCTAssertEqual(run(), alone)
                let kept = BufferPool.shared.usedBytes - before
                XCTAssertGreaterThanOrEqual(kept, 4 * 6 * input * output)
                XCTAssertEqual(run(), alone)
                XCTAssertEqual(BufferPool.shared.usedBytes - before, kept)
            }
            XCTAssertEqual(BufferPool.shared.usedBytes, before)
        }
    }

    /// In training weights change at every step: products read them as they are.
    func testTrainingCopiesNothing() {
        let x = parameter(rows, input), w = parameter(input, output)
        PreparedWeights.keeping {
            let before = BufferPool.shared.usedBytes, tape = Tape(), y = tape.linear(x, weight: w, bias: nil)
            XCTAssertEqual(BufferPool.shared.usedBytes - before, 4 * y.count)
        }
    }
}
