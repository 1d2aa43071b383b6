import ArgumentParser
import Diagnostics
import Training

struct ImportWeightsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weights",
        abstract: "Make a checkpoint from weights with the published parameter names.",
        discussion: """
            Example:
              kairos import weights --source published.safetensors --config configs/thumos14_i3d_supervised.yaml --output published.h5

            A published PyTorch checkpoint becomes safetensors in Python (prefixes 'module.' are taken off):
              state = torch.load("epoch_035.pth.tar", map_location="cpu")["state_dict_ema"]
              safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, "published.safetensors")
            """)

    @Option(help: "The weights, a safetensors file.")
    var source: String
    @Option(help: "The configuration that shapes the model; its data.store says columns and classes.")
    var config: String
    @Option(help: "The checkpoint to write.")
    var output: String
    @Option(name: .customLong("set"), parsing: .singleValue, help: ArgumentHelp("Set a key of the configuration.", valueName: "key.path=value"))
    var set: [String] = []
    @OptionGroup var report: OutputOptions

    func run() throws {
        try requireOneRank("import weights")
        try requireWritablePlace(of: output, apartFrom: [source, config])
        let lock = try OutputLock(.file(output))
        defer { lock.release() }
        lock.warning.map(note)
        let count = try WeightImport.run(source: source, configuration: try RunConfiguration(path: config, overrides: set), output: output)
        try report.report(WeightSummary(parameters: count, output: output), text: "\(output): \(count) parameters")
    }
}
