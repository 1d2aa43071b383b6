import DataParallel
import FeatureStore
import NeuralNetworks
import TrainingMethods

/// Trains one generator: its own parameters, optimiser (Adam, L2 in the gradient) and sum of gradients.
final class GeneratorTraining {
    let generator: ProposalGenerator
    let arena: ParameterArena
    let optimizer: AdamW
    private let settings: WeakSupervisionConfiguration
    /// Before the purposes of random numbers; empty for the first generator.
    private let prefix: String
    private let reductionOptions: GradientReduction.Options
    private var reduction: GradientReduction?

    /// - Parameter number: of the generator, from 0; gives it weights and random numbers of its own.
    /// - Throws: `Failure` when the machine has no room for its parameters.
    init(
        _ settings: WeakSupervisionConfiguration, number: Int = 0, store: FeatureStore, seed: UInt64, reduction: GradientReduction.Options
    ) throws {
        self.settings = settings
        prefix = number == 0 ? "" : "generator \(number) "
        reductionOptions = reduction
        generator = ProposalGenerator(
            inputDimension: store.dimension, embeddingDimension: settings.embeddingDimension, classes: store.classes.count,
            dropout: Float(settings.dropout))
        try MemoryCheck.requireAlone(
            MemoryPlanner.parameters(generator, arrays: 4, keys: ["fustal.embedding_dim", "fustal.generators"], file: store.path))
        generator.initializeParameters(seed: seed &+ UInt64(number) &* 0xD1B5_4A32_D192_ED03)
        arena = ParameterArena(generator)
        optimizer = AdamW(arena, weightDecay: settings.generatorWeightDecay, decay: .gradient)
    }

    func prepare(_ run: RunContext) {
        guard reduction == nil else { return }
        reduction = GradientReduction(arena: arena, communicator: run.communicator, shards: run.shards, options: reductionOptions)
    }

    /// One step; all ranks together.
    ///
    /// - Parameters:
    ///   - step: the step's batches and ranks.
    ///   - learningRate: of the step.
    ///   - classSets: of a shard's recordings, sorted.
    /// - Returns: the losses of each shard of this rank; the norm of the gradient is the step's `gradientNorm`.
    func train(_ step: TrainingStep, learningRate: Double, classSets: (Int) -> [[Int]]) throws -> [[String: Double]] {
        let loss = GeneratorLoss(settings, videos: step.shards.count * step.batches[0].groups[0].features.count)
        let losses = try step.forwardThenBackward(reduction) { shard, groups, tape -> GeneratorLoss.ShardPart in
            let features = groups[0].features
            var sampling = step.random(prefix + "segments", shard: shard)
            let rows = (0..<features.count).map {
                SegmentSampling.perturbed(rows: features.rows(of: $0).count, segments: settings.segments, random: &sampling)
            }
            let pass = ForwardPass(tape: tape, isTraining: true, random: step.random(prefix + "generator", shard: shard))
            let outputs = generator(SegmentSampling.take(features, rows: rows), pass)
            return loss.seed(outputs, classSets: classSets(shard), tape: tape, random: step.random(prefix + "mining", shard: shard))
        } together: { parts in
            zip(parts, try loss.seedAcross(parts, step: step)).map { loss.report($0, across: $1) }
        }
        step.gradientNorm = GradientNorm.norm(arena.gradients, count: arena.count)
        optimizer.update(learningRate: learningRate)
        return losses
    }
}
