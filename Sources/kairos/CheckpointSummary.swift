import Checkpoints
import DetectionMetrics
import FeatureStore
import Foundation
import NeuralNetworks
import RunRecords
import TemporalAnnotations

/// What `inspect` says of a checkpoint.
struct CheckpointSummary: Encodable {
    var kind = "checkpoint"
    var path: String
    var digest: String
    var step: Int
    var parameters: Int
    var tensors: Int
    var seed: Int
    var loss_normalizer: Double
    var program_version: String
    /// SHA-256 of the program that wrote it; nil when nobody recorded it.
    var program_digest: String?
    var configuration_digest: String
    var store_digest: String
    var classes: [String]
    var input_dimension: Int
    /// nil when nobody recorded it.
    var feature_rate: FeatureRate?
    /// After the evaluation at the run's end; nil before.
    var metrics: EvaluationResult?
    private var writer: String

    enum CodingKeys: CodingKey {
        case kind, path, digest, step, parameters, tensors, seed, loss_normalizer, program_version, program_digest, configuration_digest, store_digest
        case classes, input_dimension, feature_rate, metrics
    }

    init(_ checkpoint: Checkpoint) {
        let header = checkpoint.header
        path = checkpoint.path
        digest = checkpoint.digest
        step = header.step
        parameters = checkpoint.parameterCount
        tensors = checkpoint.parameters.count
        seed = header.seed
        loss_normalizer = header.lossNormalizer
        program_version = header.programVersion
        configuration_digest = header.configurationDigest
        store_digest = header.storeDigest
        classes = header.classes
        input_dimension = header.inputDimension
        feature_rate = header.featureRate
        program_digest = header.programDigest.isEmpty ? nil : header.programDigest
        metrics = try? JSONDecoder().decode(EvaluationResult.self, from: Data(header.metrics.utf8))
        writer = header.writer
    }

    var text: String {
        var lines = [
            "\(path): \(kind)",
            "  step        \(step)",
            "  parameters  \(parameters) in \(tensors) tensors, input of \(input_dimension) columns, \(classes.count) classes",
            "  classes     \(classes.joined(separator: ", "))",
            "  rate        \(feature_rate?.summary ?? "not recorded")",
            "  normaliser  \(loss_normalizer)",
            "  seed        \(seed)",
            "  written by  \(writer)",
            "  digest      \(digest)",
        ]
        if let metrics { lines.insert("  average mAP \(String(format: "%.2f", 100 * metrics.averageMAP)) %", at: 2) }
        return lines.joined(separator: "\n")
    }
}

extension FeatureRate {
    /// "rows 0.5 s apart, windows of 1 s".
    var summary: String {
        rowsPerVideo.map { "\($0) rows per video, whatever its length" } ?? "rows \(secondsPerRow.text) apart, windows of \(secondsPerWindow.text)"
    }
}

/// What `inspect` says of a weight file.
struct WeightFileSummary: Encodable {
    var kind = "weights"
    var path: String
    var digest: String
    var parameters: Int
    var tensors: Int
    /// nil when the file does not say.
    var classes: [String]?
    var feature_rate: FeatureRate?

    init(_ file: SafetensorsFile, path: String) throws {
        self.path = path
        let metadata = try WeightMetadata(file, path: path)
        classes = metadata.classes
        feature_rate = metadata.featureRate
        digest = file.digest
        parameters = file.arrays.reduce(0) { $0 + $1.values.count }
        tensors = file.arrays.count
    }

    var text: String {
        """
        \(path): \(kind)
          parameters  \(parameters) in \(tensors) tensors
          classes     \(classes.map { $0.joined(separator: ", ") } ?? "not recorded")
          rate        \(feature_rate?.summary ?? "not recorded")
          digest      \(digest)
        """
    }
}
