import DetectionMetrics
import TemporalAnnotations

/// What is wrong with a detection: the errors of DETAD (arXiv 1807.10706, section 3.1; published code `action_detector_diagnosis.py`).
public enum DetectionError: Int, CaseIterable, Sendable {
    /// No error: it claims an instance of its class.
    case none
    /// It overlaps an instance of its class enough, and a better detection has claimed that.
    case doubleDetection
    /// It overlaps an instance of another class enough.
    case wrongLabel
    /// It overlaps an instance of its class, too little.
    case localization
    /// It overlaps an instance of another class, too little.
    case confusion
    /// It overlaps no instance by 0.1 or more.
    case background

    package var words: String {
        switch self {
        case .none: "right"
        case .doubleDetection: "double detection"
        case .wrongLabel: "wrong label"
        case .localization: "localization"
        case .confusion: "confusion"
        case .background: "background"
        }
    }

    /// For narrow places.
    package var short: String {
        switch self {
        case .doubleDetection: "double"
        case .wrongLabel: "label"
        case .none, .localization, .confusion, .background: words
        }
    }
}

/// The errors of a run's detections as DETAD finds them (arXiv 1807.10706): the profile of false positives, what each error costs, and how detections
/// depend on the actions.
///
/// As published, the analysis looks at the best 10 G_c detections of each class c, of which the truth has G_c instances, and its average precision is
/// normalised: precision assumes the mean number of instances per class.
///
/// *Choices*: instances count as in `Evaluation` (no repetitions); of instances that a detection overlaps equally, one of its class comes first.
public struct ErrorAnalysis: Sendable {
    /// tIoU from which a detection is right; all results are means over these.
    public let thresholds: [Double]
    /// Mean over thresholds and classes, a fraction.
    public let normalizedMAP: Double
    /// For the best G, the second G, ... the tenth: the shares of the errors by `DetectionError.rawValue`; empty where there are no detections.
    public let profile: [[Double]]
    /// What the mean average precision gains without the detections of each error (`none` left out), a fraction.
    public let impact: [(error: DetectionError, gain: Double)]
    /// How detections depend on coverage, length and number of instances.
    public let characteristics: [CharacteristicResult]

    /// As many detections per instance are looked at.
    public static let multiple = 10
    /// An overlap below this is none.
    static let leastOverlap = 0.1

    /// - Parameters:
    ///   - videos: those evaluated.
    ///   - detections: of all videos, in any order.
    ///   - classes: the number of classes that labels count.
    ///   - thresholds: tIoU.
    /// - Returns: nil when the videos have no instance.
    public init?(videos: [VideoAnnotation], detections: [Detection], classes: Int, thresholds: [Double]) {
        let instances = TrueInstances(videos)
        guard !instances.all.isEmpty, !thresholds.isEmpty else { return nil }
        let normalizer = Double(instances.all.count) / Double(instances.labels.count)
        let judged = instances.labels.map {
            JudgedClass(label: $0, detections: detections, instances: instances, thresholds: thresholds, normalizer: normalizer)
        }
        func mean(_ precision: (JudgedClass, Int) -> Double) -> Double {
            let values = judged.flatMap { own in thresholds.indices.map { precision(own, $0) } }
            return values.reduce(0, +) / Double(values.count)
        }
        let whole = mean { $0.averagePrecision(threshold: $1) { _ in true } }
        self.thresholds = thresholds
        normalizedMAP = whole
        profile = Self.profile(judged, thresholds.count)
        impact = DetectionError.allCases.filter { $0 != .none }.map { error in
            (error, mean { own, t in own.averagePrecision(threshold: t) { own.errors[t][$0] != error } } - whole)
        }
        characteristics = Characteristic.allCases.map { CharacteristicResult($0, instances, judged, thresholds.count) }
    }

    private static func profile(_ judged: [JudgedClass], _ thresholds: Int) -> [[Double]] {
        (0..<multiple).map { part in
            var counts = [Int](repeating: 0, count: DetectionError.allCases.count), total = 0
            for own in judged {
                let first = part * own.instances, end = min(first + own.instances, own.detections.count)
                guard first < end else { continue }
                for t in 0..<thresholds {
                    for rank in first..<end { counts[own.errors[t][rank].rawValue] += 1 }
                }
                total += (end - first) * thresholds
            }
            return total > 0 ? counts.map { Double($0) / Double(total) } : []
        }
    }
}

/// The instances of the evaluated videos.
package struct TrueInstances: Sendable {
    package struct Instance: Sendable {
        package var video: VideoID
        package var segment: Segment
        package var label: Int
        /// Seconds, of the video.
        var duration: Double
        /// Instances of its class in its video.
        var siblings: Int
    }

    package let all: [Instance]
    /// Positions in `all`, by video.
    let byVideo: [VideoID: [Int]]
    /// The classes that have instances, ascending.
    let labels: [Int]

    package init(_ videos: [VideoAnnotation]) {
        var all: [Instance] = []
        for video in videos {
            let kept = Evaluation.withoutRepetitions(video.instances)
            let counts = Dictionary(kept.map { ($0.label, 1) }, uniquingKeysWith: +)
            all += kept.map {
                Instance(
                    video: video.id, segment: $0.segment, label: $0.label, duration: video.duration, siblings: counts[$0.label] ?? 0)
            }
        }
        self.all = all
        byVideo = Dictionary(grouping: all.indices) { all[$0].video }
        labels = Set(all.map(\.label)).sorted()
    }

    /// Of one class: the segments by video, and their positions in `all`.
    package func ofClass(_ label: Int) -> (segments: [VideoID: [Segment]], positions: [VideoID: [Int]]) {
        let own = Dictionary(grouping: all.indices.filter { all[$0].label == label }) { all[$0].video }
        return (own.mapValues { $0.map { all[$0].segment } }, own)
    }
}

/// The best 10 G detections of a class with what is wrong with each.
struct JudgedClass: Sendable {
    let label: Int
    /// G: how many instances of the class there are.
    let instances: Int
    /// Best first.
    let detections: [Detection]
    /// Per threshold and rank: the position of the claimed instance in `TrueInstances.all`; nil: a false positive.
    let claims: [[Int?]]
    /// Per threshold and rank.
    let errors: [[DetectionError]]
    private let normalizer: Double

    init(label: Int, detections: [Detection], instances: TrueInstances, thresholds: [Double], normalizer: Double) {
        let own = detections.filter { $0.label == label }, truth = instances.ofClass(label)
        let matching = ClassMatching(own, truth: truth.segments, thresholds: thresholds)
        let count = truth.positions.values.reduce(0) { $0 + $1.count }
        let best = matching.order.prefix(ErrorAnalysis.multiple * count).map { own[$0] }
        let claims = matching.claims.map { ranks in
            zip(best, ranks).map { detection, place in place.flatMap { truth.positions[detection.video]?[$0] } }
        }
        let nearest = best.map { Self.nearest(to: $0, instances) }
        self.label = label
        self.instances = count
        self.detections = best
        self.claims = claims
        self.normalizer = normalizer
        errors = zip(thresholds, claims).map { threshold, ranks in
            zip(ranks, nearest).map { claim, nearest in
                if claim != nil { return .none }
                if nearest.overlap >= threshold { return nearest.isOfClass ? .doubleDetection : .wrongLabel }
                if nearest.overlap >= ErrorAnalysis.leastOverlap { return nearest.isOfClass ? .localization : .confusion }
                return .background
            }
        }
    }

    /// The highest tIoU with an instance of the video, and whether one of the detection's class has it.
    private static func nearest(to detection: Detection, _ instances: TrueInstances) -> (overlap: Double, isOfClass: Bool) {
        var best = (overlap: 0.0, isOfClass: false)
        for position in instances.byVideo[detection.video] ?? [] {
            let instance = instances.all[position], overlap = detection.segment.tIoU(instance.segment)
            let isOfClass = instance.label == detection.label
            if overlap > best.overlap || overlap == best.overlap && isOfClass { best = (overlap, isOfClass) }
        }
        return best
    }

    /// Normalised average precision of the detections at the ranks that `isKept`.
    ///
    /// - Parameter instances: that there are to be found; nil: all of the class.
    func averagePrecision(threshold: Int, of instances: Int? = nil, _ isKept: (Int) -> Bool) -> Double {
        let hits = claims[threshold].indices.filter(isKept).map { claims[threshold][$0] != nil }
        return PrecisionRecall(hits, instances: instances ?? self.instances, normalizer: normalizer).averagePrecision
    }
}
