import Autograd
import Detectors
import HDF5
import Kernels
import NeuralNetworks
import PostProcessing
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// A published detector's parameters, inputs and results: one `actionformer_*.h5` or `tridet_*.h5`.
struct DetectorFixture<Model: PyramidDetector> {
    let name: String
    let file: HDF5File
    let model: Model
    let arena: ParameterArena
    let batch: PackedBatch

    /// Every published file of a detector, under direct products and under minimal filtering: within the same tolerances.
    static func forEachFile(
        matching prefix: String, _ make: (HDF5File) throws -> Model, _ body: (DetectorFixture) throws -> Void
    ) throws {
        try Fixtures.forEachFile(matching: prefix) { file, name in
            for form in ConvolutionForm.allCases {
                try ComputeContext.with({ $0.convolution = form }) {
                    try body(DetectorFixture(file, name: "\(name), \(form.rawValue)", try make(file)))
                }
            }
        }
    }

    init(_ file: HDF5File, name: String, _ model: Model) throws {
        self.name = name
        self.file = file
        self.model = model
        arena = ParameterArena(model)
        try arena.take(published: file)
        batch = try PackedBatch(fixture: file)
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
}

extension DetectorFixture where Model: AnnotationAssigned {
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

    /// The losses, and the gradient of every parameter.
    ///
    /// - Returns: the targets.
    func checkLossesAndGradients() throws -> PointTargets {
        let (losses, targets) = try backward()
        try check(losses)
        try checkGradients()
        return targets
    }
}

extension DetectorFixture {
    func checkParameterNamesAndShapes() throws {
        XCTAssertEqual(Set(arena.parameters.map(\.name)), Set(try file.children(of: "params")), name)
        for parameter in arena.parameters {
            XCTAssertEqual(parameter.publishedShape, try file.shape(of: "params/\(parameter.name)"), "\(name) \(parameter.name)")
        }
    }

    func check(_ losses: [String: Double]) throws {
        for (ours, theirs) in [("classification", "cls_loss"), ("regression", "reg_loss"), ("total", "final_loss")] {
            assertClose(
                "\(name) \(theirs)", [Float(losses[ours]!)], try file.readFloats("losses/\(theirs)"), absolute: 1e-6, relative: 1e-5)
        }
    }

    /// After the tape has run backward.
    func checkGradients() throws {
        for parameter in arena.parameters {
            let expected = try file.readFloats("grads/\(parameter.name)"), scale = expected.map(abs).max() ?? 0
            assertClose(
                "\(name) gradient of \(parameter.name)", parameter.published(parameter.tensor.gradient!), expected,
                absolute: 1e-7 + 2e-5 * scale, relative: 1e-4)
        }
    }

    func checkDetections() throws {
        for (b, found) in model.detect(batch).enumerated() {
            let segments = try file.readFloats("detections/\(b)/segments_sec")
            let scores = try file.readFloats("detections/\(b)/scores"), labels = try file.readInts("detections/\(b)/labels")
            XCTAssertEqual(found.count, labels.count, "\(name) video \(b)")
            guard found.count == labels.count else { continue }
            assertClose("\(name) \(b) scores", found.map { Float($0.score) }, scores, absolute: 1e-5, relative: 1e-4)
            // Detections whose scores differ by less than rounding may change places: each of ours must be one of theirs.
            var free = Set(labels.indices)
            for (i, detection) in found.enumerated() {
                let match = free.first { j in
                    labels[j] == detection.label && abs(scores[j] - Float(detection.score)) < 1e-5
                        && abs(segments[2 * j] - Float(detection.segment.start)) < 1e-3
                        && abs(segments[2 * j + 1] - Float(detection.segment.end)) < 1e-3
                }
                guard let match else { return XCTFail("\(name) video \(b): detection \(i) \(detection) is not among the published ones") }
                free.remove(match)
            }
        }
    }
}

/// [rows, columns] -> [columns, rows].
private func transposed(_ values: [Float], rows: Int) -> [Float] {
    let columns = values.count / rows
    var result = [Float](repeating: 0, count: values.count)
    for r in 0..<rows { for c in 0..<columns { result[c * rows + r] = values[r * columns + c] } }
    return result
}

// What a fixture's file says, as our types.

extension PackedBatch {
    init(fixture file: HDF5File) throws {
        func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
        let columns = try int("input_dim")
        let grid = FeatureGrid(
            fps: try file.doubleAttribute(of: "/", named: "fps"), stride: Double(try int("feat_stride")), window: Double(try int("feat_num_frames")))
        var features: [Float] = [], offsets = [0], videos: [VideoContext] = [], instances: [[GridInstance]] = []
        for b in 0..<(try int("batch")) {
            let channelsFirst = try file.readFloats("videos/\(b)/feats_ct")
            features += transposed(channelsFirst, rows: columns)
            offsets.append(offsets[b] + channelsFirst.count / columns)
            videos.append(
                VideoContext(id: VideoID("\(b)"), grid: grid, duration: try file.doubleAttribute(of: "videos/\(b)", named: "duration")))
            let segments = try file.readFloats("videos/\(b)/segments"), labels = try file.readInts("videos/\(b)/labels")
            instances.append(
                labels.enumerated().map { i, label in
                    GridInstance(segment: GridSegment(start: segments[2 * i], end: segments[2 * i + 1]), label: label)
                })
        }
        let tensor = Tensor(rows: offsets.last!, columns: columns, features)
        self.init(features: PackedSequence(tensor, offsets: offsets), videos: videos, instances: instances)
    }
}

extension PyramidConfiguration {
    /// Keys that a file leaves out are at the published defaults.
    init(fixture file: HDF5File) throws {
        func int(_ key: String, else value: Int? = nil) throws -> Int {
            if let value, !file.hasAttribute(of: "/", named: key) { return value }
            return try file.intAttribute(of: "/", named: key)
        }
        self.init(inputDimension: try int("input_dim"), classes: try int("num_classes"))
        let arch = try file.intsAttribute(of: "/", named: "backbone_arch")
        (embeddingConvolutions, stemBlocks, branchBlocks) = (arch[0], arch[1], arch[2])
        embeddingDimension = try int("embd_dim")
        neck = try XCTUnwrap(NeckKind(rawValue: try file.stringAttribute(of: "/", named: "fpn_type")))
        neckDimension = try int("fpn_dim", else: embeddingDimension)
        headDimension = try int("head_dim", else: embeddingDimension)
        headLayers = try int("head_num_layers", else: headLayers)
        absolutePositions = file.hasAttribute(of: "/", named: "use_abs_pe") ? try file.boolAttribute(of: "/", named: "use_abs_pe") : false
        maximumLength = file.hasAttribute(of: "/", named: "max_seq_len") ? try int("max_seq_len") : try int("seq_len")
        regressionRanges = try Self.regressionRanges(file)
        options.centerSampleRadius = Float(try file.doubleAttribute(of: "/", named: "center_sample_radius"))
        if file.hasAttribute(of: "/", named: "label_smoothing") {
            options.labelSmoothing = Float(try file.doubleAttribute(of: "/", named: "label_smoothing"))
        }
        options.detection = try DetectionSettings(fixture: file)
    }

    static func regressionRanges(_ file: HDF5File) throws -> [ClosedRange<Float>] {
        let flat = try file.doublesAttribute(of: "/", named: "regression_range").map(Float.init)
        return stride(from: 0, to: flat.count, by: 2).map { flat[$0]...flat[$0 + 1] }
    }
}

extension DetectionSettings {
    init(fixture file: HDF5File) throws {
        func setting(_ name: String) throws -> Float { Float(try file.doubleAttribute(of: "/", named: "test_cfg.\(name)")) }
        func whole(_ name: String) throws -> Int { try file.intAttribute(of: "/", named: "test_cfg.\(name)") }
        self.init(
            preNMSThresh: try setting("pre_nms_thresh"), preNMSTopK: try whole("pre_nms_topk"), iouThreshold: try setting("iou_threshold"),
            minScore: try setting("min_score"), maxSegNum: try whole("max_seg_num"),
            nmsMethod: try XCTUnwrap(SuppressionMethod(rawValue: try file.stringAttribute(of: "/", named: "test_cfg.nms_method"))),
            nmsSigma: try setting("nms_sigma"), durationThresh: try setting("duration_thresh"),
            multiclassNMS: try file.boolAttribute(of: "/", named: "test_cfg.multiclass_nms"), votingThresh: try setting("voting_thresh"))
    }
}
