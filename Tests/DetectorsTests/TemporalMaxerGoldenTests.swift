import Autograd
import Detectors
import HDF5
import NeuralNetworks
import PostProcessing
import PyramidDetectors
import RandomStreams
import TestSupport
import XCTest

/// Made with the published code (github.com/TuanTNG/TemporalMaxer).
typealias TemporalMaxerFixture = DetectorFixture<TemporalMaxer>

extension TemporalMaxerFixture {
    static func forEach(_ body: (TemporalMaxerFixture) throws -> Void) throws {
        try forEachFile(matching: "temporalmaxer_", { TemporalMaxer(try TemporalMaxerConfiguration(fixture: $0)) }, body)
    }

    /// The targets of the outputs in training, and the tape that these are on.
    func forward() -> (outputs: TemporalMaxer.Outputs, targets: PointTargets, tape: Tape) {
        let tape = Tape(), pass = ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 0, "golden"))
        arena.beginGradients()
        let outputs = model(batch.features, pass)
        return (outputs, model.assignTargets(batch, outputs: outputs), tape)
    }

    /// The normaliser after the step, by the detector's own rule.
    func normalizer(_ targets: PointTargets) throws -> Double {
        var running = RunningNormalizers(model.normalizers, initial: try file.doubleAttribute(of: "/", named: "loss_normalizer_before"))
        _ = running.update(targets.counts)
        return running.values[0]
    }
}

extension TemporalMaxerConfiguration {
    fileprivate init(fixture file: HDF5File) throws {
        func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
        func float(_ key: String) throws -> Float { Float(try file.doubleAttribute(of: "/", named: key)) }
        var shared = PyramidConfiguration(inputDimension: try int("input_dim"), classes: try int("num_classes"))
        let arch = try file.intsAttribute(of: "/", named: "backbone_arch")
        (shared.embeddingConvolutions, shared.branchBlocks) = (arch[0], arch[1])
        (shared.embeddingDimension, shared.embeddingKernel) = (try int("embd_dim"), try int("embd_kernel_size"))
        shared.neck = try XCTUnwrap(NeckKind(rawValue: try file.stringAttribute(of: "/", named: "fpn_type")))
        shared.neckDimension = try int("fpn_dim")
        (shared.headDimension, shared.headKernel, shared.headLayers) = (try int("head_dim"), try int("head_kernel_size"), try int("head_num_layers"))
        shared.regressionRanges = try PyramidConfiguration.regressionRanges(file)
        shared.labelSmoothing = try float("label_smoothing")
        shared.centerSampleRadius = try float("assigner.center_radius")
        shared.detection = try DetectionSettings(fixture: file)
        self.init(shared)
        if file.hasAttribute(of: "/", named: "fpn_norm") {
            norm = try XCTUnwrap(NeckNorm(rawValue: try file.stringAttribute(of: "/", named: "fpn_norm")))
        }
        (overlapWeight, classWeight) = (try float("assigner.iou_weight"), try float("assigner.cls_weight"))
        (keptShare, confusedWeight) = (try float("assigner.keep_percent"), try float("assigner.confuse_weight"))
    }
}

/// TemporalMaxer against the published implementation, element by element.
final class TemporalMaxerGoldenTests: XCTestCase {
    func testGoldenParameterNamesAndShapes() throws { try TemporalMaxerFixture.forEach { try $0.checkParameterNamesAndShapes() } }

    func testGoldenOutputs() throws {
        try TemporalMaxerFixture.forEach { fixture in
            let outputs = fixture.model(fixture.batch.features, .inference())
            assertClose(
                "\(fixture.name) fpn", outputs.levels.flatMap(\.tensor.array), try fixture.pyramid("outputs/fpn"), absolute: 2e-5, relative: 2e-5)
            assertClose(
                "\(fixture.name) cls_logits", outputs.logits.array, try fixture.pyramid("outputs/cls_logits"), absolute: 1e-5, relative: 1e-5)
            assertClose("\(fixture.name) offsets", outputs.offsets.array, try fixture.pyramid("outputs/offsets"), absolute: 1e-5, relative: 1e-5)
        }
    }

    /// Classes of all points; the weights that SimOTA gives all points; offsets where a class is set; the sum of the weights of positive points.
    func testGoldenTargets() throws {
        try TemporalMaxerFixture.forEach { fixture in
            let (outputs, targets, _) = fixture.forward(), points = fixture.model.points(fixture.batch.features)
            let classes = fixture.model.configuration.classes, weights = try XCTUnwrap(targets.weights)
            var positives: [Int] = []
            for (video, instances) in fixture.batch.instances.enumerated() {
                let group = "targets/\(video)", name = "\(fixture.name) video \(video)", indices = points.indices(video: video)
                let wantedClasses = try fixture.file.readFloats("\(group)/cls"), wantedOffsets = try fixture.file.readFloats("\(group)/offsets")
                let wantedWeights = try fixture.file.readFloats("\(group)/weights")
                XCTAssertEqual(indices.flatMap { Array(targets.classes[$0 * classes..<($0 + 1) * classes]) }, wantedClasses, name)
                let match = fixture.model.assigner.match(
                    points, video: video, instances: instances,
                    predictions: .init(logits: outputs.logits.values, offsets: outputs.offsets.values))
                XCTAssertEqual(match.weights, wantedWeights, name)
                for (place, point) in indices.enumerated() {
                    let isPositive = wantedClasses[place * classes..<(place + 1) * classes].contains { $0 > 0 }
                    XCTAssertEqual(weights[point], isPositive ? wantedWeights[place] : 1, "\(name) point \(place)")
                    guard isPositive else { continue }
                    positives.append(point)
                    assertClose(
                        "\(name) point \(place)", Array(targets.offsets[2 * point...2 * point + 1]),
                        Array(wantedOffsets[2 * place...2 * place + 1]), absolute: 1e-5, relative: 1e-5)
                }
            }
            XCTAssertGreaterThan(positives.count, 0, fixture.name)
            XCTAssertEqual(targets.positives, positives.sorted(), fixture.name)
            let sum = Double(try fixture.file.readFloats("losses/num_pos")[0])
            XCTAssertEqual(targets.counts[0], sum, accuracy: 1e-5 * sum, fixture.name)
            let after = try fixture.file.doubleAttribute(of: "/", named: "loss_normalizer_after")
            XCTAssertEqual(try fixture.normalizer(targets), after, accuracy: 1e-6 * after, fixture.name)
        }
    }

    func testGoldenLossesAndGradients() throws {
        try TemporalMaxerFixture.forEach { fixture in
            XCTAssertEqual(Set(fixture.arena.parameters.map(\.name)), Set(try fixture.file.children(of: "grads")), fixture.name)
            let (outputs, targets, tape) = fixture.forward()
            let losses = fixture.model.seedLosses(
                outputs, targets: targets, normalizers: [Float(try fixture.normalizer(targets))], tape: tape)
            tape.backward()
            try fixture.check(losses)
            try fixture.checkGradients()
        }
    }

    func testGoldenDetections() throws { try TemporalMaxerFixture.forEach { try $0.checkDetections() } }
}
