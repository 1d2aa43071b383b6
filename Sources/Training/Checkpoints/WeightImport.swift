import FeatureStore
import NeuralNetworks

/// Weights from elsewhere made into a checkpoint of step 0.
public enum WeightImport {
    /// - Parameters:
    ///   - source: a safetensors file with published names.
    ///   - configuration: shapes the model; its store says columns and classes.
    /// - Returns: number of parameters.
    public static func run(source: String, configuration: RunConfiguration, output: String) throws -> Int {
        let store = try FeatureStore(path: configuration.data.store)
        let detector = try TrainingRun.makeDetector(configuration, store)
        let arena = ParameterArena(detector)
        let file = try SafetensorsFile(path: source)
        try arena.load(published: file.arrays, file: source)
        let state = TrainingState(
            arena: arena, weightDecay: configuration.training.weightDecay, emaDecay: configuration.training.emaDecay,
            initialLossNormalizer: configuration.training.initialLossNorm)
        let header = Checkpoint.Header(
            programVersion: ProgramVersion.current, step: 0, optimizerStep: 0, seed: configuration.training.seed,
            lossNormalizer: configuration.training.initialLossNorm, configuration: configuration.canonicalYAML,
            configurationDigest: configuration.digest, storeDigest: store.digest, classes: store.classes.names, inputDimension: store.dimension)
        try Checkpoint.write(state, header: header, to: output)
        return arena.learntCount
    }
}
