import TemporalAnnotations

/// Whether the probabilities of predictions are what they claim, measured on recordings whose ground truth is known: reliability curves (Guo et al.,
/// arXiv 1706.04599), over all predictions that were examined, whatever their fate.
public struct PseudoLabelReliability: Equatable, Sendable {
    /// Predictions whose claim lies in one of equal parts of [0, 1].
    public struct Bin: Equatable, Sendable {
        public var count: Int
        /// Mean of what they claim; 0 without any.
        public var claimed: Double
        /// Mean of what is so; 0 without any.
        public var observed: Double

        public init(count: Int = 0, claimed: Double = 0, observed: Double = 0) {
            self.count = count
            self.claimed = claimed
            self.observed = observed
        }
    }

    /// The joint score against the share that has a true instance of its class with a tIoU above 1/2.
    public var score: [Bin]
    /// P_cls against the share whose true instance of highest tIoU has their class.
    public var classScore: [Bin]
    /// P_tiou against the highest tIoU with a true instance of any class; empty where nothing was predicted.
    public var tIoU: [Bin]
    /// P_tnd against the tND with that instance, 1 without one; empty where nothing was predicted.
    public var tND: [Bin]
    /// Area under the receiver's curve: how often the similarity of a prediction of the right class is above that of one of the wrong class, ties half;
    /// nil where there are none of one kind.
    public var similarityAUC: Double?

    public init(score: [Bin] = [], classScore: [Bin] = [], tIoU: [Bin] = [], tND: [Bin] = [], similarityAUC: Double? = nil) {
        self.score = score
        self.classScore = classScore
        self.tIoU = tIoU
        self.tND = tND
        self.similarityAUC = similarityAUC
    }

    /// - Parameters:
    ///   - labels: of any fate, in any order.
    ///   - truth: of the recordings whose annotations are known; predictions in others do not count.
    ///   - bins: equal parts of [0, 1]; a claim of 1 lies in the last.
    public init(labels: [PseudoLabel], truth: [VideoAnnotation], bins: Int = 10) {
        let instances = Dictionary(truth.map { ($0.id, $0.instances) }, uniquingKeysWith: +)
        var score = Curve(bins), classScore = Curve(bins), tIoU = Curve(bins), tND = Curve(bins)
        var right: [Double] = [], wrong: [Double] = []
        for label in labels {
            guard let instances = instances[label.video] else { continue }
            let fit = TrueFit(label, instances)
            score.add(label.score, fit.bestOfClass > 0.5 ? 1 : 0)
            classScore.add(label.classScore, fit.isOfClass ? 1 : 0)
            if let claim = label.tIoU { tIoU.add(claim, fit.best) }
            if let claim = label.tND {
                let nearest = fit.best > 0 ? fit.overlaps.firstIndex(of: fit.best) : nil
                tND.add(claim, nearest.map { Self.normalizedDistance(label.segment, instances[$0].segment) } ?? 1)
            }
            if let similarity = label.similarity { if fit.isOfClass { right.append(similarity) } else { wrong.append(similarity) } }
        }
        self.init(
            score: score.bins, classScore: classScore.bins, tIoU: tIoU.bins, tND: tND.bins, similarityAUC: Self.areaUnderCurve(right, wrong))
    }

    /// The expected calibration error of a curve: the mean of |claimed - observed| over its predictions; nil without any.
    public static func calibrationError(_ bins: [Bin]) -> Double? {
        let count = bins.reduce(0) { $0 + $1.count }
        guard count > 0 else { return nil }
        return bins.reduce(0) { $0 + Double($1.count) * abs($1.claimed - $1.observed) } / Double(count)
    }

    /// (rho / c)^2 of Eq. 1: the distance of the middles over the extent of both.
    private static func normalizedDistance(_ a: Segment, _ b: Segment) -> Double {
        let extent = max(a.end, b.end) - min(a.start, b.start)
        let part = extent > 0 ? abs(a.center - b.center) / extent : 0
        return part * part
    }

    /// By ranks, in O(n log n).
    private static func areaUnderCurve(_ right: [Double], _ wrong: [Double]) -> Double? {
        guard !right.isEmpty, !wrong.isEmpty else { return nil }
        let wrong = wrong.sorted()
        /// How many of `wrong` are below, or not above.
        func count(_ isIn: (Double) -> Bool) -> Int {
            var low = 0, high = wrong.count
            while low < high {
                let middle = (low + high) / 2
                if isIn(wrong[middle]) { low = middle + 1 } else { high = middle }
            }
            return low
        }
        let sum = right.reduce(0.0) { sum, value in sum + 0.5 * Double(count { $0 < value } + count { $0 <= value }) }
        return sum / Double(right.count) / Double(wrong.count)
    }

    private struct Curve {
        private var sums: [(count: Int, claimed: Double, observed: Double)]

        init(_ bins: Int) { sums = [(Int, Double, Double)](repeating: (0, 0, 0), count: max(bins, 1)) }

        mutating func add(_ claimed: Double, _ observed: Double) {
            let place = min(max(Int((claimed * Double(sums.count)).rounded(.down)), 0), sums.count - 1)
            sums[place] = (sums[place].count + 1, sums[place].claimed + claimed, sums[place].observed + observed)
        }

        /// Empty where nothing was added.
        var bins: [Bin] {
            guard sums.contains(where: { $0.count > 0 }) else { return [] }
            return sums.map {
                $0.count > 0 ? Bin(count: $0.count, claimed: $0.claimed / Double($0.count), observed: $0.observed / Double($0.count)) : Bin()
            }
        }
    }
}

extension PseudoLabelReliability {
    /// As `reliability` in the `external_data` of a file of pseudo-labels: per kind of claim a list of [count, claimed, observed].
    func json(_ decimal: (Double?) throws -> String) throws -> String {
        func list(_ bins: [Bin]) throws -> String {
            "[" + (try bins.map { "[\($0.count), \(try decimal($0.claimed)), \(try decimal($0.observed))]" }).joined(separator: ", ") + "]"
        }
        return "{\"score\": \(try list(score)), \"P_cls\": \(try list(classScore)), \"P_tiou\": \(try list(tIoU)), \"P_tnd\": \(try list(tND)), "
            + "\"similarity_auc\": \(try decimal(similarityAUC))}"
    }

    /// nil for what is no such object.
    init?(_ node: JSONNode) {
        func bins(_ key: String) -> [Bin]? {
            guard let list = node[key]?.array else { return nil }
            var bins: [Bin] = []
            for entry in list {
                guard let numbers = entry.array?.compactMap(\.number), numbers.count == 3, let count = Int(exactly: numbers[0]), count >= 0 else {
                    return nil
                }
                bins.append(Bin(count: count, claimed: numbers[1], observed: numbers[2]))
            }
            return bins
        }
        guard let score = bins("score"), let classScore = bins("P_cls"), let tIoU = bins("P_tiou"), let tND = bins("P_tnd") else { return nil }
        self.init(score: score, classScore: classScore, tIoU: tIoU, tND: tND, similarityAUC: node["similarity_auc"]?.number)
    }
}
