import Checkpoints
import Configuration
import DataParallel
import Detectors
import Kernels
import RunRecords

/// Section `training`: how long, how fast, towards what.
public struct TrainingConfiguration: ConfigurationSection {
    /// How the learning rate falls after the warm-up.
    public enum Schedule: String, ConfigurationChoice, Sendable { case cosine, multistep, constant }
    /// How weights follow gradients, and where weight decay acts.
    public enum Optimizer: String, ConfigurationChoice, Sendable { case adamw, adam, sgd }
    /// The library of matrix products.
    public enum Gemm: String, ConfigurationChoice, Sendable {
        case auto, openblas, onednn
        case byShape = "by_shape"
    }
    /// The checkpoint whose weights are evaluated at the end.
    public enum EvaluatedCheckpoint: String, ConfigurationChoice, Sendable { case last, best }
    public typealias Weights = StoredWeights

    /// Length of the run, warm-up included; either this or `epochs`.
    public var iterations: Int?
    public var epochs: Int?
    /// Length of the linear warm-up; at most one of the two.
    public var warmupIterations: Int?
    public var warmupEpochs: Int?
    public var learningRate = 1e-4
    public var optimizer = Optimizer.adamw
    /// Of `sgd`.
    public var momentum = 0.9
    public var weightDecay = 0.05
    public var schedule = Schedule.cosine
    /// For `multistep`: after how many iterations (epochs when the run is measured in epochs) beyond the warm-up the rate is multiplied.
    public var scheduleSteps: [Int] = []
    public var scheduleGamma = 0.1
    /// Largest global norm of the gradient. null: not clipped.
    public var clipGradientNorm: Double? = 1.0
    public var dropout = 0.0
    public var dropPath = 0.1
    public var centerSample = CenterSamplingAssigner.Sampling.radius
    /// In units of the level's stride.
    public var centerSampleRadius = 1.5
    public var labelSmoothing = 0.0
    /// MixUp's Beta(alpha, alpha). null: no mixing.
    public var mixupAlpha: Double?
    /// Largest angle by which the features' vectors of x, y, z are turned. null: not turned.
    public var rotationDegrees: Double?
    /// Weight of the regression loss.
    public var lossWeight = 1.0
    public var classPriorProbability = 0.01
    /// First value of the running count of positive points.
    public var initialLossNorm = 100.0
    /// Classes without training data, by index.
    public var emptyClasses: [Int] = []
    /// What the operands of linear layers and convolutions are rounded to.
    public var precision = ProductPrecision.float32
    /// How float32 convolutions with kernel 3 are computed.
    public var convolution = ConvolutionForm.winograd
    /// Library of float32 matrix products. auto: the faster one, measured when the run begins and kept for its continuations; two runs may then
    /// differ in their last bits.
    public var gemm = Gemm.byShape
    public var emaDecay = 0.999
    public var evaluateWeights = Weights.current
    /// Iterations between evaluations while the run trains. null: none before the end.
    public var evaluateEvery: Int?
    /// Evaluations without a gain after which the run ends. null: it never ends early.
    public var patience: Int?
    /// The weights that the run ends with: those of its last step, or of the best evaluation.
    public var evaluateCheckpoint = EvaluatedCheckpoint.last
    /// Iterations between checkpoints; the last iteration always leaves one.
    public var checkpointEvery = 1000
    /// Checkpoints kept, newest ones.
    public var keep = 2
    /// Threads per rank. null: the processor cores this process may use, divided among the ranks of the node.
    public var threads: Int?
    public var seed = 0
    /// Floats per message of the gradient reduction.
    public var bucketElements = 1_048_576
    /// When the reduction of a complete bucket starts.
    public var bucketOrder = GradientReduction.Options.Order.ready
    /// Whether buckets travel while backward still runs.
    public var overlap = true
    /// What the detector's gradients are rounded to wherever they might be sent between ranks.
    public var gradientPrecision = GradientReduction.Options.Precision.float32
    /// Whether ranks of a host add gradients up among themselves before hosts do.
    public var hierarchical = true
    /// The most ranks, or hosts, that exchange gradients directly.
    public var reductionGroup = 8
    /// Whether the hidden rows of blocks are computed again in backward instead of being kept.
    public var recomputeMLP = false
    /// Iterations between lines of the log.
    public var logEvery = 10
    /// Whether event files for TensorBoard are written.
    public var tensorBoard = false
    /// Iterations between comparisons of the weights of all ranks. null: never.
    public var verifyEvery: Int? = 100
    /// Seconds without progress of a rank after which the job ends. null: nobody watches.
    public var stallSeconds: Int? = 60
    /// Training on from weights that are there.
    public var tuning = TuningConfiguration()

    public init() {}

    private static var positive: Requirement<Int> { .within(1...ConfigurationLimits.iterations) }

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try visitLength(keys)
        try visitLosses(keys)
        try visitWeights(keys)
        try visitComputation(keys)
        try tuning.visit(keys)
    }

    private mutating func visitLength(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "iterations", &iterations, Self.positive.orNull, unit: "iterations",
            meaning: "length of the run, warm-up included; either this or `epochs`")
        try keys.value(
            "epochs", &epochs, Requirement<Int>.within(1...ConfigurationLimits.epochs).orNull, unit: "epochs",
            meaning: "length of the run, warm-up included (the published `epochs` leaves the warm-up out: 45 there is 50 here)")
        try keys.value(
            "warmup_iterations", &warmupIterations, Requirement<Int>.within(0...ConfigurationLimits.iterations).orNull, unit: "iterations",
            meaning: "linear warm-up from 0; at most one of the two")
        try keys.value(
            "warmup_epochs", &warmupEpochs, Requirement<Int>.within(0...ConfigurationLimits.epochs).orNull, unit: "epochs",
            meaning: "linear warm-up from 0")
        try keys.value("learning_rate", &learningRate, .upTo(10, above: 0), meaning: "after the warm-up")
        try keys.value(
            "optimizer", &optimizer,
            meaning:
                "`adamw`: weight decay acts on convolution and linear weights alone, beside the gradient; `adam`: on all parameters, as a part of "
                + "the gradient (L2); `sgd`: stochastic gradient descent with `momentum`, weight decay on convolution and linear weights alone, as a "
                + "part of the gradient")
        try keys.value("momentum", &momentum, .below(1, atLeast: 0), meaning: "of `sgd`: the part of the last step's sum of gradients that is kept")
        try keys.value("weight_decay", &weightDecay, .within(0...1), meaning: "factor of the decay")
        try keys.value("schedule", &schedule, meaning: "after the warm-up; cosine goes down to 1e-8 (without a warm-up to 0), as published")
        try keys.value(
            "schedule_steps", &scheduleSteps,
            Requirement("ascending, up to \(ConfigurationLimits.iterations)") { steps in
                steps.allSatisfy { (0...ConfigurationLimits.iterations).contains($0) } && zip(steps, steps.dropFirst()).allSatisfy { $0 <= $1 }
            }, unit: "iterations or epochs",
            meaning: "for multistep: when the rate is multiplied, counted from the end of the warm-up, in the unit of the run's "
                + "length; the other stages of a method fall at the same parts of their lengths " + "([methods.md](methods.md#the-run))")
        try keys.value("schedule_gamma", &scheduleGamma, .upTo(1, above: 0), meaning: "for multistep: the factor")
        try keys.value(
            "clip_gradient_norm", &clipGradientNorm, Requirement<Double>.above(0).orNull,
            meaning: "largest global norm of the gradient (published `clip_grad_l2norm`); `null`: not clipped")
    }

    private mutating func visitLosses(_ keys: ConfigurationKeys) throws {
        try keys.value("dropout", &dropout, .below(1, atLeast: 0), meaning: "dropout in the transformer blocks; refused where the detector has none")
        try keys.value("droppath", &dropPath, .below(1, atLeast: 0), meaning: "probability that a recording skips a block's branch")
        try keys.value("center_sample", &centerSample, meaning: "where in an action points are positive: near its centre, or everywhere")
        try keys.value("center_sample_radius", &centerSampleRadius, .above(0), unit: "strides of the level", meaning: "for radius")
        try keys.value("label_smoothing", &labelSmoothing, .below(1, atLeast: 0), meaning: "of the class targets")
        try keys.value(
            "mixup_alpha", &mixupAlpha, Requirement<Double>.upTo(1, above: 0).orNull,
            meaning: "MixUp: each recording is mixed with another of its kind, weights from Beta(alpha, alpha); `null`: not "
                + "([methods.md](methods.md#mixup))")
        try keys.value(
            "rotation_degrees", &rotationDegrees, Requirement<Double>.upTo(180, above: 0).orNull, unit: "degrees",
            meaning:
                "features are x, y, z, x, y, z, ...: all vectors of a recording are turned together, by at most this angle, each time it is learnt "
                + "from; `null`: not ([methods.md](methods.md#rotation))")
        try keys.value("loss_weight", &lossWeight, .atLeast(0), meaning: "factor of the regression loss")
        try keys.value(
            "cls_prior_prob", &classPriorProbability, Requirement("above 0 and below 1") { $0 > 0 && $0 < 1 },
            meaning: "probability that the classifier begins with")
        try keys.value("init_loss_norm", &initialLossNorm, .above(0), unit: "points", meaning: "first value of the running count of positive points")
        try keys.value(
            "head_empty_cls", &emptyClasses, Requirement("none negative") { $0.allSatisfy { $0 >= 0 } }, unit: "class indices",
            meaning: "classes without training data")
    }

    private mutating func visitWeights(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "precision", &precision,
            meaning: "operands of linear layers and convolutions, in both directions, are rounded to it; sums, weights, norms, "
                + "softmax, losses and the optimiser are float32. bfloat16 needs a processor with avx512_bf16")
        try keys.value("gemm", &gemm, meaning: "library of float32 matrix products; `by_shape`, `auto`: see [matrix products](#matrix-products)")
        try keys.value("ema_decay", &emaDecay, .below(1, atLeast: 0), meaning: "of the moving average of the weights")
        try keys.value("evaluate_weights", &evaluateWeights, meaning: "weights that the evaluation, `detect` and `export` use")
        try keys.value(
            "evaluate_every", &evaluateEvery, Self.positive.orNull, unit: "iterations",
            meaning: "between evaluations on `data.validation_subset`, besides that at the last iteration; the weights of the best one are kept in "
                + "`checkpoints/best.h5`; `null`: evaluated at the end alone")
        try keys.value(
            "patience", &patience, Self.positive.orNull, unit: "evaluations",
            meaning: "in a row without a higher average mAP, after which the run ends; `null`: it never ends early")
        try keys.value(
            "evaluate_checkpoint", &evaluateCheckpoint,
            meaning: "weights that the evaluation at the end uses: of the last step, or of the best evaluation before (needs `evaluate_every`)")
        try keys.value(
            "checkpoint_every", &checkpointEvery, Self.positive, unit: "iterations",
            meaning: "between checkpoints; the last iteration always leaves one")
        try keys.value("keep", &keep, Self.positive, unit: "checkpoints", meaning: "kept, the newest ones")
        try keys.value(
            "threads", &threads, Requirement<Int>.within(1...1024).orNull, unit: "threads",
            meaning: "per rank; `null`: the processor cores this process may use, divided among the ranks that may use the same ones")
        try keys.value("seed", &seed, .atLeast(0), meaning: "of initial weights, data order, crops, drop path")
    }

    private mutating func visitComputation(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "convolution", &convolution,
            meaning:
                "float32 convolutions with kernel 3 and at least 16 channels: a product per tap (`direct`), or minimal filtering with half of the "
                + "multiplications ([performance.md](performance.md#minimal-filtering))")
        try keys.value(
            "bucket_elements", &bucketElements, .within(1...1_073_741_824), unit: "numbers", meaning: "per message of the gradient reduction")
        try keys.value(
            "bucket_order", &bucketOrder,
            meaning: "when complete buckets set out: at once, after those of later layers, after those of earlier layers "
                + "([distributed.md](distributed.md))")
        try keys.value("overlap", &overlap, meaning: "buckets travel while backward still runs")
        try keys.value(
            "gradient_precision", &gradientPrecision,
            meaning: "the detector's gradients, and all their sums, are rounded to it and travel in so many bytes; sums are computed " + "in float32")
        try keys.value(
            "hierarchical", &hierarchical,
            meaning: "where hosts hold several ranks, gradients are summed within hosts before between them; no bit depends on it")
        try keys.value(
            "reduction_group", &reductionGroup, .within(2...1_048_576), unit: "ranks or hosts",
            meaning: "the most that exchange gradients with one another directly; more are taken in several levels, with fewer messages "
                + "([distributed.md](distributed.md#how-gradients-are-summed)); no bit depends on it")
        try keys.value(
            "recompute_mlp", &recomputeMLP,
            meaning: "the hidden rows of the backbone's blocks are computed again in backward instead of being kept: less memory, "
                + "more work; no bit depends on it")
        try keys.value("log_every", &logEvery, Self.positive, unit: "iterations", meaning: "between lines of `log.jsonl`")
        try keys.value(
            "tensorboard", &tensorBoard,
            meaning: "rank 0 writes event files for TensorBoard to `RUN/tensorboard` ([commands.md](commands.md#tensorboard)); no bit of the result "
                + "depends on it")
        try keys.value(
            "verify_every", &verifyEvery, Self.positive.orNull, unit: "iterations",
            meaning: "between comparisons of the weights of all ranks by a digest, besides that before every checkpoint; `null`: "
                + "never ([distributed.md](distributed.md))")
        try keys.value(
            "stall_seconds", &stallSeconds, Requirement<Int>.within(1...86_400).orNull, unit: "seconds",
            meaning: "a rank that gets on with nothing for so long is named and the job ended; `null`: stuck ranks may take any time "
                + "([distributed.md](distributed.md))")
    }
}
