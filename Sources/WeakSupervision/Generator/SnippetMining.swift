import RandomStreams

/// Snippets of one video that are surely or possibly action or background; indices of its segments, best first.
public struct MinedSnippets: Equatable, Sendable {
    public var easyActions: [Int]
    public var easyBackgrounds: [Int]
    public var hardActions: [Int]
    public var hardBackgrounds: [Int]
}

/// Snippet mining by actionness: easy ones by its value, hard ones at the borders of where it is above its median.
///
/// Of equal values the earlier segment is taken. A border region of fewer segments than wanted is filled up with the earliest others, as the
/// published code does.
public struct SnippetMining: Equatable, Sendable {
    /// 1/5 and 1/20 of the segments (at least one) are easy and hard.
    public var easyRatio = 5
    /// 1/ratio of the segments, at least one, are hard snippets of each kind.
    public var hardRatio = 20
    /// Widths of erosion and dilation between which the hard ones lie.
    public var inner = 3
    /// Segments; the wider of the two.
    public var outer = 6

    /// `easyRatio` and `hardRatio` divide the number of segments; `inner` and `outer` are widths in segments.
    public init(easyRatio: Int = 5, hardRatio: Int = 20, inner: Int = 3, outer: Int = 6) {
        self.easyRatio = easyRatio
        self.hardRatio = hardRatio
        self.inner = inner
        self.outer = outer
    }

    /// - Parameters:
    ///   - actionness: per segment.
    ///   - dropping: probability that a segment is not considered as an easy one, and where the numbers come from; nil in evaluation.
    public func mine(_ actionness: [Float], dropping: (probability: Float, random: RandomStream)? = nil) -> MinedSnippets {
        let count = actionness.count, easy = max(1, count / easyRatio), hard = max(1, count / hardRatio)
        var factors = [Float](repeating: 1, count: count)
        if var dropping, dropping.probability > 0 {
            let kept = 1 / (1 - dropping.probability)
            for i in factors.indices { factors[i] = dropping.random.uniform() < dropping.probability ? 0 : kept }
        }
        let greatest = actionness.max() ?? 0, isActive = Self.aboveMedian(actionness)
        func difference(_ a: [Bool], _ b: [Bool]) -> [Float] { zip(a, b).map { $0 && !$1 ? 1 : 0 } }
        let inside = difference(Self.eroded(isActive, width: inner), Self.eroded(isActive, width: outer))
        let outside = difference(Self.dilated(isActive, width: outer), Self.dilated(isActive, width: inner))
        return MinedSnippets(
            easyActions: Self.largest(zip(actionness, factors).map { $0 * $1 }, easy),
            easyBackgrounds: Self.largest(zip(actionness, factors).map { (greatest - $0) * $1 }, easy),
            hardActions: Self.largest(zip(actionness, inside).map { $0 * $1 }, hard),
            hardBackgrounds: Self.largest(zip(actionness, outside).map { $0 * $1 }, hard))
    }

    static func largest(_ values: [Float], _ count: Int) -> [Int] {
        Array(values.indices.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }.prefix(count))
    }

    /// Values strictly above the median; of an even count that of the middle two's mean.
    package static func aboveMedian(_ values: [Float]) -> [Bool] {
        guard !values.isEmpty else { return [] }
        let sorted = values.sorted(), middle = sorted.count / 2
        let median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        return values.map { $0 > median }
    }

    /// True where all of `width` neighbours are; beyond the ends nothing is. An even width reaches one farther back, as SciPy has it.
    package static func eroded(_ mask: [Bool], width: Int) -> [Bool] {
        mask.indices.map { i in (i - width / 2...i + (width - 1) / 2).allSatisfy { mask.indices.contains($0) && mask[$0] } }
    }

    /// True where any of `width` neighbours is; the mirror image of `eroded`.
    package static func dilated(_ mask: [Bool], width: Int) -> [Bool] {
        mask.indices.map { i in (i - (width - 1) / 2...i + width / 2).contains { mask.indices.contains($0) && mask[$0] } }
    }
}
