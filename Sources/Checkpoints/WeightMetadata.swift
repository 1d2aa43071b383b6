import Diagnostics
import FeatureStore
import Foundation
import NeuralNetworks
import RunRecords
import TemporalAnnotations

/// What a weight file says of its weights beside their values: texts in the metadata of a safetensors file. Files of other programs have none of it.
public struct WeightMetadata: Equatable, Sendable {
    /// In the order of the logits: `kairos_classes`, a JSON list.
    public var classes: [String]?
    /// Of the features that the weights were trained on: `kairos_feature_rate`, JSON as in checkpoints.
    public var featureRate: FeatureRate?

    private static let classesKey = "kairos_classes", rateKey = "kairos_feature_rate"

    public init(classes: [String]? = nil, featureRate: FeatureRate? = nil) {
        self.classes = classes
        self.featureRate = featureRate
    }

    /// - Throws: `Failure.badInput` for texts that are not of the form.
    public init(_ file: SafetensorsFile, path: String) throws {
        func malformed(_ key: String, _ wanted: String) -> Failure {
            .badInput("'\(key)' in the file's metadata is not \(wanted)", at: .file(path), advice: "export the weights again")
        }
        if let text = file.metadata[Self.classesKey] {
            guard let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8)), Set(names).count == names.count,
                !names.contains("")
            else { throw malformed(Self.classesKey, "a JSON list of different names") }
            classes = names
        }
        if let text = file.metadata[Self.rateKey] {
            guard let rate = FeatureRate(json: text) else { throw malformed(Self.rateKey, "the JSON of a rate") }
            featureRate = rate
        }
    }

    /// The metadata's texts.
    public var texts: [String: String] {
        var result: [String: String] = [:]
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        if let classes, let json = try? encoder.encode(classes) { result[Self.classesKey] = String(decoding: json, as: UTF8.self) }
        result[Self.rateKey] = featureRate?.json
        return result
    }
}

extension Checkpoint {
    /// What `kairos export` writes into the metadata of a weight file, beside the form that PyTorch expects.
    public func exportedMetadata(_ weights: StoredWeights) -> [String: String] {
        WeightMetadata(classes: header.classes, featureRate: header.featureRate).texts.merging([
            "format": "pt", "kairos_step": "\(header.step)", "kairos_weights": weights.rawValue, "kairos_program": header.writer,
        ]) { $1 }
    }
}
