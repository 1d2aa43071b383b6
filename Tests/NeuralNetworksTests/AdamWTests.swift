import Kernels
import NeuralNetworks
import RandomStreams
import XCTest

/// A decayed weight of `size` values and an undecayed bias.
private final class TwoParameters: Module {
    let weight: Parameter
    let bias: Parameter
    init(size: Int, biases: Int) {
        weight = Parameter(.vector, count: size, isDecayed: true, initialization: .constant(0))
        bias = Parameter(.vector, count: biases, isDecayed: false, initialization: .constant(0))
    }
    func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("weight", weight)
        visitor.visit("bias", bias)
    }
}

final class AdamWTests: XCTestCase {
    override func tearDown() { ComputeContext.current.threads = 1 }

    /// Numbers of a transcription of torch.optim.AdamW's documented formula, float64.
    func testThreeStepsAgainstPyTorchFormula() {
        let model = TwoParameters(size: 3, biases: 1)
        for (i, value) in [Float(1), -2, 0.5].enumerated() { model.weight.values[i] = value }
        let arena = ParameterArena(model)
        let optimizer = AdamW(arena, weightDecay: 0.05)
        for gradient in [[0.1, -0.2, 0.0], [0.3, 0.1, -1e-4], [-0.5, 0.0, 2.0]] as [[Float]] {
            for i in 0..<3 { arena.gradients[i] = gradient[i] }
            optimizer.update(learningRate: 1e-2)
        }
        XCTAssertEqual(optimizer.step, 3)
        for (value, expected) in zip(model.weight.values, [0.9809466694889685, -1.9822906663301667, 0.5002991225939032] as [Float]) {
            XCTAssertEqual(value, expected, accuracy: 2e-7)
        }
    }

    /// L2 in the gradient, biases too; numbers of torch.optim.Adam(lr=1e-2, weight_decay=0.05), float64.
    func testDecayInTheGradientAgainstPyTorch() {
        let model = TwoParameters(size: 3, biases: 1)
        for (i, value) in [Float(1), -2, 0.5].enumerated() { model.weight.values[i] = value }
        model.bias.values[0] = 0.25
        let arena = ParameterArena(model)
        let optimizer = AdamW(arena, weightDecay: 0.05, decay: .gradient)
        for (gradient, bias) in [([0.1, -0.2, 0.0], 0.3), ([0.3, 0.1, -1e-4], -0.2), ([-0.5, 0.0, 2.0], 0)] as [([Float], Float)] {
            for i in 0..<3 { arena.gradients[i] = gradient[i] }
            arena.gradients[model.bias.arenaOffset] = bias
            optimizer.update(learningRate: 1e-2)
        }
        let expected: [Float] = [0.9806813728649566, -1.9763968512409449, 0.47348668769097146, 0.2364174128927077]
        for (value, expected) in zip(Array(model.weight.values) + Array(model.bias.values), expected) {
            XCTAssertEqual(value, expected, accuracy: 3e-7)
        }
    }

    /// Numbers of torch.optim.SGD(lr=0.1, momentum=0.9, weight_decay=0.05) by its documented formula, float64; the bias at twice the rate without decay.
    func testStochasticGradientDescentAgainstPyTorch() {
        for threads in [1, 2] {
            ComputeContext.current.threads = threads
            let model = TwoParameters(size: 3, biases: 1)
            for (i, value) in [Float(1), -2, 0.5].enumerated() { model.weight.values[i] = value }
            model.bias.values[0] = 0.25
            let arena = ParameterArena(model), average = WeightAverage(arena, decay: 0.5)
            let optimizer = AdamW(arena, weightDecay: 0.05, momentum: 0.9)
            optimizer.setFactors { $0.isDecayed ? 1 : 2 }
            for (gradient, bias) in [([0.1, -0.2, 0.0], 0.3), ([0.3, 0.1, -1e-4], -0.2), ([-0.5, 0.0, 2.0], 0)] as [([Float], Float)] {
                for i in 0..<3 { arena.gradients[i] = 2 * gradient[i] }
                arena.gradients[model.bias.arenaOffset] = 2 * bias
                optimizer.update(learningRate: 0.1, gradientFactor: 0.5, average: average)
            }
            XCTAssertEqual(optimizer.step, 3)
            for (value, expected) in zip(
                Array(model.weight.values) + Array(model.bias.values), [0.9383096249999999, -1.90926925, 0.2860538875, 0.1634] as [Float])
            {
                XCTAssertEqual(value, expected, accuracy: 3e-7)
            }
            XCTAssertTrue((0..<arena.count).allSatisfy { optimizer.secondMoments[$0] == 0 })
            XCTAssertEqual(average.values[model.bias.arenaOffset], 0.1807, accuracy: 3e-7)
        }
    }

    /// What is not learnt keeps every bit, whatever its factor, under every rule.
    func testWhatIsNotLearnt() {
        final class Figures: Module {
            let figures = Parameter(.matrix(rows: 2, columns: 2), count: 4, isDecayed: false, initialization: .constant(0), isLearnt: false)
            let bias = Parameter(.vector, count: 1, isDecayed: false, initialization: .constant(0))
            func visitParameters(_ visitor: ParameterVisitor) {
                visitor.visit("figures", figures)
                visitor.visit("bias", bias)
            }
        }
        for (decay, momentum) in [(AdamW.Decay.decoupled, nil), (.gradient, nil), (.decoupled, 0.9)] as [(AdamW.Decay, Double?)] {
            let model = Figures()
            for i in 0..<4 { model.figures.values[i] = 0.1 + Float(i) }
            let before = Array(model.figures.values), arena = ParameterArena(model)
            let optimizer = AdamW(arena, weightDecay: 0.5, decay: decay, momentum: momentum), average = WeightAverage(arena, decay: 0.999)
            for factor in [nil, 3.0] {
                if let factor { optimizer.setFactors { _ in factor } }
                for i in 0..<arena.count { arena.gradients[i] = 1 }
                optimizer.update(learningRate: 0.1, average: average)
            }
            XCTAssertEqual(Array(model.figures.values), before)
            XCTAssertEqual((0..<4).map { average.values[$0] }, before)
            XCTAssertNotEqual(model.bias.values[0], 0)
            XCTAssertEqual(model.figures.publishedShape, [2, 2])
        }
    }

    /// A factor acts as a learning rate of its own would; what is frozen keeps every bit, its average and its moments.
    func testFactorsAndFrozenParameters() {
        for size in [1, 3, 16, 17, 5000] {
            let model = TwoParameters(size: size, biases: 3), slow = TwoParameters(size: size, biases: 3)
            let arena = ParameterArena(model), other = ParameterArena(slow)
            var random = RandomStream(seed: 3, "factors")
            for i in 0..<size {
                model.weight.values[i] = random.normal()
                slow.weight.values[i] = model.weight.values[i]
            }
            for i in 0..<3 { model.bias.values[i] = 0.1 * Float(i + 1) }
            let before = Array(model.bias.values)
            let optimizer = AdamW(arena, weightDecay: 0.05, decay: .decoupled), plain = AdamW(other, weightDecay: 0.05)
            let average = WeightAverage(arena, decay: 0.9), plainAverage = WeightAverage(other, decay: 0.9)
            optimizer.setFactors { $0.name == "bias" ? 0 : 0.25 }
            for step in 0..<4 {
                for i in 0..<arena.count { arena.gradients[i] = random.normal() }
                if step == 3 { arena.gradients[model.bias.arenaOffset] = .nan }
                for i in 0..<size { other.gradients[i] = arena.gradients[i] }
                optimizer.clearFrozenGradients()
                XCTAssertEqual(Array(UnsafeBufferPointer(start: arena.gradients + model.bias.arenaOffset, count: 3)), [0, 0, 0])
                optimizer.update(learningRate: 0.02, gradientFactor: 0.5, average: average)
                plain.update(learningRate: 0.005, gradientFactor: 0.5, average: plainAverage)
            }
            XCTAssertEqual(Array(model.weight.values), Array(slow.weight.values), "\(size)")
            for i in 0..<size { XCTAssertEqual(average.values[i], plainAverage.values[i]) }
            XCTAssertEqual(Array(model.bias.values), before)
            for i in 0..<3 {
                let place = model.bias.arenaOffset + i
                XCTAssertEqual(average.values[place], before[i])
                XCTAssertEqual([optimizer.firstMoments[place], optimizer.secondMoments[place]], [0, 0])
            }
        }
    }

    /// After a reset the next step is a first step, and the average begins at the weights.
    func testReset() {
        let model = TwoParameters(size: 3, biases: 1), fresh = TwoParameters(size: 3, biases: 1)
        let arena = ParameterArena(model), other = ParameterArena(fresh)
        let optimizer = AdamW(arena, weightDecay: 0.05), second = AdamW(other, weightDecay: 0.05), average = WeightAverage(arena, decay: 0.5)
        for i in 0..<3 { arena.gradients[i] = Float(i) - 0.5 }
        for _ in 0..<3 { optimizer.update(learningRate: 1e-2, average: average) }
        for i in 0..<3 { (other.values[i], other.gradients[i]) = (arena.values[i], arena.gradients[i]) }
        XCTAssertNotEqual((0..<3).map { average.values[$0] }, Array(model.weight.values))
        optimizer.reset()
        average.reset()
        XCTAssertEqual(optimizer.step, 0)
        XCTAssertEqual((0..<3).map { average.values[$0] }, Array(model.weight.values))
        optimizer.update(learningRate: 1e-2)
        second.update(learningRate: 1e-2)
        XCTAssertEqual(Array(model.weight.values), Array(fresh.weight.values))
    }

    /// Element by element in Double, with clipping and the moving average; odd sizes, several thread counts.
    func testAgainstNaiveTwin() {
        for threads in [1, 2, 3] {
            ComputeContext.current.threads = threads
            let sizes = [40_003, 17]
            let model = TwoParameters(size: sizes[0], biases: sizes[1])
            var random = RandomStream(seed: 3, "weights")
            for i in 0..<sizes[0] { model.weight.values[i] = random.normal() }
            for i in 0..<sizes[1] { model.bias.values[i] = random.normal() }
            let arena = ParameterArena(model)
            let optimizer = AdamW(arena, weightDecay: 0.1)
            let average = WeightAverage(arena, decay: 0.9)
            let offsets = [0, model.bias.tensor.values - arena.values]
            var w = sizes.indices.map { s in (0..<sizes[s]).map { Double(arena.values[offsets[s] + $0]) } }
            var m = sizes.map { [Double](repeating: 0, count: $0) }
            var v = m
            var e = w
            for step in 1...4 {
                let factor = Float(step) * 0.25
                let rate = 0.01 * Double(step)
                for s in sizes.indices {
                    for i in 0..<sizes[s] {
                        arena.gradients[offsets[s] + i] = random.normal()
                        let g = Double(arena.gradients[offsets[s] + i]) * Double(factor)
                        if s == 0 { w[s][i] *= 1 - rate * 0.1 }
                        m[s][i] = 0.9 * m[s][i] + 0.1 * g
                        v[s][i] = 0.999 * v[s][i] + 0.001 * g * g
                        let bias1 = 1 - pow(0.9, Double(step)), bias2 = 1 - pow(0.999, Double(step))
                        w[s][i] -= rate * (m[s][i] / bias1) / ((v[s][i] / bias2).squareRoot() + 1e-8)
                        e[s][i] = 0.9 * e[s][i] + 0.1 * w[s][i]
                    }
                }
                optimizer.update(learningRate: rate, gradientFactor: factor, average: average)
            }
            for s in sizes.indices {
                for i in 0..<sizes[s] {
                    let at = offsets[s] + i
                    guard abs(Double(arena.values[at]) - w[s][i]) < 2e-5, abs(Double(average.values[at]) - e[s][i]) < 2e-5,
                        abs(Double(optimizer.firstMoments[at]) - m[s][i]) < 2e-6, abs(Double(optimizer.secondMoments[at]) - v[s][i]) < 2e-6
                    else { return XCTFail("\(threads) threads: parameter \(s), element \(i): \(arena.values[at]) instead of \(w[s][i])") }
                }
            }
            // Padding between parameters stays zero.
            for i in sizes[0]..<offsets[1] { XCTAssertEqual(arena.values[i], 0) }
        }
    }

    func testThreadsDoNotChangeABit() {
        var results: [[Float]] = []
        for threads in [1, 2, 4] {
            ComputeContext.current.threads = threads
            let arena = ParameterArena(TwoParameters(size: 100_001, biases: 9))
            var random = RandomStream(seed: 5, "gradient")
            for i in 0..<arena.count { arena.gradients[i] = random.normal() }
            let norm = GradientNorm.norm(arena.gradients, count: arena.count)
            AdamW(arena, weightDecay: 0.05).update(learningRate: 0.1, gradientFactor: GradientNorm.clipFactor(norm: norm, maximum: 1))
            results.append(Array(UnsafeBufferPointer(start: arena.values, count: arena.count)))
        }
        XCTAssertEqual(results[0], results[1])
        XCTAssertEqual(results[0], results[2])
    }

    func testNormAndClipping() {
        let gradients = ParameterArena.makeArray(20_000)
        defer { UnsafeMutableRawPointer(gradients).deallocate() }
        gradients[3] = 3
        gradients[19_999] = -4
        XCTAssertEqual(GradientNorm.norm(gradients, count: 20_000), 5, accuracy: 1e-12)
        XCTAssertEqual(GradientNorm.clipFactor(norm: 5, maximum: 1), Float(1 / (5 + 1e-6)))
        XCTAssertEqual(GradientNorm.clipFactor(norm: 0.5, maximum: 1), 1)
        XCTAssertEqual(GradientNorm.clipFactor(norm: 5, maximum: nil), 1)
        gradients[7] = .nan
        XCTAssertTrue(GradientNorm.norm(gradients, count: 20_000).isNaN)
    }

    func testAverageTakesTheModelsPlaceAndGivesItBack() {
        let model = TwoParameters(size: 2, biases: 1)
        let arena = ParameterArena(model)
        let average = WeightAverage(arena, decay: 0.5)
        average.values[0] = 7
        average.withAveragedWeights { XCTAssertEqual(model.weight.values[0], 7) }
        XCTAssertEqual(model.weight.values[0], 0)
        XCTAssertEqual(average.values[0], 7)
    }
}
