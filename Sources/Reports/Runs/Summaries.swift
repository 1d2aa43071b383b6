/// Mean and spread of a number over runs that differ in their seed alone.
public struct Spread: Equatable, Sendable {
    public var count: Int
    public var mean: Double
    /// Of the sample (divided by n - 1); nil for one value.
    public var deviation: Double?
    public var least: Double
    public var greatest: Double

    /// nil without values.
    public init?(_ values: [Double]) {
        guard let least = values.min(), let greatest = values.max() else { return nil }
        let mean = values.reduce(0, +) / Double(values.count)
        count = values.count
        self.mean = mean
        self.least = least
        self.greatest = greatest
        guard values.count > 1 else { return }
        deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
    }
}

/// Fewer points of a curve that look the same.
package enum Decimation {
    /// At most `most` points: of each stretch the lowest and the highest, in their order; the first and the last point stay.
    ///
    /// - Parameter most: at least 4.
    package static func thin(_ points: [(x: Double, y: Double)], to most: Int) -> [(x: Double, y: Double)] {
        guard points.count > most, let first = points.first, let last = points.last else { return points }
        let inner = points.dropFirst().dropLast(), stretches = (most - 2) / 2
        var kept = [first]
        for stretch in 0..<stretches {
            let from = inner.startIndex + stretch * inner.count / stretches, to = inner.startIndex + (stretch + 1) * inner.count / stretches
            let own = (from..<to).filter { inner[$0].y.isFinite }
            guard let low = own.min(by: { inner[$0].y < inner[$1].y }), let high = own.max(by: { inner[$0].y < inner[$1].y }) else { continue }
            for place in Set([low, high]).sorted() { kept.append(inner[place]) }
        }
        return kept + [last]
    }
}
