import Autograd
import Diagnostics
import Kernels
import NeuralNetworks
import RandomStreams
import TestSupport
import XCTest

/// Linear layers and convolutions with operands rounded to bfloat16.
final class RoundedProductTests: XCTestCase {
    private var random = RandomStream(seed: 8, "rounded")

    override func setUpWithError() throws {
        try XCTSkipUnless(Processor.present.contains("avx512_bf16"), "this processor does not multiply in bfloat16")
    }
    override func tearDown() { ComputeContext.current.precision = .float32 }

    private func rounded(_ count: Int) -> [Float] { (0..<count).map { _ in NaiveKernels.roundedToBFloat16(random.normal()) } }

    /// On numbers that need no rounding both precisions agree, forward and backward, whether gradients are stored or added.
    func testOnRoundedNumbersBothPrecisionsAgree() {
        for offsets in [[0, 1], [0, 2], [0, 1, 3, 40], [0, 131, 131, 420]] {
            for (kernel, input, output) in [(1, 7, 20), (3, 20, 33), (5, 16, 2)] {
                let rows = offsets.last!, name = "kernel \(kernel), \(offsets)"
                let values = (x: rounded(rows * input), w: rounded(kernel * input * output), b: rounded(output), dy: rounded(rows * output))
                func run(_ precision: ProductPrecision) -> [(String, [Float])] {
                    ComputeContext.current.precision = precision
                    let x = testParameter(rows: rows, columns: input, values.x), w = testParameter(rows: kernel * input, columns: output, values.w)
                    let b = testParameter(rows: 1, columns: output, values.b)
                    var results: [(String, [Float])] = []
                    // The second time gradients are added.
                    for turn in 1...2 {
                        let tape = Tape()
                        let y = tape.convolution(PackedSequence(x, offsets: offsets), weight: w, bias: b, kernel: kernel).tensor
                        y.gradientToWrite().pointer.update(from: values.dy, count: values.dy.count)
                        tape.backward()
                        results += [
                            ("y \(turn)", y.array), ("dx \(turn)", x.gradientArray!), ("dw \(turn)", w.gradientArray!),
                            ("db \(turn)", b.gradientArray!),
                        ]
                    }
                    return results
                }
                for (ours, expected) in zip(run(.bfloat16), run(.float32)) {
                    assertClose("\(name): \(ours.0)", ours.1, expected.1, absolute: 1e-4, relative: 1e-5)
                }
            }
        }
    }

    /// Other numbers are rounded: to about three digits, not more and not less.
    func testOperandsAreRounded() {
        let x = testParameter(rows: 1, columns: 1, [1.001]), w = testParameter(rows: 1, columns: 1, [1.01])
        ComputeContext.current.precision = .bfloat16
        XCTAssertEqual(Tape(recording: false).linear(x, weight: w, bias: nil).array, [1.007_812_5])
        ComputeContext.current.precision = .float32
        XCTAssertEqual(Tape(recording: false).linear(x, weight: w, bias: nil).array[0], 1.001 * 1.01, accuracy: 1e-6)
    }

    /// What only products read is rounded by the operation that makes it, to the same bits: forward and backward.
    func testResultsForProductsAloneAreRoundedWhereTheyAreMade() {
        ComputeContext.current.precision = .bfloat16
        for (rows, columns) in [(1, 1), (2, 7), (131, 20), (70, 33)] {
            let values = (0..<rows * columns).map { _ in random.normal() }, gradient = (0..<rows * 5).map { _ in random.normal() }
            let weights = (0..<columns * 5).map { _ in random.normal() }, scales = (0..<columns).map { _ in random.normal() }
            func run(_ onlyForProducts: Bool) -> [[Float]] {
                let x = testParameter(rows: rows, columns: columns, values), w = testParameter(rows: columns, columns: 5, weights)
                let scale = testParameter(rows: 1, columns: columns, scales), shift = testParameter(rows: 1, columns: columns, scales.reversed())
                let tape = Tape()
                let normalized = tape.layerNorm(x, weight: scale, bias: shift, onlyForProducts: onlyForProducts)
                let y = tape.linear(normalized, weight: w, bias: nil)
                let z = tape.linear(tape.gelu(x, onlyForProducts: onlyForProducts), weight: w, bias: nil)
                for result in [y, z] { result.gradientToWrite().pointer.update(from: gradient, count: gradient.count) }
                tape.backward()
                return [y.array, z.array] + [x, w, scale, shift].map { $0.gradientArray! }
            }
            XCTAssertEqual(run(true), run(false), "\(rows) x \(columns)")
        }
    }

    func testWeightsAreRoundedOnceWithinKeeping() {
        ComputeContext.current.precision = .bfloat16
        let x = testParameter(rows: 1, columns: 1, [1]), w = testParameter(rows: 1, columns: 1, [1])
        func product() -> Float { Tape(recording: false).linear(x, weight: w, bias: nil).array[0] }
        XCTAssertEqual(product(), 1)
        w.values[0] = 2
        XCTAssertEqual(product(), 2)
        PreparedWeights.keeping {
            XCTAssertEqual(product(), 2)
            w.values[0] = 3
            XCTAssertEqual(product(), 2, "rounded once")
            PreparedWeights.forget()
            XCTAssertEqual(product(), 3)
            PreparedWeights.keeping { XCTAssertEqual(product(), 3) }
            w.values[0] = 4
            XCTAssertEqual(product(), 3, "the inner scope ends nothing")
        }
        XCTAssertEqual(product(), 4)
    }

    private final class OneWeight: Module {
        let weight = Parameter(.vector, count: 1, isDecayed: false, initialization: .constant(1))
        func visitParameters(_ visitor: ParameterVisitor) { visitor.visit("weight", weight) }
    }

    /// What changes weights says so: the optimiser, and the exchange with the averaged ones.
    func testOptimizerAndAverageForgetPreparedWeights() {
        ComputeContext.current.precision = .bfloat16
        let model = OneWeight(), arena = ParameterArena(model)
        let x = testParameter(rows: 1, columns: 1, [1])
        let optimizer = AdamW(arena, weightDecay: 0), average = WeightAverage(arena, decay: 0.5)
        func product() -> Float {
            Tape(recording: false).linear(x, weight: Tensor(rows: 1, columns: 1, values: arena.values, gradient: nil), bias: nil).array[0]
        }
        PreparedWeights.keeping {
            arena.values[0] = 1
            XCTAssertEqual(product(), 1)
            arena.gradients[0] = 1
            optimizer.update(learningRate: 0.5, average: average)
            XCTAssertEqual(product(), NaiveKernels.roundedToBFloat16(arena.values[0]))
            XCTAssertLessThan(product(), 0.6)
            average.values[0] = 8
            average.withAveragedWeights { XCTAssertEqual(product(), 8) }
            XCTAssertLessThan(product(), 0.6)
        }
    }
}
