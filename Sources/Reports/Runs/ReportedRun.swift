import DetectionMetrics
import Diagnostics
import Foundation
import RunRecords
import TemporalAnnotations

/// A run as a report shows it: what its folder holds, read once.
///
/// A run that still goes on, was stopped, or is not evaluated has less; `notes` say what is missing.
public struct ReportedRun: Sendable {
    public let folder: RunFolder
    /// Keys of the configuration and their values as written, in their order.
    let configuration: [ConfigurationLine]
    let yaml: String
    let steps: [StepRecord]
    let roundRecords: [PseudoLabelRoundRecord]
    /// Of the evaluations while the run trained; those of a run that held recordings out for the guard of its rounds likewise.
    let validations: [ValidationRecord], judgements: [GuardRecord]
    /// nil before the evaluation, and without ground truth.
    let metrics: EvaluationResult?
    let classes: ClassMap
    /// The evaluated recordings with their actions; nil where the truth is not known.
    let evaluated: [VideoAnnotation]?
    /// All recordings whose actions are known.
    let truth: [VideoID: VideoAnnotation]
    /// In the order of the file; nil before the end.
    let detections: [Detection]?
    /// All rounds; labels are those of the last one alone.
    let rounds: [PseudoLabelFile]
    let traces: [TimelineTrace]
    /// What is missing and why, one sentence each.
    public let notes: [String]

    /// - Parameters:
    ///   - path: the run's folder.
    ///   - annotations: ground truth to compare with, ActivityNet JSON; nil: the one that the run has left.
    /// - Throws: `Failure` (`.badInput`) for a folder that is no run's, and naming file, line and video of what cannot be read.
    public init(path: String, annotations: String? = nil) throws {
        let folder = RunFolder(path)
        yaml = try folder.readConfiguration()
        configuration = ConfigurationLine.lines(yaml)
        var notes: [String] = []
        let log = FileManager.default.fileExists(atPath: folder.log) ? try folder.readLog() : []
        if log.isEmpty { notes.append("the run has no lines in its log: no curves") }
        steps = log.compactMap { if case .steps(let record) = $0 { record } else { nil } }
        roundRecords = log.compactMap { if case .round(let record) = $0 { record } else { nil } }
        validations = log.compactMap { if case .validation(let record) = $0 { record } else { nil } }
        judgements = log.compactMap { if case .judged(let record) = $0 { record } else { nil } }
        metrics = folder.hasMetrics ? try folder.readMetrics() : nil
        if metrics == nil { notes.append("the run has no metrics: it has not ended yet, or its evaluation had no ground truth") }

        let truthPath = annotations ?? folder.truth
        var set = AnnotationSet(version: "", classes: ClassMap(names: []), videos: [])
        let isKnown = annotations != nil || FileManager.default.fileExists(atPath: truthPath)
        if isKnown {
            set = try AnnotationSet(readingJSON: truthPath, segments: .asWritten)
        } else {
            notes.append("the run has left no \(folder.truth): give the ground truth with --annotations to see errors and timelines")
        }
        let predictions = folder.hasPredictions ? try JSONNode.read(folder.predictions) : nil
        let lastRound = folder.rounds.last, lastLabels = try lastRound.map { try JSONNode.read(folder.pseudoLabels(round: $0)) }
        let named = try [(predictions, folder.predictions), (lastLabels, folder.pseudoLabels(round: lastRound ?? 0))].flatMap { root, file in
            try root.map { try DetectionFile.classNames(of: $0, path: file) } ?? []
        }
        let classes = ClassMap(names: set.classes.names + Set(named).subtracting(set.classes.names).sorted())
        detections = try predictions.map { try DetectionFile.detections(of: $0, classes: classes, path: folder.predictions) }
        rounds = try folder.rounds.map { round in
            if round == lastRound, let lastLabels {
                return try PseudoLabelFile(root: lastLabels, path: folder.pseudoLabels(round: round), classes: classes)
            }
            return try PseudoLabelFile(summaryOf: folder.pseudoLabels(round: round))
        }
        traces = try folder.recordedRanks.map { try folder.readTimeline(rank: $0) }
        let known = set.videos.filter { !$0.isWeaklyLabelled }
        truth = Dictionary(known.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        evaluated = try Self.evaluated(set, configuration, isKnown: isKnown && detections != nil, annotations: annotations)
        self.folder = folder
        self.classes = classes
        self.notes = notes
    }

    /// Those of the subset that the configuration names, when some has an action.
    private static func evaluated(
        _ set: AnnotationSet, _ configuration: [ConfigurationLine], isKnown: Bool, annotations: String?
    ) throws -> [VideoAnnotation]? {
        let value = configuration.first { $0.key == "data.evaluation_subset" }?.text
        guard isKnown, let value, value != "null" else { return nil }
        let videos: [VideoAnnotation]
        do {
            videos = set.videos(in: try set.subset(named: value))
        } catch let failure as Failure {
            // The run's own truth has none of the subset: nothing to compare with. Annotations that were given should have it.
            guard let annotations else { return nil }
            throw Failure(.badInput, failure.what, at: [.file(annotations)], advice: failure.advice)
        }
        let known = videos.filter { !$0.isWeaklyLabelled }
        return known.contains { !$0.instances.isEmpty } ? known : nil
    }

    /// The value of a key of the configuration; nil when it has none.
    func value(_ key: String) -> String? { configuration.first { $0.key == key }?.text }
    /// Thresholds of its evaluation, or the usual ones.
    var thresholds: [Double] { metrics?.tiouThresholds ?? [0.3, 0.4, 0.5, 0.6, 0.7] }
    /// Steps done, by the log.
    var step: Int { steps.last?.step ?? 0 }
    var method: String { value("method.name") ?? "supervised" }
}

/// A line of a configuration: a key and its value.
struct ConfigurationLine: Equatable, Sendable {
    /// `section.key`.
    var key: String
    /// As it stands in the file.
    var value: String

    /// Without the quotes of a text.
    var text: String {
        guard value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote else { return value }
        return String(value.dropFirst().dropLast())
    }

    /// The keys of a configuration as a run writes it: sections, and two spaces before each key.
    static func lines(_ yaml: String) -> [ConfigurationLine] {
        var section = "", lines: [ConfigurationLine] = []
        for line in yaml.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let key = line[..<colon].trimmingCharacters(in: .whitespaces)
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            if line.hasPrefix(" ") {
                lines.append(ConfigurationLine(key: "\(section).\(key)", value: value))
            } else {
                section = key
                if !value.isEmpty { lines.append(ConfigurationLine(key: key, value: value)) }
            }
        }
        return lines
    }
}
