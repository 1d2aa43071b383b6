import Autograd
import Detectors
import HDF5
import NeuralNetworks
import PyramidDetectors
import TestSupport
import XCTest

typealias ActionFormerFixture = DetectorFixture<ActionFormer>

extension ActionFormerFixture {
    static func forEach(_ body: (ActionFormerFixture) throws -> Void) throws {
        try forEachFile(matching: "actionformer_", { ActionFormer(try ActionFormerConfiguration(fixture: $0)) }, body)
    }
}

extension ActionFormerConfiguration {
    fileprivate init(fixture file: HDF5File) throws {
        self.init(try PyramidConfiguration(fixture: file))
        heads = try file.intAttribute(of: "/", named: "n_head")
        windows = try file.intsAttribute(of: "/", named: "n_mha_win_size")
        relativePositions =
            file.hasAttribute(of: "/", named: "use_rel_pe")
            ? try file.boolAttribute(of: "/", named: "use_rel_pe") : file.exists("params/backbone.stem.0.attn.rel_pe")
        // The files hold layer scales, which only a positive probability brings.
        pyramid.dropPath = 1e-9
    }
}

/// ActionFormer against the published implementation, element by element.
final class ActionFormerGoldenTests: XCTestCase {
    func testGoldenParameterNamesAndShapes() throws {
        try ActionFormerFixture.forEach { fixture in
            try fixture.checkParameterNamesAndShapes()
            for parameter in fixture.arena.parameters {
                let path = "params/\(parameter.name)"
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
            XCTAssertEqual(Set(fixture.arena.parameters.map(\.name)), Set(try fixture.file.children(of: "grads")), fixture.name)
            XCTAssertGreaterThan(try fixture.checkLossesAndGradients().positives.count, 0)
        }
    }

    func testGoldenDetections() throws { try ActionFormerFixture.forEach { try $0.checkDetections() } }

    func testGoldenParametersAfterOptimizerStep() throws {
        try ActionFormerFixture.forEach { fixture in
            let file = fixture.file
            let optimizer = AdamW(fixture.arena, weightDecay: try file.doubleAttribute(of: "/", named: "weight_decay"))
            _ = try fixture.backward()
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
                // The first step moves every weight by the learning rate times g / (|g| + 1e-8): a gradient within rounding of zero has no certain
                // sign.
                let rounding = 1e-7 + 2e-5 * (gradient.map(abs).max() ?? 0)
                let certain = expected.indices.filter { abs(gradient[$0]) > 50 * rounding }
                let uncertain = expected.indices.filter { abs(gradient[$0]) <= 50 * rounding }
                assertClose(
                    "\(fixture.name) \(parameter.name) after the step", certain.map { ours[$0] }, certain.map { expected[$0] }, absolute: 2e-6,
                    relative: 1e-6)
                assertClose(
                    "\(fixture.name) \(parameter.name) after the step, gradients near zero", uncertain.map { ours[$0] },
                    uncertain.map { expected[$0] }, absolute: 2.1 * Float(learningRate), relative: 1e-6)
            }
        }
    }
}
