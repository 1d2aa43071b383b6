import Autograd
import Detectors
import FeatureStore
import Foundation
import Kernels
import NeuralNetworks
import TemporalAnnotations
import TestSupport

/// One `actionformer_*.h5`: the published model's sizes, parameters, inputs and results.
struct ActionFormerFixture {
    let name: String
    let file: HDF5File
    let model: ActionFormer
    let arena: ParameterArena
    let batch: PackedBatch
    let rows: Int

    static func all() throws -> [ActionFormerFixture] {
        try Fixtures.files(matching: "actionformer_", suffix: ".h5").map { try ActionFormerFixture(path: $0) }
    }

    /// Every fixture with every library of matrix products.
    static func forEach(_ body: (ActionFormerFixture) throws -> Void) throws {
        defer { MatrixMultiply.backend = .openblas }
        for backend in MatrixMultiplyBackend.allCases {
            MatrixMultiply.backend = backend
            for fixture in try all() { try body(fixture) }
        }
    }

    init(path: String) throws {
        name = "\(URL(fileURLWithPath: path).lastPathComponent) by \(MatrixMultiply.backend)"
        let file = try HDF5File.open(path)
        self.file = file
        func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
        func double(_ key: String) throws -> Double { try file.doubleAttribute(of: "/", named: key) }
        func optionalInt(_ key: String, _ value: Int) throws -> Int { file.hasAttribute(of: "/", named: key) ? try int(key) : value }
        func optionalBool(_ key: String, _ value: Bool) throws -> Bool {
            file.hasAttribute(of: "/", named: key) ? try file.boolAttribute(of: "/", named: key) : value
        }
        var c = ActionFormerConfiguration(inputDimension: try int("input_dim"), classes: try int("num_classes"))
        let arch = try file.intsAttribute(of: "/", named: "backbone_arch")
        (c.embeddingConvolutions, c.stemBlocks, c.branchBlocks) = (arch[0], arch[1], arch[2])
        c.heads = try int("n_head")
        c.windows = try file.intsAttribute(of: "/", named: "n_mha_win_size")
        c.embeddingDimension = try int("embd_dim")
        c.neck = NeckKind(rawValue: try file.stringAttribute(of: "/", named: "fpn_type"))!
        c.neckDimension = try optionalInt("fpn_dim", c.embeddingDimension)
        c.headDimension = try optionalInt("head_dim", c.embeddingDimension)
        c.headLayers = try optionalInt("head_num_layers", 3)
        c.absolutePositions = try optionalBool("use_abs_pe", false)
        c.relativePositions = try optionalBool("use_rel_pe", file.exists("params/backbone.stem.0.attn.rel_pe"))
        c.maximumLength = try optionalInt("max_seq_len", try int("seq_len"))
        let ranges = try file.doublesAttribute(of: "/", named: "regression_range").map(Float.init)
        c.regressionRanges = stride(from: 0, to: ranges.count, by: 2).map { ranges[$0]...ranges[$0 + 1] }
        c.centerSampleRadius = Float(try double("center_sample_radius"))
        if file.hasAttribute(of: "/", named: "label_smoothing") { c.labelSmoothing = Float(try double("label_smoothing")) }
        c.dropPath = 1e-9
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
        model = ActionFormer(c)
        arena = ParameterArena(model)
        try Self.load(file, "params", into: arena)

        let grid = FeatureGrid(
            fps: try double("fps"), stride: Double(try int("feat_stride")), window: Double(try int("feat_num_frames")))
        rows = try int("seq_len")
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

    /// Copies `group/NAME` of the file into every parameter; the names must be the same on both sides.
    static func load(_ file: HDF5File, _ group: String, into arena: ParameterArena) throws {
        for parameter in arena.parameters {
            let values = parameter.native(fromPublished: try file.readFloats("\(group)/\(parameter.name)"))
            for (i, value) in values.enumerated() { parameter.tensor.values[i] = value }
        }
    }

    /// `group/level` [B, C, T_l] of every level as one matrix [points, C], packed as ours.
    func pyramid(_ group: String) throws -> [Float] {
        var result: [Float] = []
        for level in 0..<model.configuration.levels {
            let shape = try file.shape(of: "\(group)/\(level)"), values = try file.readFloats("\(group)/\(level)")
            for b in 0..<shape[0] {
                let size = shape[1] * shape[2]
                result += transposed(Array(values[b * size..<(b + 1) * size]), rows: shape[1])
            }
        }
        return result
    }
}

/// [rows, columns] -> [columns, rows].
func transposed(_ values: [Float], rows: Int) -> [Float] {
    let columns = values.count / rows
    var result = [Float](repeating: 0, count: values.count)
    for r in 0..<rows { for c in 0..<columns { result[c * rows + r] = values[r * columns + c] } }
    return result
}
