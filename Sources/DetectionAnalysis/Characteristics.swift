import Foundation
import TemporalAnnotations

/// What DETAD groups actions by (arXiv 1807.10706, section 4.3).
public enum Characteristic: CaseIterable, Sendable {
    /// The part of its recording that an action covers, in per cent.
    case coverage
    /// In seconds.
    case length
    /// Actions of its class in its recording.
    case instances

    package var words: String {
        switch self {
        case .coverage: "coverage (%)"
        case .length: "length (s)"
        case .instances: "actions of the class"
        }
    }

    func value(_ instance: TrueInstances.Instance) -> Double {
        switch self {
        case .coverage: instance.duration > 0 ? min(100, 100 * instance.segment.length / instance.duration) : 100
        case .length: instance.segment.length
        case .instances: Double(instance.siblings)
        }
    }

    /// Upper bounds of all bins but the last, as published for ActivityNet and for THUMOS14.
    var publishedBounds: [[Double]] {
        switch self {
        case .coverage: [[20, 40, 60, 80], [2, 4, 6, 8]]
        case .length: [[30, 60, 120, 180], [3, 6, 12, 18]]
        case .instances: [[1, 4, 8], [1, 40, 80]]
        }
    }

    /// Upper bounds for these values: the published ones that spread them most evenly (highest entropy). Where those leave fewer than three bins with a
    /// twentieth of the values, the data set is of another kind, and the fifths of the values bound the bins.
    package func bounds(_ values: [Double]) -> [Double] {
        func shares(_ bounds: [Double]) -> [Double] {
            var counts = [Int](repeating: 0, count: bounds.count + 1)
            for value in values { counts[Self.bin(value, bounds)] += 1 }
            return counts.map { Double($0) / Double(max(values.count, 1)) }
        }
        func entropy(_ bounds: [Double]) -> Double {
            shares(bounds).reduce(0) { $0 - ($1 > 0 ? $1 * log($1) : 0) }
        }
        let best = publishedBounds.reduce(publishedBounds[0]) { entropy($1) > entropy($0) ? $1 : $0 }
        if shares(best).count(where: { $0 >= 0.05 }) >= 3 { return best }
        let sorted = values.sorted()
        var fifths: [Double] = []
        for part in 1..<5 where !sorted.isEmpty {
            let bound = sorted[min(sorted.count - 1, part * sorted.count / 5)]
            if bound < sorted[sorted.count - 1], bound > fifths.last ?? -.infinity { fifths.append(bound) }
        }
        return fifths
    }

    private static func text(_ bound: Double) -> String { String(format: "%.4g", bound) }

    /// The bin of a value: an upper bound belongs to its bin.
    package static func bin(_ value: Double, _ bounds: [Double]) -> Int { bounds.firstIndex { value <= $0 } ?? bounds.count }

    /// The names of the bins, such as `≤ 3`, `3–6`, `> 6`.
    package func names(_ bounds: [Double]) -> [String] {
        guard let first = bounds.first, let last = bounds.last else { return ["all"] }
        let isWhole = self == .instances
        let inner = zip(bounds, bounds.dropFirst()).map { low, high in
            if isWhole { return low + 1 == high ? Self.text(high) : "\(Self.text(low + 1))–\(Self.text(high))" }
            return "\(Self.text(low))–\(Self.text(high))"
        }
        return [isWhole && first == 1 ? "1" : "≤\(Self.text(first))"] + inner + [">\(Self.text(last))"]
    }
}

/// How detections depend on a characteristic of the actions.
public struct CharacteristicResult: Sendable {
    /// Actions whose value lies between two bounds.
    public struct Bin: Equatable, Sendable {
        public var name: String
        public var instances: Int
        /// Normalised average precision where these alone are to be found, mean over classes and thresholds; nil without any.
        ///
        /// Detections that claim another action are left out; what claims none stays a false positive.
        public var normalizedMAP: Double?
        /// The part of the actions that no detection claims, mean over thresholds; nil without any.
        public var missed: Double?
    }

    public let characteristic: Characteristic
    public let bins: [Bin]

    init(_ characteristic: Characteristic, _ instances: TrueInstances, _ judged: [JudgedClass], _ thresholds: Int) {
        let values = instances.all.map(characteristic.value), bounds = characteristic.bounds(values)
        let binOf = values.map { Characteristic.bin($0, bounds) }
        // Per threshold: whether an instance is claimed.
        var isFound = [[Bool]](repeating: [Bool](repeating: false, count: values.count), count: thresholds)
        for own in judged {
            for t in 0..<thresholds { for case let claim? in own.claims[t] { isFound[t][claim] = true } }
        }
        self.characteristic = characteristic
        bins = characteristic.names(bounds).enumerated().map { number, name in
            let members = binOf.indices.filter { binOf[$0] == number }
            var bin = Bin(name: name, instances: members.count)
            guard !members.isEmpty else { return bin }
            let missed = isFound.map { found in Double(members.count { !found[$0] }) / Double(members.count) }
            bin.missed = missed.reduce(0, +) / Double(thresholds)
            let counts = Dictionary(members.map { (instances.all[$0].label, 1) }, uniquingKeysWith: +)
            let precisions = judged.compactMap { own -> Double? in
                guard let count = counts[own.label] else { return nil }
                // As published: a detection is left out when at any threshold it claims an action of another bin.
                let isKept = own.detections.indices.map { rank in
                    own.claims.allSatisfy { ranks in ranks[rank].map { binOf[$0] == number } ?? true }
                }
                let sum = (0..<thresholds).reduce(0.0) { sum, t in sum + own.averagePrecision(threshold: t, of: count) { isKept[$0] } }
                return sum / Double(thresholds)
            }
            bin.normalizedMAP = precisions.reduce(0, +) / Double(precisions.count)
            return bin
        }
    }
}
