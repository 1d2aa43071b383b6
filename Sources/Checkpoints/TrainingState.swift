import Detectors
import Diagnostics
import NeuralNetworks
import RunRecords

/// Everything that training changes. Data order and random streams are functions of seed and step, so they have no state of their own.
public final class TrainingState {
    public let arena: ParameterArena
    public let optimizer: AdamW
    public let average: WeightAverage
    /// Running counts that losses are divided by.
    public var normalizers: RunningNormalizers
    /// The first of them, of most detectors the only one: of the positive points, `n = 0.9 n + 0.1 max(positives, 1)`.
    public var lossNormalizer: Double {
        get { normalizers.values[0] }
        set { normalizers.values[0] = newValue }
    }
    /// Steps done.
    public var step = 0
    /// What parameters begin with again where a method makes the detector anew; nil: what the seed draws.
    public var starting: StartingWeights?

    /// - Parameters:
    ///   - arena: the parameters.
    ///   - weightDecay: of the optimiser.
    ///   - decay: where it acts.
    ///   - momentum: of stochastic gradient descent; nil: Adam.
    ///   - emaDecay: of the moving average of the weights.
    ///   - initialLossNormalizer: what the running counts begin with.
    ///   - normalizers: the detector's.
    public init(
        arena: ParameterArena, weightDecay: Double, decay: AdamW.Decay = .decoupled, momentum: Double? = nil, emaDecay: Double,
        initialLossNormalizer: Double,
        normalizers: [LossNormalizer] = [LossNormalizer("positives")]
    ) {
        self.arena = arena
        optimizer = AdamW(arena, weightDecay: weightDecay, decay: decay, momentum: momentum)
        average = WeightAverage(arena, decay: emaDecay)
        self.normalizers = RunningNormalizers(normalizers, initial: initialLossNormalizer)
    }

    /// Runs with the current weights, or with their running average in their place.
    package func with<Result>(_ weights: StoredWeights, _ body: () throws -> Result) rethrows -> Result {
        weights == .ema ? try average.withAveragedWeights(body) : try body()
    }

    /// The arrays that a checkpoint holds, by the name of their group.
    package var arrays: [(group: String, values: UnsafeMutablePointer<Float>)] {
        [
            ("weights", arena.values), ("average", average.values), ("first_moments", optimizer.firstMoments),
            ("second_moments", optimizer.secondMoments),
        ]
    }
}

extension TrainingState {
    /// The normalisers after the first, by name, as checkpoints keep them.
    package var furtherNormalizers: [String: Double] {
        let kinds = normalizers.kinds.dropFirst().map(\.name)
        return Dictionary(zip(kinds, normalizers.values.dropFirst()), uniquingKeysWith: { first, _ in first })
    }

    /// - Parameter path: of the checkpoint whose header it is.
    /// - Throws: `Failure.badInput` when a normaliser is missing.
    package func restoreNormalizers(_ header: Checkpoint.Header, path: String) throws {
        var values = [header.lossNormalizer]
        for kind in normalizers.kinds.dropFirst() {
            guard let value = header.furtherNormalizers[kind.name] else {
                throw Failure.badInput(
                    "the checkpoint lacks the normaliser '\(kind.name)'", at: .file(path),
                    advice: "use the configuration that the checkpoint was trained with (inspect shows it), or start a new run")
            }
            values.append(value)
        }
        normalizers.values = values
    }
}
