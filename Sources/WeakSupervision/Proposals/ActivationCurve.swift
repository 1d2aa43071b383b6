/// A sequence of one number per segment, brought to [0, 1] and up-sampled: what thresholds are laid on.
public struct ActivationCurve: Equatable, Sendable {
    /// As many per segment as the factor of up-sampling.
    public let values: [Double]

    /// - Parameters:
    ///   - activations: one per segment, at least one.
    ///   - factor: values per segment of the result. Value u stands at segment u / factor; beyond the last segment the last slope continues.
    public init(_ activations: [Float], factor: Int) {
        let normalized = Self.normalized(activations), count = normalized.count
        guard count > 1 else {
            values = [Double](repeating: Double(normalized.first ?? 0), count: count * factor)
            return
        }
        let step = 1 / Double(factor)
        values = (0..<count * factor).map { u in
            let position = Double(u) * step
            let low = min(max(Int(position.rounded(.up)), 1), count - 1) - 1
            let first = Double(normalized[low])
            return (Double(normalized[low + 1]) - first) * (position - Double(low)) + first
        }
    }

    /// (x - min) / (max - min); negative ends count as 0, without a difference x - min stays.
    static func normalized(_ x: [Float]) -> [Float] {
        let low = max(x.min() ?? 0, 0), high = max(x.max() ?? 0, 0)
        let range = high - low > 0 ? high - low : 1
        return x.map { min(max(($0 - low) / range, 0), 1) }
    }

    /// Values of at least `threshold` and above 0, in runs of two and more.
    func runs(threshold: Double) -> [Range<Int>] {
        var result: [Range<Int>] = [], first: Int?
        for (u, value) in values.enumerated() {
            if value >= threshold, value > 0 {
                first = first ?? u
            } else if let begin = first {
                if u - begin >= 2 { result.append(begin..<u) }
                first = nil
            }
        }
        if let first, values.count - first >= 2 { result.append(first..<values.count) }
        return result
    }
}
