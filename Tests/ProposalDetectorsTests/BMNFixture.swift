import Autograd
import HDF5
import Kernels
import NeuralNetworks
import ProposalDetectors
import TestSupport
import XCTest

/// A published BMN's parameters, inputs and results: one `bmn_*.h5`.
struct BMNFixture {
    let file: HDF5File
    let name: String
    let settings: BMNSettings
    let batch: Int

    static func forEach(_ body: (BMNFixture) throws -> Void) throws {
        try Fixtures.forEachFile(matching: "bmn_") { try body(BMNFixture($0, name: $1)) }
    }

    init(_ file: HDF5File, name: String) throws {
        self.file = file
        self.name = name
        func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
        func number(_ key: String) throws -> Float { Float(try file.doubleAttribute(of: "/", named: key)) }
        var settings = BMNSettings()
        settings.inputDimension = try int("feat_dim")
        settings.temporalScale = try int("tscale")
        settings.samples = try int("num_sample")
        settings.pointsPerSample = try int("num_sample_perbin")
        settings.sampleMargin = try file.doubleAttribute(of: "/", named: "prop_boundary_ratio")
        settings.baseDimension = try int("hidden_dim_1d")
        settings.proposalDimension = settings.baseDimension
        settings.sampledDimension = try int("hidden_dim_3d")
        settings.mapDimension = try int("hidden_dim_2d")
        settings.groups = try int("groups")
        settings.positiveThreshold = try number("loss.cls_pos_thresh")
        settings.highThreshold = try number("loss.reg_high_thresh")
        settings.lowThreshold = try number("loss.reg_low_thresh")
        settings.boundaryThreshold = try number("loss.tem_pos_thresh")
        settings.regressionWeight = try file.doubleAttribute(of: "/", named: "loss.reg_weight")
        settings.suppressionLow = try number("soft_nms.low_thres")
        settings.suppressionHigh = try number("soft_nms.high_thres")
        settings.suppressionAlpha = try number("soft_nms.alpha")
        settings.suppressionRounds = try int("soft_nms.max_iterations")
        settings.options.detection.maxSegNum = try int("top_k")
        settings.videoClassifier = .file
        self.settings = settings
        batch = try int("batch")
    }

    /// With the file's parameters.
    func loaded<Model: Module>(_ model: Model) throws -> (model: Model, arena: ParameterArena) {
        let arena = ParameterArena(model)
        try arena.take(published: file)
        return (model, arena)
    }

    /// [videos * T, columns].
    func inputs() throws -> Tensor {
        let scale = settings.temporalScale, columns = settings.inputDimension, values = try file.readFloats("inputs")
        var rows: [Float] = []
        for b in 0..<batch { rows += transposed(Array(values[b * scale * columns..<(b + 1) * scale * columns]), rows: columns) }
        return Tensor(rows: batch * scale, columns: columns, rows)
    }

    /// Parts of the corrected duration, clipped.
    func segments(of video: Int) throws -> [BMNTargets.RowSegment] {
        let path = "videos/\(video)", seconds = try file.readDoubles("\(path)/segments_sec"), scale = Double(settings.temporalScale)
        let duration =
            Double(try file.intAttribute(of: path, named: "feature_frame")) / Double(try file.intAttribute(of: path, named: "duration_frame"))
            * (try file.doubleAttribute(of: path, named: "duration_second"))
        return stride(from: 0, to: seconds.count, by: 2).map { i in
            (scale * min(max(seconds[i] / duration, 0), 1), scale * min(max(seconds[i + 1] / duration, 0), 1))
        }
    }

    func targets() throws -> BMNTargets { BMNTargets(try (0..<batch).map(segments), settings) }

    /// [maps, rows, columns] at the valid cells.
    func valid(_ maps: [Float]) -> [Float] {
        let region = settings.map.valid, size = region.rows * region.columns
        return (0..<maps.count / size).flatMap { map in
            region.spans.enumerated().flatMap { row, span in span.map { maps[map * size + row * region.columns + $0] } }
        }
    }
}

/// [rows, columns] of a matrix that is stored [columns, rows].
func transposed(_ values: [Float], rows columns: Int) -> [Float] {
    let rows = values.count / max(columns, 1)
    return (0..<rows).flatMap { row in (0..<columns).map { values[$0 * rows + row] } }
}

extension BoundaryMatchingMask {
    /// [T, N, rows, columns].
    var dense: [Float] {
        let valid = map.valid, size = valid.rows * valid.columns
        var result = [Float](repeating: 0, count: map.scale * samples * size)
        var cell = 0
        for (row, span) in valid.spans.enumerated() {
            for column in span {
                for entry in Int(begins[cell])..<Int(begins[cell + 1]) {
                    let n = Int(places[entry]) / map.scale, t = Int(places[entry]) % map.scale
                    result[(t * samples + n) * size + row * valid.columns + column] = weights[entry]
                }
                cell += 1
            }
        }
        return result
    }
}
