import Autograd
import Detectors
import FeatureStore
import NeuralNetworks
import RandomStreams
import TestSupport
import XCTest

/// ActionFormer against the published implementation, element by element.
final class ActionFormerGoldenTests: XCTestCase {
    func testGoldenParameterNamesAndShapes() throws {
        try ActionFormerFixture.forEach { fixture in
            XCTAssertEqual(Set(fixture.arena.parameters.map(\.name)), Set(try fixture.file.children(of: "params")), fixture.name)
            for parameter in fixture.arena.parameters {
                let path = "params/\(parameter.name)"
                XCTAssertEqual(parameter.publishedShape, try fixture.file.shape(of: path), "\(fixture.name) \(path)")
                XCTAssertEqual(parameter.isDecayed, try fixture.file.boolAttribute(of: path, named: "weight_decay"), "\(fixture.name) \(path)")
            }
        }
    }

    func testGoldenOutputs() throws {
        try ActionFormerFixture.forEach { fixture in
            let outputs = fixture.model(fixture.batch.features, .inference())
            assertClose(
                "\(fixture.name) fpn", outputs.levels.flatMap(\.tensor.array), try fixture.pyramid("outputs/fpn"), absolute: 2e-5, relative: 2e-5)
            assertClose(
                "\(fixture.name) cls_logits", outputs.logits.array, try fixture.pyramid("outputs/cls_logits"), absolute: 1e-5, relative: 1e-5)
            assertClose("\(fixture.name) offsets", outputs.offsets.array, try fixture.pyramid("outputs/offsets"), absolute: 1e-5, relative: 1e-5)
        }
    }

    func testGoldenLossesAndGradients() throws {
        try ActionFormerFixture.forEach { fixture in
            let (losses, targets) = try backward(fixture)
            XCTAssertGreaterThan(targets.positives.count, 0)
            for (ours, theirs) in [("classification", "cls_loss"), ("regression", "reg_loss"), ("total", "final_loss")] {
                assertClose(
                    "\(fixture.name) \(theirs)", [Float(losses[ours]!)], try fixture.file.readFloats("losses/\(theirs)"), absolute: 1e-6, relative: 1e-5)
            }
            XCTAssertEqual(Set(fixture.arena.parameters.map(\.name)), Set(try fixture.file.children(of: "grads")), fixture.name)
            for parameter in fixture.arena.parameters {
                let expected = try fixture.file.readFloats("grads/\(parameter.name)")
                let scale = expected.map(abs).max() ?? 0
                assertClose(
                    "\(fixture.name) gradient of \(parameter.name)", parameter.published(parameter.tensor.gradient!), expected,
                    absolute: 1e-7 + 2e-5 * scale, relative: 1e-4)
            }
        }
    }

    func testGoldenDetections() throws {
        try ActionFormerFixture.forEach { fixture in
            let detections = fixture.model.detect(fixture.batch)
            for (b, found) in detections.enumerated() {
                let segments = try fixture.file.readFloats("detections/\(b)/segments_sec")
                let scores = try fixture.file.readFloats("detections/\(b)/scores")
                let labels = try fixture.file.readInts("detections/\(b)/labels")
                XCTAssertEqual(found.count, labels.count, "\(fixture.name) video \(b)")
                guard found.count == labels.count else { continue }
                assertClose("\(fixture.name) \(b) scores", found.map { Float($0.score) }, scores, absolute: 1e-5, relative: 1e-4)
                // Detections whose scores differ by less than rounding may change places: each of ours must be one of theirs.
                var free = Set(labels.indices)
                for (i, detection) in found.enumerated() {
                    let match = free.first { j in
                        labels[j] == detection.label && abs(scores[j] - Float(detection.score)) < 1e-5
                            && abs(segments[2 * j] - Float(detection.segment.start)) < 1e-3 && abs(segments[2 * j + 1] - Float(detection.segment.end)) < 1e-3
                    }
                    guard let match else { return XCTFail("\(fixture.name) video \(b): detection \(i) \(detection) is not among the published ones") }
                    free.remove(match)
                }
            }
        }
    }

    func testGoldenParametersAfterOptimizerStep() throws {
        try ActionFormerFixture.forEach { fixture in
            let file = fixture.file
            let optimizer = AdamW(fixture.arena, weightDecay: try file.doubleAttribute(of: "/", named: "weight_decay"))
            _ = try backward(fixture)
            fixture.arena.finishGradients()
            let norm = GradientNorm.norm(fixture.arena.gradients, count: fixture.arena.count)
            XCTAssertEqual(norm, try file.doubleAttribute(of: "/", named: "grad_norm_before_clip"), accuracy: 1e-5 * norm, fixture.name)
            let learningRate = try file.doubleAttribute(of: "/", named: "learning_rate")
            optimizer.update(
                learningRate: learningRate,
                gradientFactor: GradientNorm.clipFactor(norm: norm, maximum: try file.doubleAttribute(of: "/", named: "clip_grad_l2norm")))
            for parameter in fixture.arena.parameters {
                let expected = try file.readFloats("params_after_adamw_step/\(parameter.name)")
                let gradient = try file.readFloats("grads/\(parameter.name)"), ours = parameter.published(parameter.tensor.values)
                // The first step moves every weight by the learning rate times g / (|g| + 1e-8): a gradient within rounding of zero has no certain sign.
                let rounding = 1e-7 + 2e-5 * (gradient.map(abs).max() ?? 0)
                let certain = expected.indices.filter { abs(gradient[$0]) > 50 * rounding }, uncertain = expected.indices.filter { abs(gradient[$0]) <= 50 * rounding }
                assertClose(
                    "\(fixture.name) \(parameter.name) after the step", certain.map { ours[$0] }, certain.map { expected[$0] }, absolute: 2e-6,
                    relative: 1e-6)
                assertClose(
                    "\(fixture.name) \(parameter.name) after the step, gradients near zero", uncertain.map { ours[$0] },
                    uncertain.map { expected[$0] }, absolute: 2.1 * Float(learningRate), relative: 1e-6)
            }
        }
    }

    /// Forward and backward with the fixture's loss normaliser.
    private func backward(_ fixture: ActionFormerFixture) throws -> ([String: Double], PointTargets) {
        let targets = fixture.model.assignTargets(fixture.batch)
        let momentum = try fixture.file.doubleAttribute(of: "/", named: "loss_normalizer_momentum")
        let before = try fixture.file.doubleAttribute(of: "/", named: "loss_normalizer_before")
        let normalizer = momentum * before + (1 - momentum) * Double(max(targets.positives.count, 1))
        let tape = Tape()
        var random = RandomStream(seed: 0, "golden")
        fixture.arena.beginGradients()
        let losses = fixture.model.losses(fixture.batch, targets: targets, normalizer: Float(normalizer), tape: tape, random: &random)
        tape.backward()
        return (losses, targets)
    }
}
