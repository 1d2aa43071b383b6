import Diagnostics
import FeatureStore
import RunRecords
import TemporalAnnotations
import TrainingMethods

/// The files that rank 0 writes for a round: `pseudo_labels/round-N.json` and a record for the observers.
public enum RoundRecord {
    /// - Parameters:
    ///   - labels: all predictions that were examined.
    ///   - thresholds: those that selected.
    ///   - number: of the round, from 1.
    ///   - name: of the stage.
    ///   - videos: the recordings that were examined, as positions in the store.
    ///   - previous: of the round before.
    ///   - expectedActions: how many the recordings should have; nil: unknown, or scores are no probabilities.
    ///   - run: store, ranks, folder and observers of the run.
    /// - Returns: the labels' quality, where the store holds the truth.
    /// - Throws: `Failure` (`.failed`) when the folder or the file cannot be written; whatever an observer throws.
    public static func write(
        _ labels: [PseudoLabel], _ thresholds: PseudoLabelThresholds, round number: Int, name: String, videos: [Int],
        previous: PseudoLabelQuality?, expectedActions: Double? = nil, _ run: RunContext
    ) throws -> PseudoLabelQuality? {
        // A checkpoint does not keep it.
        var previous = previous
        previous?.recall = nil
        let annotations = videos.map { run.store.videos[$0].annotation }
        // Weak labels say nothing of segments.
        let truth = annotations.filter { !$0.isWeaklyLabelled }
        let isMeasured = truth.contains { !$0.instances.isEmpty }
        let quality = isMeasured ? PseudoLabelQuality(labels: labels, truth: truth) : nil
        try RunFolder.make(run.folder.pseudoLabels)
        let file = PseudoLabelFile(
            round: number, labels: labels, videos: annotations.map(\.id), thresholds: thresholds, quality: quality, previousQuality: previous,
            reliability: isMeasured ? PseudoLabelReliability(labels: labels, truth: truth) : nil)
        try file.write(classes: run.store.classes, to: run.folder.pseudoLabels(round: number))
        let record = PseudoLabelRoundRecord(
            step: run.state.step, stage: name, labels: labels, theta: thresholds.theta, expectedActions: expectedActions, quality: quality,
            previous: previous)
        try run.observers.tell { try $0.recorded(record) }
        return quality
    }
}
