import NeuralNetworks
import Training

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
    var configuration_digest: String
    var store_digest: String
    var classes: [String]
    var input_dimension: Int

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
    }

    var text: String {
        """
        \(path): \(kind)
          step        \(step)
          parameters  \(parameters) in \(tensors) tensors, input of \(input_dimension) columns, \(classes.count) classes
          normaliser  \(loss_normalizer)
          seed        \(seed)
          written by  kairos \(program_version)
          digest      \(digest)
        """
    }
}

/// What `inspect` says of a weight file.
struct WeightFileSummary: Encodable {
    var kind = "weights"
    var path: String
    var digest: String
    var parameters: Int
    var tensors: Int

    init(_ file: SafetensorsFile, path: String) {
        self.path = path
        digest = file.digest
        parameters = file.arrays.reduce(0) { $0 + $1.values.count }
        tensors = file.arrays.count
    }

    var text: String { "\(path): \(kind)\n  parameters  \(parameters) in \(tensors) tensors\n  digest      \(digest)" }
}
