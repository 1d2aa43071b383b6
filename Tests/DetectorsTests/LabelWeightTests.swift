import Autograd
import Detectors
import NeuralNetworks
import PyramidDetectors
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// Labels with weights and ignored regions, on every detector over a pyramid and every kind of quality branch.
final class LabelWeightTests: XCTestCase {
    private typealias Model = any PyramidDetector & AnnotationAssigned
    /// Arenas own the parameters of the models under test.
    private var arenas: [ParameterArena] = []

    private func shared(_ branches: QualityBranches) -> PyramidConfiguration {
        var c = PyramidConfiguration(inputDimension: 6, classes: 3)
        (c.embeddingConvolutions, c.stemBlocks, c.branchBlocks) = (1, 1, 2)
        (c.embeddingDimension, c.neckDimension, c.headDimension) = (16, 16, 8)
        c.regressionRanges = [0...4, 4...8, 8...1000]
        (c.labelSmoothing, c.regressionWeight, c.priorProbability, c.dropPath) = (0.1, 0.7, 0.2, 0)
        c.quality = QualitySettings(branches)
        return c
    }

    private func forEachModel(_ body: (_ name: String, Model) throws -> Void) throws {
        for branches in [QualityBranches.none, .diou, .tiouTND] {
            var attention = ActionFormerConfiguration(shared(branches))
            (attention.heads, attention.windows) = (2, [5, 5, 5])
            try check("ActionFormer", ActionFormer(attention))
            for trident in [true, false] {
                var perception = TriDetConfiguration(shared(branches))
                (perception.windows, perception.hiddenDimension) = ([1, 3, 3], 24)
                (perception.bins, perception.tridentHead, perception.branchDeviation, perception.overlapPower) = (5, trident, 0.4, 0.5)
                try check("TriDet \(trident)", TriDet(perception))
            }
            func check(_ name: String, _ model: Model) throws {
                arenas.append(ParameterArena(model))
                model.initializeParameters(seed: 3)
                // Distances that ReLU lets through.
                for parameter in arenas[arenas.count - 1].parameters where parameter.name == "reg_head.offset_head.conv.bias" {
                    parameter.values.update(repeating: 1)
                }
                try body("\(name) \(branches.rawValue)", model)
            }
        }
    }

    /// Two recordings, the second with an action inside another.
    private let batch: PackedBatch = {
        var random = RandomStream(seed: 4, "weights")
        let x = Tensor(rows: 53, columns: 6, (0..<53 * 6).map { _ in random.normal() }), grid = FeatureGrid(fps: 1, stride: 1, window: 1)
        func action(_ start: Float, _ end: Float, _ label: Int) -> GridInstance {
            GridInstance(segment: GridSegment(start: start, end: end), label: label)
        }
        return PackedBatch(
            features: PackedSequence(x, offsets: [0, 21, 53]),
            videos: [21, 32].map { VideoContext(id: VideoID("\($0)"), grid: grid, duration: $0) },
            instances: [[action(2.2, 9.4, 1)], [action(1.1, 30.2, 0), action(8.3, 13.2, 2)]])
    }()

    private struct Learnt: Equatable {
        var losses: [String: Double]
        var gradients: [[Float]]
    }

    private func learn(_ model: Model, _ weights: LabelWeights?) throws -> Learnt {
        var weighted = batch, random = RandomStream(seed: 0, "pass")
        weighted.weights = weights
        let arena = arenas[arenas.count - 1], tape = Tape()
        arena.beginGradients()
        let losses = model.losses(weighted, normalizers: [7], tape: tape, random: &random)
        tape.backward()
        arena.finishGradients()
        return Learnt(losses: losses, gradients: try arena.parameters.map { try XCTUnwrap($0.tensor.gradientArray, $0.name) })
    }

    func testWeightsOfOneChangeNoBit() throws {
        try forEachModel { name, model in
            let plain = try learn(model, nil)
            let ones = LabelWeights(instances: batch.instances.map { $0.map { _ in 1 } })
            XCTAssertEqual(try learn(model, ones), plain, name)
            XCTAssertEqual(model.assignTargets(batch).counts, [Double(model.assignTargets(batch).positives.count)])
        }
    }

    /// With the normaliser fixed, losses and gradients are linear in each label's weight; another label's points are not touched.
    func testLossesAreLinearInTheWeights() throws {
        try forEachModel { name, model in
            func at(_ inner: Float) throws -> Learnt { try learn(model, LabelWeights(instances: [[1], [0.5, inner]])) }
            let none = try at(0), half = try at(1.5), whole = try at(3)
            for (part, value) in half.losses {
                XCTAssertEqual(value, 0.5 * (try XCTUnwrap(none.losses[part]) + XCTUnwrap(whole.losses[part])), accuracy: 1e-5, "\(name) \(part)")
            }
            XCTAssertNotEqual(none.losses["regression"], whole.losses["regression"], name)
            for (i, gradient) in half.gradients.enumerated() {
                let expected = zip(none.gradients[i], whole.gradients[i]).map { 0.5 * ($0 + $1) }
                let scale = (none.gradients[i] + whole.gradients[i]).reduce(0) { max($0, abs($1)) }
                assertClose(
                    "\(name) \(arenas[arenas.count - 1].parameters[i].name)", gradient, expected, absolute: 1e-6 + 1e-4 * scale, relative: 1e-4)
            }
        }
    }

    /// Points weigh as the label that their offsets lead to; in ignored regions those that no label takes weigh nothing.
    func testPointsAndCounts() throws {
        try forEachModel { name, model in
            var weighted = batch
            let ignored = GridSegment(start: 6, end: 16)
            weighted.weights = LabelWeights(instances: [[0.25], [2, 0.5]], ignored: [[], [ignored]])
            let targets = model.assignTargets(weighted), plain = model.assignTargets(batch), points = model.points(batch.features)
            XCTAssertEqual(targets.positives, plain.positives, name)
            XCTAssertEqual(targets.classes, plain.classes, name)
            let weights = try XCTUnwrap(targets.weights)
            var sum = 0.0, seen = Set<Float>()
            for level in 0..<points.levels {
                for video in 0..<2 {
                    for (i, point) in points.range(level: level, video: video).enumerated() {
                        let classes = Array(plain.classes[3 * point..<3 * point + 3]), position = Float(i * points.stride(level: level))
                        let isIgnored = video == 1 && ignored.start <= position && position <= ignored.end
                        // Of two actions the shorter takes a point.
                        let expected: Float = classes[2] > 0 ? 0.5 : classes[0] > 0 ? 2 : classes[1] > 0 ? 0.25 : isIgnored ? 0 : 1
                        XCTAssertEqual(weights[point], expected, "\(name) level \(level) video \(video) point \(i)")
                        if classes.contains(1) { sum += Double(expected) }
                        seen.insert(expected)
                    }
                }
            }
            XCTAssertEqual(seen, [0, 0.25, 0.5, 1, 2], name)
            XCTAssertEqual(targets.counts, [sum], name)
        }
    }

    /// What a detector says in an ignored region is of no consequence.
    func testIgnoredRegionsGiveNoGradient() throws {
        try forEachModel { name, model in
            var weighted = batch
            weighted.weights = LabelWeights(instances: [[1], [1, 1]], ignored: [[GridSegment(start: 10, end: 20)], []])
            let tape = Tape(), pass = ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 0, "pass"))
            let targets = model.assignTargets(weighted), weights = try XCTUnwrap(targets.weights)
            let gradient = try logitGradient(model, weighted, targets, pass)
            for (point, weight) in weights.enumerated() {
                XCTAssertEqual(gradient[3 * point..<3 * point + 3].allSatisfy { $0 == 0 }, weight == 0, "\(name) point \(point)")
            }
            XCTAssertTrue(weights.contains(0))
        }
    }

    private func logitGradient<D: PyramidDetector>(
        _ model: D, _ batch: PackedBatch, _ targets: PointTargets, _ pass: ForwardPass
    ) throws -> [Float] {
        let outputs = model(batch.features, pass)
        _ = model.seedLosses(outputs, targets: targets, normalizer: 3, tape: pass.tape)
        return try XCTUnwrap(outputs.logits.gradientArray)
    }
}
