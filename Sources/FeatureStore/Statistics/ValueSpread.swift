import Foundation

/// How some values are spread: how many there are, and which values lie where.
///
/// A quantile q of n sorted values lies at place q (n - 1), and between two values it is interpolated linearly (Hyndman and Fan 1996, type 7; NumPy's
/// default).
public struct ValueSpread: Codable, Equatable, Sendable {
    public var count: Int
    public var least: Double
    /// The quantile 0.05.
    public var low: Double
    public var median: Double
    /// The quantile 0.95.
    public var high: Double
    public var greatest: Double
    public var mean: Double

    enum CodingKeys: String, CodingKey {
        case count, least, median, greatest, mean
        case low = "quantile_5"
        case high = "quantile_95"
    }

    /// nil when there is no value.
    public init?(_ values: [Double]) {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        count = sorted.count
        least = sorted[0]
        low = Self.quantile(0.05, of: sorted)
        median = Self.quantile(0.5, of: sorted)
        high = Self.quantile(0.95, of: sorted)
        greatest = sorted[sorted.count - 1]
        mean = sorted.reduce(0, +) / Double(sorted.count)
    }

    /// - Precondition: `sorted` is ascending and not empty, `part` in [0, 1].
    static func quantile(_ part: Double, of sorted: [Double]) -> Double {
        let place = part * Double(sorted.count - 1), below = Int(place)
        guard below + 1 < sorted.count else { return sorted[sorted.count - 1] }
        return sorted[below] + (place - Double(below)) * (sorted[below + 1] - sorted[below])
    }
}

/// Counts of values between powers of two: each bin is twice as wide as the one before, as the levels of a feature pyramid are.
public struct PowerHistogram: Codable, Equatable, Sendable {
    /// Values from `from` to below `below`.
    public struct Bin: Codable, Equatable, Sendable {
        public var from: Double
        public var below: Double
        public var count: Int

        /// `count` values from `from` to below `below`.
        public init(from: Double, below: Double, count: Int) {
            self.from = from
            self.below = below
            self.count = count
        }
    }

    /// From the bin of the least value to that of the greatest, empty ones between them included; values below 1 share one bin from 0.
    public var bins: [Bin]

    /// - Precondition: no value is negative, and all are finite.
    public init(_ values: [Double]) {
        let places = values.map(Self.place)
        guard let first = places.min(), let last = places.max() else {
            bins = []
            return
        }
        var counts = [Int](repeating: 0, count: last - first + 1)
        for place in places { counts[place - first] += 1 }
        bins = counts.enumerated().map { place, count in
            Bin(from: first + place == 0 ? 0 : exp2(Double(first + place - 1)), below: exp2(Double(first + place)), count: count)
        }
    }

    /// 0 below 1, then 1 for [1, 2), 2 for [2, 4), ...
    private static func place(_ value: Double) -> Int { value < 1 ? 0 : Int(value.exponent) + 1 }

    /// As a list of bins.
    public init(from decoder: any Decoder) throws { bins = try [Bin](from: decoder) }
    /// As a list of bins.
    public func encode(to encoder: any Encoder) throws { try bins.encode(to: encoder) }
}
