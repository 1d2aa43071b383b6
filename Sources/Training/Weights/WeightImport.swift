import Checkpoints
import Diagnostics
import FeatureStore
import NeuralNetworks
import RunRecords
import TrainingMethods

/// Weights from elsewhere made into a checkpoint of step 0.
public enum WeightImport {
    /// What the user says of the weights.
    public struct Options: Sendable {
        /// Names of the classes in the order of the logits.
        public var classes: [String]?
        /// An annotation file that has them.
        public var classesFrom: String?
        /// Whether the weights count as trained at the store's rate, whatever the weight file says.
        public var takesRateOfStore = false

        /// No classes are named, and the weight file's own rate counts.
        public init() {}
    }

    /// What was imported.
    public struct Result: Sendable {
        /// Number of learnt values.
        public var parameters: Int
        /// In the order of the logits.
        public var classes: [String]
        /// Lines for the user.
        public var notes: [String]
    }

    /// - Parameters:
    ///   - path: a safetensors file with published names.
    ///   - configuration: shapes the model; its store says the columns, and the classes when nobody else does.
    ///   - options: where the classes come from.
    ///   - output: the checkpoint to write.
    /// - Throws: `Failure` when the weights do not fit the configuration, or the names of their classes are not known.
    public static func run(source path: String, configuration: RunConfiguration, options: Options = Options(), output: String) throws -> Result {
        let opened = try FeatureStore(path: configuration.data.store)
        let store = configuration.data.classAgnostic ? opened.withOneClass : opened
        let file = try SafetensorsFile(path: path)
        let metadata = try WeightMetadata(file, path: path)
        let classes = try WeightClasses(
            WeightSource(path: path, file: file, metadata: metadata, classes: options.classes, classesFrom: options.classesFrom),
            configuration: configuration, store: store)
        let detector = try configuration.detector(
            inputDimension: store.dimension, classes: classes.names.count, origin: .init(name: "the weight file", path: path))
        // Weights, gradients, two moments, the average; the file's values are there.
        try MemoryCheck.requireAlone(
            MemoryPlanner.parameters(detector, arrays: 5, keys: configuration.model.sizeKeys, file: configuration.data.store))
        let arena = ParameterArena(detector)
        try arena.load(published: file.arrays, file: path)
        var notes = classes.notes
        let rate = options.takesRateOfStore ? store.rate : metadata.featureRate
        let comparison = rate.map { RateComparison($0, store, videos: Array(store.videos.indices)) }
        if let difference = comparison?.difference(model: "the weights were trained on") {
            notes.append(
                "warning: \(difference): detection on this store wants --resample, training on it an import with --rate-of-store")
        }
        let state = TrainingState(configuration.training, arena: arena, detector: detector)
        let header = Checkpoint.Header(
            programVersion: ProgramVersion.current, programDigest: ProgramVersion.buildDigest, step: 0, optimizerStep: 0,
            seed: configuration.training.seed, lossNormalizer: state.lossNormalizer, furtherNormalizers: state.furtherNormalizers,
            configuration: configuration.canonicalYAML,
            configurationDigest: configuration.digest, storeDigest: store.digest, classes: classes.names, inputDimension: store.dimension,
            featureRate: rate)
        try Checkpoint.write(state, header: header, to: output)
        return Result(parameters: arena.learntCount, classes: classes.names, notes: notes)
    }
}
