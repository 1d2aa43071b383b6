/// A number that losses are divided by: a running average of a count over all shards and ranks.
public struct LossNormalizer: Hashable, Sendable {
    /// In checkpoints.
    public var name: String
    /// The part of the average that a step renews; 1: the step's count alone.
    public var share: Double
    /// Counts below it count as it.
    public var least: Double
    /// The average before the first step; nil: `training.init_loss_norm`.
    public var initial: Double?

    /// - Parameters: by default `n = 0.9 n + 0.1 max(count, 1)`, as the published ActionFormer averages its positives.
    public init(_ name: String, share: Double = 0.1, least: Double = 1, initial: Double? = nil) {
        self.name = name
        self.share = share
        self.least = least
        self.initial = initial
    }

    /// The average after a step.
    public func updated(_ average: Double, count: Double) -> Double { (1 - share) * average + share * max(count, least) }
}

/// The running averages of a detector's normalisers.
public struct RunningNormalizers: Equatable, Sendable {
    public let kinds: [LossNormalizer]
    /// In the order of `kinds`.
    public var values: [Double]

    /// - Parameters:
    ///   - kinds: of the detector, in its order.
    ///   - initial: of those that do not say themselves what they begin with.
    public init(_ kinds: [LossNormalizer], initial: Double) {
        precondition(!kinds.isEmpty, "a detector has at least one normaliser")
        self.kinds = kinds
        values = kinds.map { $0.initial ?? initial }
    }

    /// - Parameters:
    ///   - kinds: of the detector, in its order.
    ///   - values: one for each kind.
    public init(_ kinds: [LossNormalizer], values: [Double]) {
        precondition(values.count == kinds.count, "\(values.count) values for \(kinds.count) normalisers")
        self.kinds = kinds
        self.values = values
    }

    /// - Parameter counts: of one step, over all shards and ranks.
    /// - Returns: what the step's losses are divided by.
    public mutating func update(_ counts: [Double]) -> [Float] {
        precondition(counts.count == kinds.count, "\(counts.count) counts for \(kinds.count) normalisers")
        for (i, kind) in kinds.enumerated() { values[i] = kind.updated(values[i], count: counts[i]) }
        return values.map { Float($0) }
    }
}
