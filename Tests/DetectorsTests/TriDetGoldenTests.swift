import Autograd
import Detectors
import FeatureStore
import Foundation
import Kernels
import NeuralNetworks
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// One `tridet_*.h5`: the published model's sizes, parameters, inputs and results (made by launch/pytorch/tridet.py).
private struct TriDetFixture {
    let name: String
    let file: HDF5File
    let model: TriDet
    let arena: ParameterArena
    let batch: PackedBatch

    /// Every fixture with every library of matrix products.
    static func forEach(_ body: (TriDetFixture) throws -> Void) throws {
        defer { MatrixMultiply.backend = .openblas }
        for backend in MatrixMultiplyBackend.allCases {
            MatrixMultiply.backend = backend
            for path in try Fixtures.files(matching: "tridet_", suffix: ".h5") { try body(TriDetFixture(path: path)) }
        }
    }

    init(path: String) throws {
        name = "\(URL(fileURLWithPath: path).lastPathComponent) by \(MatrixMultiply.backend)"
        let file = try HDF5File.open(path)
        self.file = file
        func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
        func double(_ key: String) throws -> Double { try file.doubleAttribute(of: "/", named: key) }
        var c = TriDetConfiguration(inputDimension: try int("input_dim"), classes: try int("num_classes"))
        let arch = try file.intsAttribute(of: "/", named: "backbone_arch")
        (c.embeddingConvolutions, c.stemBlocks, c.branchBlocks) = (arch[0], arch[1], arch[2])
        c.windows = try file.intsAttribute(of: "/", named: "n_sgp_win_size")
        c.windowFactor = try double("k")
        c.hiddenDimension = try int("sgp_mlp_dim")
        c.embeddingDimension = try int("embd_dim")
        c.neck = NeckKind(rawValue: try file.stringAttribute(of: "/", named: "fpn_type"))!
        c.neckDimension = try int("fpn_dim")
        c.headDimension = try int("head_dim")
        c.headLayers = try int("head_num_layers")
        c.headKernel = try int("head_kernel_size")
        c.boundaryKernel = try int("boudary_kernel_size")
        c.absolutePositions = try file.boolAttribute(of: "/", named: "use_abs_pe")
        c.maximumLength = try int("max_seq_len")
        c.tridentHead = try file.boolAttribute(of: "/", named: "use_trident_head")
        c.bins = try int("num_bins")
        c.overlapPower = Float(try double("iou_weight_power"))
        c.labelSmoothing = Float(try double("label_smoothing"))
        c.dropPath = Float(try double("droppath"))
        let ranges = try file.doublesAttribute(of: "/", named: "regression_range").map(Float.init)
        c.regressionRanges = stride(from: 0, to: ranges.count, by: 2).map { ranges[$0]...ranges[$0 + 1] }
        c.centerSampleRadius = Float(try double("center_sample_radius"))
        c.detection.preNMSThresh = Float(try double("test_cfg.pre_nms_thresh"))
        c.detection.preNMSTopK = try int("test_cfg.pre_nms_topk")
        c.detection.iouThreshold = Float(try double("test_cfg.iou_threshold"))
        c.detection.minScore = Float(try double("test_cfg.min_score"))
        c.detection.maxSegNum = try int("test_cfg.max_seg_num")
        c.detection.nmsMethod = .init(rawValue: try file.stringAttribute(of: "/", named: "test_cfg.nms_method"))!
        c.detection.nmsSigma = Float(try double("test_cfg.nms_sigma"))
        c.detection.durationThresh = Float(try double("test_cfg.duration_thresh"))
        c.detection.multiclassNMS = try file.boolAttribute(of: "/", named: "test_cfg.multiclass_nms")
        c.detection.votingThresh = Float(try double("test_cfg.voting_thresh"))
        model = TriDet(c)
        arena = ParameterArena(model)
        try ActionFormerFixture.load(file, "params", into: arena)

        let grid = FeatureGrid(fps: try double("fps"), stride: Double(try int("feat_stride")), window: Double(try int("feat_num_frames")))
        var features: [Float] = [], offsets = [0], videos: [VideoContext] = [], instances: [[GridInstance]] = []
        for b in 0..<(try int("batch")) {
            let channelsFirst = try file.readFloats("videos/\(b)/feats_ct")
            features += transposed(channelsFirst, rows: c.inputDimension)
            offsets.append(offsets[b] + channelsFirst.count / c.inputDimension)
            videos.append(
                VideoContext(id: VideoID("\(b)"), grid: grid, duration: try file.doubleAttribute(of: "videos/\(b)", named: "duration")))
            let segments = try file.readFloats("videos/\(b)/segments"), labels = try file.readInts("videos/\(b)/labels")
            instances.append(
                labels.enumerated().map { i, label in
                    GridInstance(segment: GridSegment(start: segments[2 * i], end: segments[2 * i + 1]), label: label)
                })
        }
        let tensor = Tensor(rows: offsets.last!, columns: c.inputDimension, features)
        batch = PackedBatch(features: PackedSequence(tensor, offsets: offsets), videos: videos, instances: instances)
    }

    /// `group/level` [B, C, T_l] of every level as one matrix [points, C], packed as ours.
    func pyramid(_ group: String) throws -> [Float] {
        var result: [Float] = []
        for level in 0..<model.configuration.levels {
            let shape = try file.shape(of: "\(group)/\(level)"), values = try file.readFloats("\(group)/\(level)"), size = shape[1] * shape[2]
            for b in 0..<shape[0] { result += transposed(Array(values[b * size..<(b + 1) * size]), rows: shape[1]) }
        }
        return result
    }

    /// Forward and backward with the fixture's loss normaliser.
    func backward() throws -> ([String: Double], PointTargets) {
        let targets = model.assignTargets(batch)
        let momentum = try file.doubleAttribute(of: "/", named: "loss_normalizer_momentum")
        let before = try file.doubleAttribute(of: "/", named: "loss_normalizer_before")
        let normalizer = momentum * before + (1 - momentum) * Double(max(targets.positives.count, 1))
        let tape = Tape()
        var random = RandomStream(seed: 0, "golden")
        arena.beginGradients()
        let losses = model.losses(batch, targets: targets, normalizer: Float(normalizer), tape: tape, random: &random)
        tape.backward()
        return (losses, targets)
    }
}

/// TriDet against the published implementation, element by element.
final class TriDetGoldenTests: XCTestCase {
    func testGoldenParameterNamesAndShapes() throws {
        try TriDetFixture.forEach { fixture in
            XCTAssertEqual(Set(fixture.arena.parameters.map(\.name)), Set(try fixture.file.children(of: "params")), fixture.name)
            for parameter in fixture.arena.parameters {
                XCTAssertEqual(
                    parameter.publishedShape, try fixture.file.shape(of: "params/\(parameter.name)"), "\(fixture.name) \(parameter.name)")
            }
        }
    }

    func testGoldenOutputs() throws {
        try TriDetFixture.forEach { fixture in
            let outputs = fixture.model(fixture.batch.features, .inference())
            var compared = [("fpn", outputs.levels.flatMap(\.tensor.array)), ("cls_logits", outputs.logits.array), ("offsets", outputs.center.array)]
            XCTAssertEqual(outputs.start != nil, fixture.model.configuration.tridentHead)
            if let start = outputs.start { compared.append(("start_logits", start.array)) }
            if let end = outputs.end { compared.append(("end_logits", end.array)) }
            for (key, ours) in compared {
                assertClose("\(fixture.name) \(key)", ours, try fixture.pyramid("outputs/\(key)"), absolute: 2e-5, relative: 2e-5)
            }
        }
    }

    func testGoldenLossesAndGradients() throws {
        try TriDetFixture.forEach { fixture in
            let (losses, targets) = try fixture.backward()
            let classes = fixture.model.configuration.classes
            let trueClasses = targets.positives.map { point in targets.classes[point * classes..<(point + 1) * classes].filter { $0 > 0 }.count }
            XCTAssertTrue(trueClasses.contains(1) && trueClasses.contains(2), "points of one class and of two")
            for (ours, theirs) in [("classification", "cls_loss"), ("regression", "reg_loss"), ("total", "final_loss")] {
                assertClose(
                    "\(fixture.name) \(theirs)", [Float(losses[ours]!)], try fixture.file.readFloats("losses/\(theirs)"), absolute: 1e-6,
                    relative: 1e-5)
            }
            for parameter in fixture.arena.parameters {
                let expected = try fixture.file.readFloats("grads/\(parameter.name)"), scale = expected.map(abs).max() ?? 0
                assertClose(
                    "\(fixture.name) gradient of \(parameter.name)", parameter.published(parameter.tensor.gradient!), expected,
                    absolute: 1e-7 + 2e-5 * scale, relative: 1e-4)
            }
        }
    }

    func testGoldenDetections() throws {
        try TriDetFixture.forEach { fixture in
            for (b, found) in fixture.model.detect(fixture.batch).enumerated() {
                let segments = try fixture.file.readFloats("detections/\(b)/segments_sec")
                let scores = try fixture.file.readFloats("detections/\(b)/scores"), labels = try fixture.file.readInts("detections/\(b)/labels")
                XCTAssertEqual(found.count, labels.count, "\(fixture.name) video \(b)")
                guard found.count == labels.count else { continue }
                assertClose("\(fixture.name) \(b) scores", found.map { Float($0.score) }, scores, absolute: 1e-5, relative: 1e-4)
                // Detections whose scores differ by less than rounding may change places: each of ours must be one of theirs.
                var free = Set(labels.indices)
                for (i, detection) in found.enumerated() {
                    let match = free.first { j in
                        labels[j] == detection.label && abs(scores[j] - Float(detection.score)) < 1e-5
                            && abs(segments[2 * j] - Float(detection.segment.start)) < 1e-3
                            && abs(segments[2 * j + 1] - Float(detection.segment.end)) < 1e-3
                    }
                    guard let match else { return XCTFail("\(fixture.name) video \(b): detection \(i) \(detection) is not among the published ones") }
                    free.remove(match)
                }
            }
        }
    }
}
