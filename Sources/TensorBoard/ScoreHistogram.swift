/// How often scores lie where: `HistogramProto` (TensorFlow, `core/framework/summary.proto`).
public struct ScoreHistogram: Equatable, Sendable {
    /// The least and the greatest score; 0 without any.
    public var least: Double
    public var greatest: Double
    public var count: Double
    public var sum: Double
    public var sumOfSquares: Double
    /// Upper ends of the bins, ascending. A bin begins at the end of the one before and does not hold its own end; the last one ends nowhere.
    public var limits: [Double]
    /// Of each bin.
    public var counts: [Double]

    /// Bins of 0.02 from 0 to 1.
    static let standardLimits: [Double] = (1...49).map { Double($0) / 50 } + [.greatestFiniteMagnitude]

    /// - Parameter scores: in any order; those that are no numbers or infinite are left out.
    public init(_ scores: [Double]) {
        let scores = scores.filter(\.isFinite)
        least = scores.min() ?? 0
        greatest = scores.max() ?? 0
        count = Double(scores.count)
        sum = scores.reduce(0, +)
        sumOfSquares = scores.reduce(0) { $0 + $1 * $1 }
        limits = Self.standardLimits
        counts = Array(repeating: 0, count: limits.count)
        for score in scores { counts[limits.firstIndex { score < $0 } ?? limits.count - 1] += 1 }
    }

    var message: ProtobufMessage {
        var message = ProtobufMessage()
        for (field, value) in [least, greatest, count, sum, sumOfSquares].enumerated() { message.add(field + 1, double: value) }
        message.add(6, doubles: limits)
        message.add(7, doubles: counts)
        return message
    }

    init(_ fields: ProtobufFields) {
        (least, greatest, count) = (fields.double(1), fields.double(2), fields.double(3))
        (sum, sumOfSquares) = (fields.double(4), fields.double(5))
        (limits, counts) = (fields.doubles(6), fields.doubles(7))
    }
}
