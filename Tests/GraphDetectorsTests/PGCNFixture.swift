import Autograd
import GraphDetectors
import HDF5
import NeuralNetworks
import TestSupport
import XCTest

/// A published P-GCN's graph, parameters and results: one `pgcn_*.h5`.
struct PGCNFixture {
    let file: HDF5File
    let name: String
    let settings: PGCNSettings
    let batch: Int
    let perVideo: Int
    /// Of the recording.
    let frames: Double

    static func forEach(_ body: (PGCNFixture) throws -> Void) throws {
        try Fixtures.forEachFile(matching: "pgcn_") { try body(PGCNFixture($0, name: $1)) }
    }

    init(_ file: HDF5File, name: String) throws {
        self.file = file
        self.name = name
        func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
        func number(_ key: String) throws -> Double { try file.doubleAttribute(of: "/", named: key) }
        var settings = PGCNSettings()
        settings.inputDimension = try int("act_feat_dim")
        settings.classes = try int("num_class")
        settings.hiddenDimension = try int("hidden")
        settings.graph.children = try int("child_num")
        settings.graph.contextCount = try int("iou_num")
        settings.graph.surroundingCount = try int("dis_num")
        settings.graph.contextThreshold = try number("iou_threshold")
        settings.graphDropout = Float(try number("dropout"))
        settings.headDropout = settings.graphDropout
        perVideo = try int("props_per_video")
        settings.foregroundSamples = try int("fg_per_video")
        settings.incompleteSamples = try int("incomplete_per_video")
        settings.backgroundSamples = perVideo - settings.foregroundSamples - settings.incompleteSamples
        settings.miningRatio = try number("ohem_ratio")
        settings.completenessWeight = try number("comp_loss_weight")
        settings.regressionWeight = try number("reg_loss_weight")
        settings.topScores = try int("top_k")
        settings.nmsThreshold = try number("nms_threshold")
        settings.options.detection.maxSegNum = 0
        self.settings = settings
        batch = try int("batch")
        frames = Double(try int("frame_count"))
        XCTAssertEqual(try int("adj_num"), 1 + settings.graph.children * (1 + settings.graph.children), name)
        XCTAssertEqual(try int("comp_feat_dim"), 3 * settings.inputDimension, name)
    }

    /// The detector with the file's parameters and statistics.
    func detector() throws -> (model: PGCN, arena: ParameterArena) {
        let model = PGCN(settings), arena = ParameterArena(model)
        for parameter in arena.parameters where parameter.isLearnt {
            let values = parameter.native(fromPublished: try file.readFloats("params/\(parameter.name)"))
            for (i, value) in values.enumerated() { parameter.values[i] = value }
        }
        let figures = try file.readDoubles("test/reg_stats_mean_std")
        model.statistics = OffsetStatistics(mean: SIMD2(figures[0], figures[1]), deviation: SIMD2(figures[2], figures[3]))
        return (model, arena)
    }

    func proposals() throws -> [FrameSegment] {
        let values = try file.readInts("graph/proposals_frames")
        return stride(from: 0, to: values.count, by: 2).map { FrameSegment(start: Double(values[$0]), end: Double(values[$0 + 1])) }
    }

    func features() throws -> ProposalFeatures {
        func tensor(_ path: String) throws -> Tensor {
            let shape = try file.shape(of: path)
            return Tensor(rows: shape[0], columns: shape[1], try file.readFloats(path))
        }
        return ProposalFeatures(activity: try tensor("graph/node_features_act"), completeness: try tensor("graph/node_features_comp"))
    }

    /// Of the mini-batch.
    func samples() throws -> [PGCNSample] {
        let types = try file.readInts("batch/type"), labels = try file.readInts("batch/label"), offsets = try file.readFloats("batch/reg_target")
        return try types.indices.map { i in
            let place = i % perVideo
            return PGCNSample(
                kind: try XCTUnwrap(PGCNSample.Kind(rawValue: types[i])),
                place: place < settings.foregroundSamples
                    ? .positive : place < settings.foregroundSamples + settings.incompleteSamples ? .negative : .none,
                label: labels[i] - 1, offsets: SIMD2(offsets[2 * i], offsets[2 * i + 1]))
        }
    }
}
