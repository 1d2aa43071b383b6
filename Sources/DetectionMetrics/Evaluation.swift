import Diagnostics
import TemporalAnnotations

/// Mean average precision and recall of temporal detections, as the published ActionFormer (and, before it, ActivityNet) computes them.
///
/// - Ground truth shorter than 1e-3 s, and repetitions (same class, both ends within 1e-3 s) are left out, unless it is taken as written, as
///   ActivityNet's and EPIC-KITCHENS' own code does.
/// - Classes without ground truth among the videos are not counted; detections of such classes are ignored.
/// - Videos without detections lower recall like any missed instance.
/// - Detections in videos that are not evaluated (of another subset), or that hold no instance of the class, are false positives.
/// - Equal scores: see `descendingOrder`.
public struct Evaluation: Sendable {
    /// tIoU from which a detection is a hit.
    public let thresholds: [Double]
    public let classes: ClassMap
    /// Per class, per video: segments in order of the annotations.
    let truth: [[VideoID: [Segment]]]

    /// - Parameters:
    ///   - videos: those evaluated.
    ///   - classes: names of the classes by number.
    ///   - thresholds: tIoU from which a detection counts.
    ///   - keepsRepetitions: ground truth is taken as written.
    public init(videos: [VideoAnnotation], classes: ClassMap, thresholds: [Double], keepsRepetitions: Bool = false) {
        self.thresholds = thresholds
        self.classes = classes
        var truth = [[VideoID: [Segment]]](repeating: [:], count: classes.count)
        for video in videos {
            for instance in keepsRepetitions ? video.instances : Self.withoutRepetitions(video.instances) where truth.indices.contains(instance.label)
            {
                truth[instance.label][video.id, default: []].append(instance.segment)
            }
        }
        self.truth = truth
    }

    static let repetitionTolerance = 1e-3

    /// The instances that count: without those shorter than 1e-3 s and without repetitions.
    public static func withoutRepetitions(_ instances: [ActionInstance]) -> [ActionInstance] {
        var kept: [ActionInstance] = []
        for instance in instances where instance.segment.length >= repetitionTolerance {
            let isRepeated = kept.contains {
                $0.label == instance.label && abs($0.segment.start - instance.segment.start) <= repetitionTolerance
                    && abs($0.segment.end - instance.segment.end) <= repetitionTolerance
            }
            if !isRepeated { kept.append(instance) }
        }
        return kept
    }

    /// - Parameter detections: of all videos together; their order matters among equal scores alone.
    public func evaluate(_ detections: [Detection]) -> EvaluationResult {
        var byClass = [[Detection]](repeating: [], count: classes.count)
        for detection in detections where byClass.indices.contains(detection.label) { byClass[detection.label].append(detection) }
        let counted = classes.names.indices.filter { !truth[$0].isEmpty }
        var precision: [String: [Double]] = [:], sums = [Double](repeating: 0, count: thresholds.count)
        var recalls = Self.multiples.map { _ in [Double](repeating: 0, count: thresholds.count) }
        for label in counted {
            Activity.tick()
            let ap = averagePrecision(byClass[label], truth: truth[label])
            precision[classes.names[label]] = ap
            for (i, value) in ap.enumerated() { sums[i] += value }
            for (k, multiple) in Self.multiples.enumerated() {
                let recall = recallAtMultiple(multiple, byClass[label], truth: truth[label])
                for (i, value) in recall.enumerated() { recalls[k][i] += value }
            }
        }
        let classCount = Double(max(1, counted.count)), means = sums.map { $0 / classCount }
        return EvaluationResult(
            tiouThresholds: thresholds, mAP: means, averageMAP: means.isEmpty ? 0 : means.reduce(0, +) / Double(means.count),
            apPerClass: precision,
            recallAt: Dictionary(
                uniqueKeysWithValues: zip(Self.multiples, recalls).map { ("\($0)x", $1.map { $0 / classCount }) }))
    }

    static let multiples = [1, 5]
}
