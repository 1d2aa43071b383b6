import Foundation

/// What an evaluation found; encoded as `kairos evaluate --json` prints it and `metrics.json` holds it. All numbers are fractions.
public struct EvaluationResult: Codable, Equatable, Sendable {
    public var tiouThresholds: [Double]
    /// Per threshold: mean over the classes that have ground truth.
    public var mAP: [Double]
    /// Mean over the thresholds.
    public var averageMAP: Double
    /// Per class with ground truth, per threshold.
    public var apPerClass: [String: [Double]]
    /// Keys "1x" and "5x": per threshold, mean over the classes of recall among the best 1 or 5 times as many detections as the video
    /// has instances of the class.
    public var recallAt: [String: [Double]]
    /// Where the classes of the detections come from, when it is not the detector: `own`, `file` or `known`.
    public var classSource: String?

    /// All numbers in [0, 1]; the lists per threshold are in the order of `tiouThresholds`.
    public init(
        tiouThresholds: [Double], mAP: [Double], averageMAP: Double, apPerClass: [String: [Double]], recallAt: [String: [Double]],
        classSource: String? = nil
    ) {
        self.tiouThresholds = tiouThresholds
        self.mAP = mAP
        self.averageMAP = averageMAP
        self.apPerClass = apPerClass
        self.recallAt = recallAt
        self.classSource = classSource
    }

    enum CodingKeys: String, CodingKey {
        case tiouThresholds = "tiou_thresholds"
        case mAP
        case averageMAP = "average_mAP"
        case apPerClass = "ap_per_class"
        case recallAt = "recall_at"
        case classSource = "class_source"
    }

    /// A table for the user, in per cent: one line per class in the given order, then mAP and recall.
    public func table(classOrder: [String]) -> String {
        let known = classOrder.filter { apPerClass[$0] != nil }
        let names = known + apPerClass.keys.filter { !known.contains($0) }.sorted()
        let heads = recallAt.keys.sorted().map { "recall@\($0)" }
        let width = (names + heads + ["tIoU"]).map(\.count).max() ?? 4
        func line(_ name: String, _ cells: [String]) -> String {
            name.padding(toLength: width, withPad: " ", startingAt: 0)
                + cells.map { String(repeating: " ", count: max(0, 8 - $0.count)) + $0 }.joined()
        }
        func row(_ name: String, _ values: [Double]) -> String {
            let mean = values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
            return line(name, (values + [mean]).map { String(format: "%.2f", 100 * $0) })
        }
        let rule = String(repeating: "-", count: width + 8 * (tiouThresholds.count + 1))
        var lines = [line("tIoU", tiouThresholds.map { String(format: "%.2f", $0) } + ["average"]), rule]
        lines += names.map { row($0, apPerClass[$0] ?? []) }
        lines += [rule, row("mAP", mAP)]
        lines += recallAt.keys.sorted().map { row("recall@\($0)", recallAt[$0] ?? []) }
        if let classSource { lines.append("classes from: \(classSource)") }
        return lines.joined(separator: "\n")
    }
}
