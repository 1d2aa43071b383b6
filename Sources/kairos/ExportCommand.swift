import ArgumentParser
import Checkpoints
import CommandSupport
import Diagnostics
import Foundation
import NeuralNetworks
import RunRecords
import StandardRegistry
import TrainingMethods

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a checkpoint's weights as safetensors, with the published parameter names and PyTorch's layouts.",
        discussion: """
            Example:
              kairos export --checkpoint runs/sbhar/checkpoints/step-00000600.h5 --output sbhar.safetensors

            The file's metadata name the classes ("kairos_classes") and the rate of the features ("kairos_feature_rate"), both as JSON.
            In Python: model.load_state_dict(safetensors.torch.load_file("sbhar.safetensors")).
            """)

    @Option(help: "The checkpoint.")
    var checkpoint: String
    @Option(help: "The weight file to write.")
    var output: String
    @Option(help: "current or ema; default: as in the checkpoint's configuration.")
    var weights: TrainingConfiguration.Weights?
    @OptionGroup var report: OutputOptions

    func run() throws {
        try requireOneRank("export")
        try requireWritablePlace(of: output, apartFrom: [checkpoint])
        let lock = try OutputLock(.file(output))
        defer { lock.release() }
        lock.warning.map(note)
        let source = try Checkpoint(path: checkpoint)
        try source.requireTrainedDetector()
        let configuration = try RunConfiguration(checkpoint: source.header.configuration, file: checkpoint, registry: .standard)
        try MemoryCheck.requireAlone(
            MemoryEstimate(
                parts: [.init("the weights and the file's bytes", bytes: 8 * source.parameterCount)], file: checkpoint,
                modelKeys: configuration.model.sizeKeys))
        let chosen = weights ?? configuration.training.evaluateWeights
        try SafetensorsFile(arrays: try source.published(chosen), metadata: source.exportedMetadata(chosen)).write(to: output)
        try report.report(
            WeightSummary(parameters: source.parameterCount, tensors: source.parameters.count, output: output),
            text: "\(output): \(source.parameterCount) parameters in \(source.parameters.count) tensors")
    }
}

struct WeightSummary: Encodable {
    var parameters: Int
    var tensors: Int?
    var output: String
    /// In the order of the logits.
    var classes: [String]?
}
