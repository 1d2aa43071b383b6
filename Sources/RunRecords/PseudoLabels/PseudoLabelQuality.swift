import TemporalAnnotations

/// The quality of pseudo-labels, measured on recordings whose ground truth is known: the three numbers of the APL paper (section 4.3, "Ablation on
/// the quality of pseudo labels", and Fig. 3c), and what they do not see, the part of the actions that has a label; as fractions.
///
/// Only labels that are learnt from (`PseudoLabelFate.isLabel`) in recordings whose truth is given count. Without any, all are 0.
///
/// *Choices* where the paper is silent: a label is compared with the true instance of highest tIoU, of any class (of equally high ones one of the
/// label's class); several labels may meet the same true instance; a label that meets none counts as a wrong class and with tIoU 0.
public struct PseudoLabelQuality: Equatable, Sendable {
    /// "Class Acc": labels whose true instance has their class.
    public var classAccuracy: Double
    /// "Avg tIoU": mean tIoU with the true instance.
    public var averageTIoU: Double
    /// "Pos Acc": labels with a true instance of their class and a tIoU above `tIoU`.
    public var positiveAccuracy: Double
    /// Labels that were measured.
    public var count: Int
    /// True instances that a label of their class meets with a tIoU above `tIoU`; nil where nobody measured it.
    public var recall: Double?

    /// - Parameters:
    ///   - labels: of any fate, in any order.
    ///   - truth: of the recordings whose annotations are known; one without instances makes all its labels wrong.
    ///   - threshold: above this a label of the right class is positive; 0.5 in the paper.
    public init(labels: [PseudoLabel], truth: [VideoAnnotation], tIoU threshold: Double = 0.5) {
        let instances = Dictionary(truth.map { ($0.id, $0.instances) }, uniquingKeysWith: +)
        var sameClass = 0, positive = 0, count = 0
        var overlap = 0.0, met: [VideoID: Set<Int>] = [:]
        for label in labels where label.fate.isLabel {
            guard let instances = instances[label.video] else { continue }
            let fit = TrueFit(label, instances)
            for (place, tIoU) in fit.overlaps.enumerated() where instances[place].label == label.label && tIoU > threshold {
                met[label.video, default: []].insert(place)
            }
            count += 1
            overlap += fit.best
            if fit.isOfClass { sameClass += 1 }
            if fit.bestOfClass > threshold { positive += 1 }
        }
        let total = Double(max(count, 1)), actions = instances.values.reduce(0) { $0 + $1.count }
        self.init(
            classAccuracy: Double(sameClass) / total, averageTIoU: overlap / total, positiveAccuracy: Double(positive) / total, count: count,
            recall: Double(met.values.reduce(0) { $0 + $1.count }) / Double(max(actions, 1)))
    }

    public init(classAccuracy: Double, averageTIoU: Double, positiveAccuracy: Double, count: Int, recall: Double? = nil) {
        self.classAccuracy = classAccuracy
        self.averageTIoU = averageTIoU
        self.positiveAccuracy = positiveAccuracy
        self.count = count
        self.recall = recall
    }
}

/// How a label lies on the true instances of its recording.
struct TrueFit {
    /// tIoU with each of them.
    let overlaps: [Double]
    /// The highest, of any class; 0 without instances.
    let best: Double
    /// The highest of the label's class; 0 without any.
    let bestOfClass: Double

    init(_ label: PseudoLabel, _ instances: [ActionInstance]) {
        overlaps = instances.map { $0.segment.tIoU(label.segment) }
        best = overlaps.max() ?? 0
        bestOfClass = zip(instances, overlaps).filter { $0.0.label == label.label }.map(\.1).max() ?? 0
    }

    /// Whether the instance of highest tIoU has the label's class; of equally high ones, any.
    var isOfClass: Bool { best > 0 && bestOfClass == best }
}
