import Autograd
import Detectors
import Foundation
import NeuralNetworks
import PostProcessing
import PyramidDetectors
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// ALQA's losses against a naive implementation in double precision and finite differences of it, and the branches inside ActionFormer.
final class QualityLossTests: XCTestCase {
    private var random = RandomStream(seed: 5, "quality losses")

    private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

    /// Everything from the equations, one point after another. `fixed` holds what no gradient passes through.
    private func naive(
        logits: [Double], branches: [[Double]], classes: Int, targets: PointTargets, settings: QualitySettings, labelSmoothing: Double,
        fixed: (soft: [Double], wanted: [[Double]])
    ) -> (classification: Double, localization: Double) {
        var classification = 0.0, localization = 0.0
        for point in 0..<logits.count / classes {
            let q = reliability(branches.map { $0[point] }, settings)
            for k in 0..<classes {
                let y = fixed.soft[point * classes + k]
                var p = sigmoid(logits[point * classes + k])
                if settings.focalScore == .joint { p *= q }
                let alpha = targets.classes[point * classes + k] == 1 ? Double(settings.alpha) : 1 - Double(settings.alpha)
                classification -= alpha * pow(abs(y - p), 2) * ((1 - y) * log(1 - p) + y * log(p))
            }
        }
        for (i, point) in targets.positives.enumerated() {
            for (b, branch) in branches.enumerated() {
                let p = sigmoid(branch[point]), t = fixed.wanted[b][i]
                localization -= t * log(p) + (1 - t) * log(1 - p)
            }
        }
        return (classification, localization)
    }

    private func reliability(_ logits: [Double], _ settings: QualitySettings) -> Double {
        settings.branches == .tiouTND ? max(sigmoid(logits[0]) - sigmoid(logits[1]), Double(settings.floor)) : sigmoid(logits[0])
    }

    func testLossesAndGradientsOfEveryVariant() throws {
        for branches in QualityBranches.allCases where branches != .none {
            for score in QualitySettings.FocalScore.allCases {
                for smoothing: Float in [0, 0.1] {
                    var settings = QualitySettings(branches)
                    settings.focalScore = score
                    settings.floor = 0.02
                    settings.localizationWeight = 0.3
                    try check(Variant(settings, labelSmoothing: smoothing, random: &random), "\(branches.rawValue) \(score.rawValue) \(smoothing)")
                }
            }
        }
    }

    /// Made-up predictions and targets of a variant of the losses.
    private struct Variant {
        let points = 13, classes = 3
        let settings: QualitySettings
        let labelSmoothing: Float
        let logits: Tensor
        let offsets: Tensor
        let quality: QualityLogits
        var targets: PointTargets

        init(_ settings: QualitySettings, labelSmoothing: Float, random: inout RandomStream) {
            self.settings = settings
            self.labelSmoothing = labelSmoothing
            let points = points, classes = classes
            func tensor(_ columns: Int, _ value: (inout RandomStream) -> Float) -> Tensor {
                Tensor(rows: points, columns: columns, (0..<points * columns).map { _ in value(&random) }, requiresGradient: true)
            }
            logits = tensor(classes) { 2 * $0.normal() }
            offsets = tensor(2) { $0.uniform(0.5, 6) }
            quality = QualityLogits((0..<(settings.branches == .tiouTND ? 2 : 1)).map { _ in tensor(1) { $0.normal() } })
            targets = PointTargets(
                classes: [Float](repeating: 0, count: points * classes), offsets: (0..<2 * points).map { _ in random.uniform(0.5, 6) },
                positives: [1, 2, 5, 8, 12])
            for point in targets.positives { targets.classes[point * classes + point % classes] = 1 }
        }
    }

    /// What no gradient passes through: soft targets of the classes, targets of the branches.
    private func fixed(_ variant: Variant, _ branches: [[Double]]) -> (soft: [Double], wanted: [[Double]]) {
        let classes = variant.classes, smoothing = Double(variant.labelSmoothing), targets = variant.targets
        var soft = targets.classes.map(Double.init)
        for i in soft.indices {
            soft[i] *= reliability(branches.map { $0[i / classes] }, variant.settings)
            if smoothing > 0 { soft[i] = soft[i] * (1 - smoothing) + smoothing / Double(classes + 1) }
        }
        var wanted = [[Double]](repeating: [], count: branches.count)
        for point in targets.positives {
            let p = variant.offsets.array[2 * point..<2 * point + 2].map(Double.init)
            let g = targets.offsets[2 * point..<2 * point + 2].map(Double.init)
            let meet = min(p[0], g[0]) + min(p[1], g[1]), hull = max(p[0], g[0]) + max(p[1], g[1])
            let tiou = meet / (p[0] + p[1] + g[0] + g[1] - meet), tnd = pow(abs((p[1] - p[0]) - (g[1] - g[0])) / 2 / hull, 2)
            switch variant.settings.branches {
            case .tiouTND:
                wanted[0].append(tiou)
                wanted[1].append(tnd)
            case .diou: wanted[0].append(max(tiou - tnd, 0))
            default: wanted[0].append(tiou)
            }
        }
        return (soft, wanted)
    }

    /// Losses against the equations, gradients against finite differences of these.
    private func check(_ variant: Variant, _ name: String) throws {
        let logits = variant.logits.array.map(Double.init), branches = variant.quality.tensors.map { $0.array.map(Double.init) }
        let fixed = fixed(variant, branches)
        func expected(_ logits: [Double], _ branches: [[Double]]) -> (classification: Double, localization: Double) {
            naive(
                logits: logits, branches: branches, classes: variant.classes, targets: variant.targets, settings: variant.settings,
                labelSmoothing: Double(variant.labelSmoothing), fixed: fixed)
        }
        let found = QualityLosses.seed(
            logits: variant.logits, offsets: variant.offsets, quality: variant.quality, targets: variant.targets, settings: variant.settings,
            labelSmoothing: variant.labelSmoothing, normalizer: 7)
        let base = expected(logits, branches)
        XCTAssertEqual(found.classification, base.classification / 7, accuracy: 1e-6, name)
        XCTAssertEqual(found.localization, base.localization / 7, accuracy: 1e-6, name)
        XCTAssertNil(variant.offsets.gradientArray, "\(name): the branches' targets pass no gradient to the offsets")

        let step = 1e-5
        func slope(_ shifted: (_ by: Double) -> (classification: Double, localization: Double)) -> Float {
            func total(_ losses: (classification: Double, localization: Double)) -> Double {
                (losses.classification + 0.3 * losses.localization) / 7
            }
            return Float((total(shifted(step)) - total(shifted(-step))) / (2 * step))
        }
        func changed(_ values: [Double], _ place: Int, _ by: Double) -> [Double] {
            var values = values
            values[place] += by
            return values
        }
        let numeric = logits.indices.map { i in slope { expected(changed(logits, i, $0), branches) } }
        assertClose("\(name) logits", try XCTUnwrap(variant.logits.gradientArray), numeric, absolute: 1e-7, relative: 1e-4)
        for (b, tensor) in variant.quality.tensors.enumerated() {
            let numeric = (0..<variant.points).map { i in
                slope { by in
                    var shifted = branches
                    shifted[b] = changed(branches[b], i, by)
                    return expected(logits, shifted)
                }
            }
            assertClose("\(name) branch \(b)", try XCTUnwrap(tensor.gradientArray), numeric, absolute: 1e-7, relative: 1e-4)
        }
    }

    func testExtremeLogitsStayFinite() throws {
        for score in QualitySettings.FocalScore.allCases {
            var settings = QualitySettings(.tiouTND)
            settings.focalScore = score
            let extremes: [Float] = [-200, -90, 90, 200]
            let logits = Tensor(rows: 4, columns: 4, (0..<16).map { extremes[$0 % 4] }, requiresGradient: true)
            let tiou = Tensor(rows: 4, columns: 1, extremes, requiresGradient: true)
            let tnd = Tensor(rows: 4, columns: 1, extremes.reversed(), requiresGradient: true)
            let offsets = Tensor(rows: 4, columns: 2, [0, 0, 1, 1, 2, 0, 0, 3], requiresGradient: true)
            let targets = PointTargets(
                classes: (0..<16).map { $0 % 5 == 0 ? 1 : 0 }, offsets: [0, 0, 1, 1, 0, 2, 3, 0], positives: [0, 1, 2, 3])
            let losses = QualityLosses.seed(
                logits: logits, offsets: offsets, quality: QualityLogits([tiou, tnd]), targets: targets, settings: settings, normalizer: 1)
            XCTAssertTrue(losses.classification.isFinite && losses.localization.isFinite, "\(losses)")
            for tensor in [logits, tiou, tnd] { XCTAssertTrue(try XCTUnwrap(tensor.gradientArray).allSatisfy(\.isFinite)) }
        }
    }

    /// Arenas own the parameters of the models under test.
    private var arenas: [ParameterArena] = []

    private func model(_ branches: QualityBranches) -> (ActionFormer, ParameterArena) {
        var c = ActionFormerConfiguration(inputDimension: 6, classes: 3)
        (c.embeddingConvolutions, c.stemBlocks, c.branchBlocks, c.heads) = (1, 1, 1, 2)
        c.windows = [5, 5]
        (c.embeddingDimension, c.neckDimension, c.headDimension) = (8, 8, 8)
        c.regressionRanges = [0...4, 4...1000]
        c.priorProbability = 0.2
        c.dropPath = 0
        c.quality = QualitySettings(branches)
        c.detection.nmsMethod = .none
        c.detection.preNMSThresh = 0
        let model = ActionFormer(c), arena = ParameterArena(model)
        arenas.append(arena)
        model.initializeParameters(seed: 3)
        return (model, arena)
    }

    private func batch() -> PackedBatch {
        var random = RandomStream(seed: 8, "batch")
        let x = Tensor(rows: 20, columns: 6, (0..<120).map { _ in random.normal() })
        let grid = FeatureGrid(fps: 1, stride: 1, window: 1)
        return PackedBatch(
            features: PackedSequence(x, offsets: [0, 13, 20]),
            videos: [VideoContext(id: "a", grid: grid, duration: 13), VideoContext(id: "b", grid: grid, duration: 7)],
            instances: [
                [GridInstance(segment: GridSegment(start: 2, end: 11), label: 1)], [GridInstance(segment: GridSegment(start: 1, end: 4), label: 2)],
            ])
    }

    func testBranchesAddTheirParametersAndNothingElse() {
        let plain = model(.none).1.parameters.map(\.name)
        let added: [QualityBranches: [String]] = [
            .none: [], .tiou: ["tiou_head"], .diou: ["diou_head"], .tiouTND: ["tiou_head", "tnd_head"],
        ]
        for (branches, layers) in added {
            let (_, arena) = model(branches)
            let names = layers.flatMap { ["reg_head.\($0).conv.weight", "reg_head.\($0).conv.bias"] }
            XCTAssertEqual(arena.parameters.map(\.name), plain + names, branches.rawValue)
            XCTAssertEqual(arena.learntCount - model(.none).1.learntCount, layers.count * (3 * 8 + 1), branches.rawValue)
            for name in names {
                let parameter = arena.parameters.first { $0.name == name }
                XCTAssertEqual(parameter?.publishedShape, name.hasSuffix("weight") ? [1, 8, 3] : [1])
                XCTAssertEqual(parameter?.isDecayed, name.hasSuffix("weight"))
            }
        }
    }

    func testActionFormerTrainsItsBranches() throws {
        for branches in QualityBranches.allCases {
            let (model, arena) = model(branches), batch = batch(), targets = model.assignTargets(batch)
            XCTAssertGreaterThan(targets.positives.count, 0)
            let tape = Tape()
            var random = RandomStream(seed: 0, "test")
            arena.beginGradients()
            let losses = model.losses(batch, targets: targets, normalizer: 3, tape: tape, random: &random)
            tape.backward()
            arena.finishGradients()
            let parts = (losses["classification"] ?? .nan) + (losses["regression"] ?? .nan) + 0.1 * (losses["localization"] ?? 0)
            XCTAssertEqual(try XCTUnwrap(losses["total"]), parts, accuracy: 1e-7)
            XCTAssertEqual(losses.keys.contains("localization"), branches != .none)
            for parameter in arena.parameters {
                let gradient = try XCTUnwrap(parameter.tensor.gradientArray)
                XCTAssertTrue(gradient.contains { $0 != 0 } && gradient.allSatisfy(\.isFinite), "\(branches.rawValue) \(parameter.name)")
            }
        }
    }

    func testDetectionsCarryThePartsOfTheirScores() throws {
        for branches in QualityBranches.allCases {
            let (model, _) = model(branches), batch = batch()
            let found = model.detectWithParts(batch), outputs = model(batch.features, .inference())
            XCTAssertEqual(found.map { $0.map(\.detection) }, model.detect(batch))
            XCTAssertGreaterThan(found.joined().count, 3, branches.rawValue)
            let scores = outputs.quality.map { QualityScores($0, settings: model.configuration.quality) }
            let joint = scores?.jointScores(outputs.logits)
            for detection in found.joined() {
                XCTAssertEqual(Float(detection.detection.score), detection.jointScore, "without suppression the joint score is the score")
                switch branches {
                case .none: XCTAssertNil(detection.reliability ?? detection.overlap ?? detection.distance)
                case .tiou, .diou:
                    XCTAssertEqual(detection.reliability, detection.overlap)
                    XCTAssertNil(detection.distance)
                case .tiouTND:
                    let difference = try XCTUnwrap(detection.overlap) - XCTUnwrap(detection.distance)
                    XCTAssertEqual(detection.reliability, max(difference, 1e-3))
                }
                if let joint { XCTAssertTrue(joint.contains { abs($0 - detection.jointScore) < 1e-7 }) }
            }
        }
    }

    /// Scores are P_cls times P_diou to a power.
    func testPowerOfTheReliability() throws {
        let logits = QualityLogits([Tensor(rows: 3, columns: 1, [1, 2, -3]), Tensor(rows: 3, columns: 1, [-1, -2, 1])])
        let scores = QualityScores(logits, settings: QualitySettings(.tiouTND))
        for (power, expected) in [
            (Float(1), scores.reliability), (0, [1, 1, 1]), (0.5, scores.reliability.map { $0.squareRoot() }),
            (2, scores.reliability.map { $0 * $0 }),
        ] {
            let raised = scores.raised(to: power)
            for (a, b) in zip(raised.reliability, expected) { XCTAssertEqual(a, b, accuracy: 1e-6 * b, "power \(power)") }
            XCTAssertEqual(raised.overlap, scores.overlap)
            XCTAssertEqual(raised.distance, scores.distance)
        }
        var (model, _) = model(.tiouTND)
        var configuration = model.configuration
        configuration.pyramid.options.quality.power = 0
        let plain = model
        model = ActionFormer(configuration)
        for (a, b) in zip(model.namedParameters, plain.namedParameters) {
            for i in 0..<a.parameter.count { a.parameter.values[i] = b.parameter.values[i] }
        }
        let found = model.detectWithParts(batch()).joined()
        XCTAssertGreaterThan(found.count, 3)
        for detection in found { XCTAssertEqual(Float(detection.detection.score), detection.classScore) }
    }

    func testSuppressionKeepsThePartsOfEachDetection() throws {
        var settings = DetectionSettings(preNMSThresh: 0.001, minScore: 0.001, nmsMethod: .soft, multiclassNMS: true)
        let points = PyramidPoints(rows: [6], levels: 1)
        let video = VideoContext(id: "v", grid: FeatureGrid(fps: 1, stride: 1, window: 1), duration: 100)
        // Points 0, 1 and 2 give the same segment: only the parts of their scores differ.
        let logits: [Float] = [2, -1, 1, -2, 0, 0.5, -1, 1, 0.2, 0.3, 0.1, -0.4]
        let offsets: [Float] = [0, 4, 1, 3, 2, 2, 2, 2, 4, 1, 5, 1]
        let scores = QualityScores(
            QualityLogits([Tensor(rows: 6, columns: 1, [1, 2, 0.5, 0, 1.5, 3]), Tensor(rows: 6, columns: 1, [-1, -2, -1, -3, 0, -2])]),
            settings: QualitySettings(.tiouTND))
        for isPerClass in [true, false] {
            // Without classes apart, voting moves the ends.
            settings.multiclassNMS = isPerClass
            let found = DetectionDecoder(settings: settings, classes: 2).assessedDetections(
                logits: logits, offsets: offsets, quality: scores, points: points, videos: [video])[0]
            XCTAssertGreaterThan(found.count, 4)
            for detection in found {
                let origins = (0..<6).filter {
                    scores.overlap[$0] == detection.overlap && scores.distance?[$0] == detection.distance
                        && scores.reliability[$0] == detection.reliability
                        && abs(1 / (1 + exp(-logits[2 * $0 + detection.detection.label])) - detection.classScore) < 1e-7
                }
                XCTAssertEqual(origins.count, 1, "\(detection)")
                XCTAssertLessThanOrEqual(Float(detection.detection.score), detection.jointScore + 1e-7)
                if isPerClass, let point = origins.first {
                    XCTAssertEqual(detection.gridSegment.start, Float(point) - offsets[2 * point], "\(detection)")
                    XCTAssertEqual(detection.gridSegment.end, Float(point) + offsets[2 * point + 1], "\(detection)")
                }
            }
        }
    }
}
