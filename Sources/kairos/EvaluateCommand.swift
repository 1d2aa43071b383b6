import ArgumentParser
import CommandSupport
import DetectionMetrics
import Diagnostics
import Foundation
import TemporalAnnotations

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Compare detections with annotations: mAP per tIoU, average precision per class, recall at 1x and 5x.",
        discussion: """
            Examples:
              kairos evaluate --annotations thumos14.json --predictions predictions.json --subset Test --tiou 0.3:0.1:0.7
              kairos evaluate --protocol activitynet --annotations anet.json --predictions predictions.json --blocked blocked.json --proposals 100
              kairos evaluate --protocol epic --annotations EPIC_100_validation.csv --predictions submission.json

            Numbers are those of the published evaluation code: classes without ground truth in the subset are not counted; detections in
            videos outside the subset are false positives; ground truth is taken as written. See docs/evaluation.md.
            """)

    /// Whose evaluation it is.
    enum Rules: String, ExpressibleByArgument, CaseIterable {
        case actionformer, activitynet, epic

        var tiou: String { self == .actionformer ? "0.3:0.1:0.7" : self == .activitynet ? "0.5:0.05:0.95" : "0.1:0.1:0.5" }
        /// Whether ground truth is used with repetitions and instances of no length.
        var keepsRepetitions: Bool { self != .actionformer }
    }

    @Option(name: .customLong("protocol"), help: "actionformer (THUMOS14), activitynet or epic: rules and defaults of the published code.")
    var rules: Rules = .actionformer

    @Option(help: "Ground truth: annotations in ActivityNet's JSON form; for epic the published CSV file.")
    var annotations: String

    @Option(help: "Detections: results in ActivityNet's JSON form; for epic in the challenge's.")
    var predictions: String

    @Option(help: "The subset whose videos are evaluated, such as Test (default for activitynet: validation).")
    var subset: String?

    @Option(help: "tIoU thresholds: FIRST:STEP:LAST, both included, or a list (defaults 0.3:0.1:0.7, 0.5:0.05:0.95, 0.1:0.1:0.5).")
    var tiou: String?

    @Option(help: "A JSON list of videos that do not count, such as those that ActivityNet has blocked.")
    var blocked: String?

    @Option(help: "Also AR@AN and its area, up to so many proposals per video on average (ActivityNet: 100).")
    var proposals: Double?

    @Flag(help: "Also the results of every video by itself.")
    var perVideo = false

    @Flag(help: "All actions and detections are of one class.")
    var classAgnostic = false

    @OptionGroup var output: OutputOptions

    func run() throws {
        try requireOneRank("evaluate")
        let thresholds = try tiouThresholds(tiou ?? rules.tiou)
        if let proposals, !(proposals.isFinite && proposals > 0) {
            throw Failure.wrongUsage("--proposals is \(proposals)", advice: "give a number above 0, such as 100")
        }
        if rules == .epic { return try evaluateEPIC(thresholds) }
        guard let name = subset ?? (rules == .activitynet ? "validation" : nil) else {
            throw Failure.wrongUsage("--subset was not given", advice: "name the subset whose videos are evaluated")
        }
        let read = try AnnotationSet(readingJSON: annotations, segments: .asWritten)
        let set = classAgnostic ? read.withOneClass : read
        let subset = try set.subset(named: name), out = try blocked.map(BlockedVideos.read) ?? []
        let videos = set.videos(in: subset).filter { !out.contains($0.id) }
        if let first = videos.first(where: \.isWeaklyLabelled) {
            throw Failure.badInput(
                "\(videos.count(where: \.isWeaklyLabelled)) of the \(videos.count) videos of subset '\(subset)' have weak labels only (classes without "
                    + "segments): there is nothing to compare their detections with", at: .file(annotations), .video(first.id.name),
                advice: "give annotations whose actions all have a segment")
        }
        let compared = try ComparedDetections(readingJSON: predictions, annotations: set, subset: subset, ignoresClasses: classAgnostic)
        let doubts = try SegmentScale(videos).verdict(of: "annotated segments", at: [.file(annotations)])
        for line in set.notes + doubts + compared.notes { note("warning: \(line)") }
        guard videos.contains(where: { !$0.instances.isEmpty }) else {
            throw Failure.badInput(
                "the \(videos.count) videos of subset '\(subset)' hold no annotation to compare with", at: .file(annotations),
                advice: "evaluate a subset whose annotations are public")
        }
        func counted(_ list: [Detection]) -> [Detection] { out.isEmpty ? list : list.filter { !out.contains($0.video) } }
        let detections = counted(compared.detections)
        let evaluation = Evaluation(videos: videos, classes: set.classes, thresholds: thresholds, keepsRepetitions: rules.keepsRepetitions)
        let report = EvaluationReport(
            evaluation.evaluate(detections),
            proposals: try proposals.map { largest in
                let all = classAgnostic ? detections : counted(try allProposals(read, subset))
                return ProposalRecall(videos: videos, proposals: all, largest: largest, thresholds: try tiouThresholds("0.5:0.05:0.95"))
            }, perVideo: perVideo ? evaluation.perVideo(videos, detections) : nil)
        try output.report(report, text: report.table(classOrder: set.classes.names))
    }

    /// Of any class: proposals have none.
    private func allProposals(_ set: AnnotationSet, _ subset: Subset) throws -> [Detection] {
        try ComparedDetections(readingJSON: predictions, annotations: set.withOneClass, subset: subset, ignoresClasses: true).detections
    }

    private func evaluateEPIC(_ thresholds: [Double]) throws {
        let others = [
            ("--subset", subset != nil), ("--blocked", blocked != nil), ("--proposals", proposals != nil), ("--per-video", perVideo),
            ("--class-agnostic", classAgnostic),
        ]
        if let other = others.first(where: \.1)?.0 {
            throw Failure.wrongUsage("\(other) was given with --protocol epic", advice: "leave it out: the CSV file is one subset")
        }
        let truth = try EPICAnnotations(readingCSV: annotations), detections = try EPICDetections(readingJSON: predictions)
        guard !truth.instances.isEmpty else {
            throw Failure.badInput("the file holds no segment", at: .file(annotations), advice: "use the published CSV file")
        }
        var results: [String: EvaluationResult] = [:]
        for task in EPICAnnotations.Task.allCases {
            let set = try EPICAnnotations.annotationSet([("validation", truth)], task: task)
            results[task.rawValue] = Evaluation(videos: set.videos, classes: set.classes, thresholds: thresholds, keepsRepetitions: true)
                .evaluate(detections.detections(task, classes: set.classes))
        }
        try output.report(results, text: EvaluationReport.tableOfMeans(EPICAnnotations.Task.allCases.map { ($0.rawValue, results[$0.rawValue]) }))
    }
}
