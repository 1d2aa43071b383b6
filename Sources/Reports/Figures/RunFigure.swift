import Diagnostics

/// The figures of a run that can be drawn alone.
public enum RunFigure: String, CaseIterable, Sendable {
    case loss
    case learningRate = "learning-rate"
    case validation
    case meanPrecision = "map"
    case precisionRecall = "precision-recall"
    case averageRecall = "average-recall"
    case proposals = "proposal-map"
    case confusion
    case falsePositives = "false-positives"
    case errorImpact = "error-impact"
    case sensitivity
    case falseNegatives = "false-negatives"
    case timeline
    case quality = "pseudo-label-quality"
    case fates = "pseudo-label-fates"
    case reliability
    case time
    case ranks

    /// What it shows, for lists.
    public var words: String {
        switch self {
        case .loss: "terms of the loss over steps"
        case .learningRate: "learning rate over steps"
        case .validation: "mAP of the evaluations while the run trained"
        case .meanPrecision: "mAP over tIoU"
        case .precisionRecall: "precision over recall, per class, or per tIoU of one --class"
        case .averageRecall: "recall of detections of any class over their average number (AR@AN)"
        case .proposals: "start and length of the detections of one --recording, by score"
        case .confusion: "classes of detections by classes of actions"
        case .falsePositives: "errors of the best detections (DETAD)"
        case .errorImpact: "what mAP gains without each error (DETAD)"
        case .sensitivity: "mAP by coverage, length and number of actions (DETAD)"
        case .falseNegatives: "missed actions by the same (DETAD)"
        case .timeline: "actions and detections of one --recording"
        case .quality: "quality of pseudo-labels over rounds"
        case .fates: "fates of predictions over rounds"
        case .reliability: "what scores of pseudo-labels claim, and what is so"
        case .time: "time of a step over steps"
        case .ranks: "time of each rank, of a run with --timeline"
        }
    }

    /// The figure as an SVG file.
    ///
    /// - Parameters:
    ///   - run: whose figure.
    ///   - recording: for `timeline` and `proposals`: which one; nil: the first that is evaluated.
    ///   - className: for `precisionRecall`: of which class; nil: of all.
    /// - Throws: `Failure` (`.wrongUsage`) for a recording or class that the run does not have, and (`.badInput`) when the run lacks what the figure
    ///   shows.
    public func svg(of run: ReportedRun, recording: String? = nil, className: String? = nil) throws -> String {
        let figures = RunFigures(run)
        if let className, self == .precisionRecall { try Self.require(className, among: run.classes.names, "class", "--class") }
        if let recording, self == .proposals {
            try Self.require(recording, among: (run.evaluated ?? []).map(\.id.name), "evaluated recording", "--recording")
        }
        if let recording, self == .timeline {
            let known = (run.evaluated ?? []).map(\.id.name) + (figures.labelledRecordings.map(\.id.name))
            try Self.require(recording, among: known, "recording", "--recording")
        }
        guard let figure = figures.figure(self, recording: recording, className: className) else {
            throw Failure(
                .badInput, "the run has nothing to draw as '\(rawValue)'\(run.notes.first.map { "; \($0)" } ?? "")", at: [.file(run.folder.path)],
                advice: "choose another figure, or a run that has \(lacking)")
        }
        return figure.file
    }

    private var lacking: String {
        switch self {
        case .loss, .learningRate, .time: "a log"
        case .validation: "evaluations in its log (training.evaluate_every)"
        case .meanPrecision: "metrics"
        case .precisionRecall, .averageRecall, .proposals, .confusion, .falsePositives, .errorImpact, .sensitivity, .falseNegatives, .timeline:
            "detections and their truth"
        case .quality, .fates: "rounds of pseudo-labels"
        case .reliability: "pseudo-labels of recordings whose truth is known"
        case .ranks: "a timeline (train --timeline)"
        }
    }

    private static func require(_ name: String, among known: [String], _ kind: String, _ option: String) throws {
        guard !known.contains(name) else { return }
        let near = nearestName(to: name, among: known).map { "; did you mean '\($0)'?" } ?? ""
        throw Failure(
            .wrongUsage, "the run has no \(kind) '\(name)'\(near)", at: [.key(option)],
            advice: known.isEmpty ? "leave \(option) out" : "give one such as '\(known[0])'")
    }
}
