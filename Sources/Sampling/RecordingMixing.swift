import Detectors
import Diagnostics
import RandomStreams

/// MixUp of the recordings of a method's steps, or none: every group of a step's recordings is followed by as many partners of its kind, which are
/// mixed into it when the step begins. Everything drawn is a function of seed, shard, step and group.
public struct RecordingMixing: Sendable {
    /// Of Beta(alpha, alpha), above 0 and at most 1; nil: nothing is mixed.
    public let alpha: Double?
    private let seed: UInt64

    /// - Parameters:
    ///   - alpha: nil: nothing is mixed.
    ///   - seed: of the run.
    ///   - detector: the one to be trained.
    ///   - key: of the configuration, that says alpha.
    /// - Throws: `Failure.wrongUsage` for a detector whose targets are not those of points.
    public init(alpha: Double?, seed: UInt64, detector: any Detector, key: String = "training.mixup_alpha") throws {
        if alpha != nil, !(detector is any PointClassifier) {
            throw Failure.wrongUsage("MixUp needs a detector whose points classify", at: .key(key), advice: "set \(key) to null")
        }
        self.alpha = alpha
        self.seed = seed
    }

    /// Matrices of the size of the features that a step makes, per group: the partners' features and the mixture.
    public var copies: Int { alpha == nil ? 0 : 2 }

    /// Each group followed by its partners.
    ///
    /// - Parameters:
    ///   - groups: of the shard's recordings at `position`.
    ///   - position: of the step and the shard.
    ///   - partner: draws one of a group's kind.
    public func withPartners(
        _ groups: [[TrainingVideo]], at position: StepPosition, partner: (_ group: Int, _ random: inout RandomStream) -> TrainingVideo
    ) -> [[TrainingVideo]] {
        guard alpha != nil else { return groups }
        return groups.enumerated().flatMap { group, videos in
            var random = RandomStream(seed: seed, "partners", position.shard, position.step, group)
            return [videos, videos.map { _ in partner(group, &random) }]
        }
    }

    /// What is learnt from: the groups of `withPartners`, their partners mixed in; the groups themselves where nothing is mixed.
    public func mixed(_ groups: [PackedBatch], at position: StepPosition) -> [(batch: PackedBatch, mixture: Mixture?)] {
        guard let alpha else { return groups.map { ($0, nil) } }
        return (0..<groups.count / 2).map { group in
            let random = RandomStream(seed: seed, "mixup", position.shard, position.step, group)
            let mixture = Mixture(groups[2 * group], with: groups[2 * group + 1], alpha: alpha, random: random)
            return (mixture.batch, mixture)
        }
    }
}
