import Foundation

/// A line of `log.jsonl` on training steps: means over the steps since the line before (losses, norm) and sums over them (seconds).
public struct StepRecord: Codable, Equatable, Sendable {
    /// Steps done when the line was written.
    public var step: Int
    public var epoch: Double
    /// Name of the stage that the steps belong to; nil in logs of version 0.1.
    public var stage: String?
    /// When the line was written, in seconds since 1970-01-01 00:00 UTC; nil in logs of version 0.1.
    public var time: Double?
    /// Parts of the loss by name, `total` among them.
    public var loss: [String: Double]
    public var learningRate: Double
    /// Before clipping.
    public var gradientNorm: Double
    public var lossNormalizer: Double
    public var videosPerSecond: Double
    public var secondsCompute: Double
    public var secondsWaitingData: Double
    public var secondsWaitingMPI: Double
    /// Of a run with `--timeline`: gradients were under way, and the share of that time in which rank 0 computed.
    public var secondsTransfer: Double?
    public var communicationHidden: Double?

    enum CodingKeys: String, CodingKey {
        case step, epoch, stage, time, loss
        case learningRate = "learning_rate"
        case gradientNorm = "gradient_norm"
        case lossNormalizer = "loss_normalizer"
        case videosPerSecond = "videos_per_second"
        case secondsCompute = "seconds_compute"
        case secondsWaitingData = "seconds_waiting_data"
        case secondsWaitingMPI = "seconds_waiting_mpi"
        case secondsTransfer = "seconds_transfer"
        case communicationHidden = "communication_hidden"
    }

    public init(
        step: Int, epoch: Double, stage: String? = nil, time: Double? = nil, loss: [String: Double], learningRate: Double, gradientNorm: Double,
        lossNormalizer: Double, videosPerSecond: Double, secondsCompute: Double, secondsWaitingData: Double, secondsWaitingMPI: Double
    ) {
        self.step = step
        self.epoch = epoch
        self.stage = stage
        self.time = time
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.lossNormalizer = lossNormalizer
        self.videosPerSecond = videosPerSecond
        self.secondsCompute = secondsCompute
        self.secondsWaitingData = secondsWaitingData
        self.secondsWaitingMPI = secondsWaitingMPI
    }
}

/// The time of records.
public enum RecordTime {
    /// Seconds since 1970-01-01 00:00 UTC, to the millisecond: what TensorBoard calls wall time, and `pandas.to_datetime(..., unit="s")` reads.
    public static func now() -> Double { (Date().timeIntervalSince1970 * 1000).rounded() / 1000 }
}
