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
            Example:
              kairos evaluate --annotations thumos14.json --predictions predictions.json --subset Test --tiou 0.3:0.1:0.7

            Numbers are those of the published evaluation code: classes without ground truth in the subset are not counted; detections in
            videos outside the subset are false positives; ground truth is taken as written. See docs/evaluation.md.
            """)

    @Option(help: "Ground truth: annotations in ActivityNet's JSON form.")
    var annotations: String

    @Option(help: "Detections: results in ActivityNet's JSON form.")
    var predictions: String

    @Option(help: "The subset whose videos are evaluated, such as Test or validation.")
    var subset: String

    @Option(help: "tIoU thresholds: FIRST:STEP:LAST, both included, or a list such as 0.5,0.75,0.95.")
    var tiou = "0.3:0.1:0.7"

    @OptionGroup var output: OutputOptions

    func run() throws {
        try requireOneRank("evaluate")
        let thresholds = try tiouThresholds(tiou)
        let set = try AnnotationSet(readingJSON: annotations, segments: .asWritten)
        let subset = try set.subset(named: subset), videos = set.videos(in: subset)
        if let first = videos.first(where: \.isWeaklyLabelled) {
            throw Failure.badInput(
                "\(videos.count(where: \.isWeaklyLabelled)) of the \(videos.count) videos of subset '\(subset)' have weak labels only (classes without "
                    + "segments): there is nothing to compare their detections with", at: .file(annotations), .video(first.id.name),
                advice: "give annotations whose actions all have a segment")
        }
        let compared = try ComparedDetections(readingJSON: predictions, annotations: set, subset: subset)
        let doubts = try SegmentScale(videos).verdict(of: "annotated segments", at: [.file(annotations)])
        for line in set.notes + doubts + compared.notes { note("warning: \(line)") }
        guard videos.contains(where: { !$0.instances.isEmpty }) else {
            throw Failure.badInput(
                "the \(videos.count) videos of subset '\(subset)' hold no annotation to compare with", at: .file(annotations),
                advice: "evaluate a subset whose annotations are public")
        }
        let result = Evaluation(videos: videos, classes: set.classes, thresholds: thresholds).evaluate(compared.detections)
        try output.report(result, text: result.table(classOrder: set.classes.names))
    }
}
