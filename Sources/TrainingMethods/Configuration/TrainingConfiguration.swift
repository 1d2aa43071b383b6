import Checkpoints
import Configuration

/// Section `training`: how long, how fast, towards what.
public struct TrainingConfiguration: ConfigurationSection {
    public enum Schedule: String, ConfigurationChoice, Sendable { case cosine, multistep, constant }
    public enum CenterSample: String, ConfigurationChoice, Sendable { case radius, none }
    public enum Precision: String, ConfigurationChoice, Sendable { case float32, bfloat16 }
    public enum Gemm: String, ConfigurationChoice, Sendable { case auto, openblas, onednn }
    public typealias Weights = StoredWeights
    public enum BucketOrder: String, ConfigurationChoice, Sendable { case ready, backward, forward }

    /// Length of the run, warm-up included; either this or `epochs`.
    public var iterations: Int?
    public var epochs: Int?
    /// Length of the linear warm-up; at most one of the two.
    public var warmupIterations: Int?
    public var warmupEpochs: Int?
    public var learningRate = 1e-4
    public var weightDecay = 0.05
    public var schedule = Schedule.cosine
    /// For `multistep`: after how many iterations (epochs when the run is measured in epochs) beyond the warm-up the rate is multiplied.
    public var scheduleSteps: [Int] = []
    public var scheduleGamma = 0.1
    /// Largest global norm of the gradient. null: not clipped.
    public var clipGradientNorm: Double? = 1.0
    public var dropout = 0.0
    public var dropPath = 0.1
    public var centerSample = CenterSample.radius
    /// In units of the level's stride.
    public var centerSampleRadius = 1.5
    public var labelSmoothing = 0.0
    /// Weight of the regression loss.
    public var lossWeight = 1.0
    public var classPriorProbability = 0.01
    /// First value of the running count of positive points.
    public var initialLossNorm = 100.0
    /// Classes without training data, by index.
    public var emptyClasses: [Int] = []
    /// What the operands of linear layers and convolutions are rounded to.
    public var precision = Precision.float32
    /// Library of float32 matrix products. auto: the faster one, measured when the run begins and kept for its continuations; two runs may then
    /// differ in their last bits.
    public var gemm = Gemm.onednn
    public var emaDecay = 0.999
    public var evaluateWeights = Weights.current
    /// Iterations between checkpoints; the last iteration always leaves one.
    public var checkpointEvery = 1000
    /// Checkpoints kept, newest ones.
    public var keep = 2
    /// Threads per rank. null: the processor cores this process may use, divided among the ranks of the node.
    public var threads: Int?
    public var seed = 0
    /// Floats per message of the gradient reduction.
    public var bucketElements = 1_048_576
    /// When complete buckets set out.
    public var bucketOrder = BucketOrder.ready
    /// Whether buckets travel while backward still runs.
    public var overlap = true
    /// What the detector's gradients are rounded to wherever they might travel between ranks.
    public var gradientPrecision = Precision.float32
    /// Whether ranks of a host add gradients up among themselves before hosts do.
    public var hierarchical = true
    /// Whether the hidden rows of blocks are computed again in backward instead of being kept.
    public var recomputeMLP = false
    /// Iterations between lines of the log.
    public var logEvery = 10
    /// Iterations between comparisons of the weights of all ranks. null: never.
    public var verifyEvery: Int? = 100
    /// Seconds without progress of a rank after which the job ends. null: nobody watches.
    public var stallSeconds: Int? = 60

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        let positive = Requirement<Int>.within(1...ConfigurationLimits.iterations)
        try keys.value("iterations", &iterations, positive.orNull)
        try keys.value("epochs", &epochs, Requirement<Int>.within(1...ConfigurationLimits.epochs).orNull)
        try keys.value("warmup_iterations", &warmupIterations, Requirement<Int>.within(0...ConfigurationLimits.iterations).orNull)
        try keys.value("warmup_epochs", &warmupEpochs, Requirement<Int>.within(0...ConfigurationLimits.epochs).orNull)
        try keys.value("learning_rate", &learningRate, .upTo(10, above: 0))
        try keys.value("weight_decay", &weightDecay, .within(0...1))
        try keys.value("schedule", &schedule)
        try keys.value(
            "schedule_steps", &scheduleSteps,
            Requirement("ascending, up to \(ConfigurationLimits.iterations)") { steps in
                steps.allSatisfy { (0...ConfigurationLimits.iterations).contains($0) } && zip(steps, steps.dropFirst()).allSatisfy { $0 <= $1 }
            })
        try keys.value("schedule_gamma", &scheduleGamma, .upTo(1, above: 0))
        try keys.value("clip_gradient_norm", &clipGradientNorm, Requirement<Double>.above(0).orNull)
        try keys.value("dropout", &dropout, .below(1, atLeast: 0))
        try keys.value("droppath", &dropPath, .below(1, atLeast: 0))
        try keys.value("center_sample", &centerSample)
        try keys.value("center_sample_radius", &centerSampleRadius, .above(0))
        try keys.value("label_smoothing", &labelSmoothing, .below(1, atLeast: 0))
        try keys.value("loss_weight", &lossWeight, .atLeast(0))
        try keys.value("cls_prior_prob", &classPriorProbability, Requirement("above 0 and below 1") { $0 > 0 && $0 < 1 })
        try keys.value("init_loss_norm", &initialLossNorm, .above(0))
        try keys.value("head_empty_cls", &emptyClasses, Requirement("none negative") { $0.allSatisfy { $0 >= 0 } })
        try keys.value("precision", &precision)
        try keys.value("gemm", &gemm)
        try keys.value("ema_decay", &emaDecay, .below(1, atLeast: 0))
        try keys.value("evaluate_weights", &evaluateWeights)
        try keys.value("checkpoint_every", &checkpointEvery, positive)
        try keys.value("keep", &keep, positive)
        try keys.value("threads", &threads, Requirement<Int>.within(1...1024).orNull)
        try keys.value("seed", &seed, .atLeast(0))
        try keys.value("bucket_elements", &bucketElements, .within(1...1_073_741_824))
        try keys.value("bucket_order", &bucketOrder)
        try keys.value("overlap", &overlap)
        try keys.value("gradient_precision", &gradientPrecision)
        try keys.value("hierarchical", &hierarchical)
        try keys.value("recompute_mlp", &recomputeMLP)
        try keys.value("log_every", &logEvery, positive)
        try keys.value("verify_every", &verifyEvery, positive.orNull)
        try keys.value("stall_seconds", &stallSeconds, Requirement<Int>.within(1...86_400).orNull)
    }
}

extension StoredWeights: ConfigurationChoice {}
