import DetectionMetrics
import Diagnostics
import Foundation
import TemporalAnnotations

/// Reading what a run has left, while it runs or later, in one process without MPI.
extension RunFolder {
    /// The configuration as it was written: YAML with every key.
    ///
    /// - Throws: `Failure` (`.badInput`) when the file cannot be read.
    public func readConfiguration() throws -> String {
        let missing = Failure.badInput("the run's configuration cannot be read", at: .file(configuration), advice: "give the folder of a run")
        return String(decoding: try readInput(configuration, unreadable: missing), as: UTF8.self)
    }

    /// All lines of the log, in their order; a last line that is half written is left out.
    ///
    /// - Throws: `Failure` (`.badInput`) naming the line that is no record.
    public func readLog() throws -> [LogLine] { try RunLog.lines(log) }

    /// The detections at the end of the run, in the order of the file.
    ///
    /// - Parameter classes: those of the feature store.
    /// - Throws: `Failure` (`.badInput`) naming file, line and video.
    public func readPredictions(classes: ClassMap) throws -> [Detection] { try DetectionFile.read(predictions, classes: classes) }

    /// What is known of the actions of the run's recordings, times as they were written.
    ///
    /// - Parameter classes: those of the feature store; nil: those that some recording has.
    /// - Throws: `Failure` (`.badInput`) naming file, line and video.
    public func readTruth(classes: ClassMap? = nil) throws -> AnnotationSet {
        try AnnotationSet(readingJSON: truth, classes: classes, segments: .asWritten)
    }

    /// What the evaluation found; fractions.
    ///
    /// - Parameter advice: what to do when the file cannot be read.
    /// - Throws: `Failure` (`.badInput`) naming the file and the key, or line and column, of the fault.
    public func readMetrics(advice: String = "give the folder of a run that has ended and was evaluated") throws -> EvaluationResult {
        try EvaluationResult(readingJSON: metrics, advice: advice)
    }

    /// The pseudo-labels of a round.
    ///
    /// - Parameters:
    ///   - round: number of the round, from 1.
    ///   - classes: those of the feature store.
    /// - Throws: `Failure` (`.badInput`) naming file, line and video.
    public func readPseudoLabels(round: Int, classes: ClassMap) throws -> PseudoLabelFile {
        try PseudoLabelFile(path: pseudoLabels(round: round), classes: classes)
    }

    /// The checkpoint of a step; `checkpoints(keep:)` knows the steps there are.
    ///
    /// - Throws: `Failure` (`.badInput`) naming the file, for one that is missing, damaged or of another version.
    public func readCheckpoint(step: Int) throws -> Checkpoint { try Checkpoint(path: checkpoints(keep: 1).file(step: step)) }

    /// What a rank did when.
    ///
    /// - Throws: `Failure` (`.badInput`) naming file and line.
    public func readTimeline(rank: Int) throws -> TimelineTrace { try TimelineTrace(path: timeline(rank: rank)) }
}

/// Writing what stands in files of its own. Log, checkpoints and timelines are written by those who know their contents.
extension RunFolder {
    /// Writes the configuration so that no reader sees half of it.
    ///
    /// - Throws: `Failure` (`.failed`) when the disk does not take it.
    public func write(configuration yaml: String) throws { try replaceFile(at: configuration, with: Data(yaml.utf8)) }

    /// Writes what is known of the actions of the recordings.
    ///
    /// - Throws: `Failure` (`.failed`) when the disk does not take it.
    public func write(truth: AnnotationSet) throws { try truth.write(to: self.truth) }

    /// Writes the detections, recordings in the order given.
    ///
    /// - Throws: `Failure` (`.failed`) when the disk does not take them.
    public func write(predictions: [(video: VideoID, detections: [Detection])], classes: ClassMap) throws {
        try DetectionFile.write(predictions, classes: classes, to: self.predictions)
    }

    /// Writes the metrics.
    ///
    /// - Returns: the JSON as it stands in the file, without the end of its line.
    /// - Throws: `Failure` (`.failed`) when the disk does not take them.
    public func write(metrics result: EvaluationResult) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = try encoder.encode(result)
        try replaceFile(at: metrics, with: json + [UInt8(ascii: "\n")])
        return String(decoding: json, as: UTF8.self)
    }
}
