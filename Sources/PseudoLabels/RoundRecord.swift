import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import Training

/// What rank 0 leaves of a round: `pseudo_labels/round-N.json` and a line of the log.
public enum RoundRecord {
    /// - Parameters:
    ///   - videos: the recordings that were looked at, as positions in the store.
    ///   - previous: of the round before.
    /// - Returns: the labels' quality, where the store holds the truth.
    public static func write(
        _ labels: [PseudoLabel], _ thresholds: PseudoLabelThresholds, round number: Int, name: String, videos: [Int],
        previous: PseudoLabelQuality?, _ run: RunContext
    ) throws -> PseudoLabelQuality? {
        let annotations = videos.map { run.store.videos[$0].annotation }
        // Weak labels say nothing of segments.
        let truth = annotations.filter { !$0.isWeaklyLabelled }
        let quality = truth.contains { !$0.instances.isEmpty } ? PseudoLabelQuality(labels: labels, truth: truth) : nil
        let folder = run.folder + "/pseudo_labels"
        if !FileManager.default.fileExists(atPath: folder) {
            do {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            } catch {
                throw Failure.failed(
                    "the folder cannot be made: \(error.localizedDescription)", at: .file(folder), advice: "check the run's folder")
            }
        }
        let file = PseudoLabelFile(
            round: number, labels: labels, videos: annotations.map(\.id), thresholds: thresholds, quality: quality, previousQuality: previous)
        try file.write(classes: run.store.classes, to: "\(folder)/round-\(number).json")
        try run.log?.append(
            note: RoundNote(step: run.state.step, stage: name, labels: labels, thresholds: thresholds, quality: quality, previous: previous))
        return quality
    }
}

/// The line of the log that a round begins with.
private struct RoundNote: Encodable {
    struct Quality: Encodable {
        var class_accuracy: Double
        var average_tIoU: Double
        var positive_accuracy: Double
    }

    var step: Int
    var stage: String
    var recordings: Int
    var positive: Int
    var removed: Int
    var promoted: Int
    var rejected: Int
    var theta: Double?
    var quality: Quality?
    var previous_quality: Quality?

    init(
        step: Int, stage: String, labels: [PseudoLabel], thresholds: PseudoLabelThresholds, quality: PseudoLabelQuality?,
        previous: PseudoLabelQuality?
    ) {
        func count(_ fate: PseudoLabelFate) -> Int { labels.reduce(0) { $0 + ($1.fate == fate ? 1 : 0) } }
        func numbers(_ quality: PseudoLabelQuality?) -> Quality? {
            quality.map {
                Quality(class_accuracy: $0.classAccuracy, average_tIoU: $0.averageTIoU, positive_accuracy: $0.positiveAccuracy)
            }
        }
        self.step = step
        self.stage = stage
        recordings = Set(labels.filter(\.fate.isLabel).map(\.video)).count
        (positive, removed, promoted, rejected) = (count(.positive), count(.removed), count(.promoted), count(.rejected))
        theta = thresholds.theta
        self.quality = numbers(quality)
        previous_quality = numbers(previous)
    }
}
