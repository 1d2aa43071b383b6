import ArgumentParser
import CommandSupport
import Diagnostics
import StandardRegistry
import Training
import TrainingMethods

struct ImportWeightsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weights",
        abstract: "Make a checkpoint from weights with the published parameter names.",
        discussion: """
            Example:
              kairos import weights --source published.safetensors --config configs/thumos14_i3d_supervised.yaml --output published.h5

            A published PyTorch checkpoint becomes safetensors in Python (prefixes 'module.' are removed):
              state = torch.load("epoch_035.pth.tar", map_location="cpu")["state_dict_ema"]
              safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, "published.safetensors")

            Files of 'kairos export' name their classes and the rate of the features. For others the names come from --classes or --classes-from, or
            else from the store, if it has as many classes as the weights.
            """)

    @Option(help: "The weights, a safetensors file.")
    var source: String
    @Option(help: "The configuration of the model; its data.store gives the number of columns.")
    var config: String
    @Option(help: "The checkpoint to write.")
    var output: String
    @Option(name: .customLong("set"), parsing: .singleValue, help: ArgumentHelp("Set a key of the configuration.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: ArgumentHelp("Names of the weights' classes, in the order of their training. \(NameList.help)", valueName: "A,B"))
    var classes: [String] = []
    @Option(help: "An annotation file that the weights were trained with: it names their classes.")
    var classesFrom: String?
    @Flag(
        help:
            "Assume that the weights were trained at the rate of the configuration's store, whatever the weight file says: to continue at another rate."
    )
    var rateOfStore = false
    @OptionGroup var report: OutputOptions

    func validate() throws {
        if !classes.isEmpty, classesFrom != nil { throw ValidationError("--classes and --classes-from were both given: leave one of them out") }
    }

    func run() throws {
        try requireOneRank("import weights")
        try requireWritablePlace(of: output, apartFrom: [source, config, classesFrom])
        let lock = try OutputLock(.file(output))
        defer { lock.release() }
        lock.warning.map(note)
        var options = WeightImport.Options()
        options.classes = classes.isEmpty ? nil : try NameList.names(classes, option: "--classes")
        options.classesFrom = classesFrom
        options.takesRateOfStore = rateOfStore
        let configuration = try RunConfiguration(path: config, overrides: set)
        let result = try WeightImport.run(source: source, configuration: configuration, options: options, output: output)
        result.notes.forEach(note)
        try report.report(
            WeightSummary(parameters: result.parameters, output: output, classes: result.classes),
            text: "\(output): \(result.parameters) parameters, \(result.classes.count) classes")
    }
}
