import DetectionMetrics
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// ActivityNet's and EPIC-KITCHENS' evaluation, element by element within 1e-12 of the published code.
final class ProtocolGoldenTests: XCTestCase {
    private struct Numbers: Decodable {
        var mAP: [Double]
        var average_mAP: Double
        var ap_per_class: [String: [Double]]
        var tiou_thresholds: [Double]?
        var proposals_100: Proposals?
        var proposals_5: Proposals?
        var proposals_None: Proposals?
    }

    private struct Proposals: Decodable {
        var recall: [[Double]]?
        var average_recall: [Double]
        var average_numbers: [Double]
        var area: Double
    }

    private func decode(_ name: String) throws -> [String: Numbers] {
        try JSONDecoder().decode([String: Numbers].self, from: Data(contentsOf: URL(fileURLWithPath: try Fixtures.file(name))))
    }

    private func compare(_ found: [Double], _ expected: [Double], _ what: String) {
        XCTAssertEqual(found.count, expected.count, what)
        for (i, pair) in zip(found, expected).enumerated() { XCTAssertEqual(pair.0, pair.1, accuracy: 1e-12, "\(what), element \(i)") }
    }

    private func compare(_ found: EvaluationResult, _ expected: Numbers, _ what: String) {
        compare(found.mAP, expected.mAP, "mAP of \(what)")
        compare([found.averageMAP], [expected.average_mAP], "average mAP of \(what)")
        XCTAssertEqual(found.apPerClass.keys.sorted(), expected.ap_per_class.keys.sorted(), what)
        for (label, values) in expected.ap_per_class { compare(found.apPerClass[label] ?? [], values, "\(label) of \(what)") }
    }

    func testActivityNet() throws {
        let set = try AnnotationSet(readingJSON: try Fixtures.file("anet_annotations.json"), segments: .asWritten)
        let all = try DetectionFile.read(try Fixtures.file("anet_predictions.json"), classes: set.classes)
        let blocked = try BlockedVideos.read(try Fixtures.file("anet_blocked.json"))
        XCTAssertEqual(blocked, ["v03", "v11"])
        for (name, expected) in try decode("anet_expected.json") {
            let out = name == "blocked" ? blocked : []
            let videos = set.videos(in: "validation").filter { !out.contains($0.id) }, detections = all.filter { !out.contains($0.video) }
            let thresholds = try tiouThresholds("0.5:0.05:0.95")
            compare(thresholds, try XCTUnwrap(expected.tiou_thresholds), "thresholds")
            let evaluation = Evaluation(videos: videos, classes: set.classes, thresholds: thresholds, keepsRepetitions: true)
            compare(evaluation.evaluate(detections), expected, name)
            let cases = [(100.0, expected.proposals_100), (5, expected.proposals_5), (nil, expected.proposals_None)]
            for (largest, numbers) in cases {
                let numbers = try XCTUnwrap(numbers), what = "\(name), \(largest.map { "\($0)" } ?? "all") proposals"
                let found = ProposalRecall(videos: videos, proposals: detections, largest: largest, thresholds: thresholds)
                compare(found.averageNumbers, numbers.average_numbers, "AN of \(what)")
                compare(found.averageRecall, numbers.average_recall, "AR of \(what)")
                compare([found.area], [numbers.area], "area of \(what)")
                for (t, row) in (numbers.recall ?? []).enumerated() { compare(found.recall[t], row, "recall \(t) of \(what)") }
            }
        }
    }

    func testEPIC() throws {
        let truth = try EPICAnnotations(readingCSV: try Fixtures.file("epic_validation.csv"))
        let detections = try EPICDetections(readingJSON: try Fixtures.file("epic_submission.json"))
        let expected = try decode("epic_expected.json")
        XCTAssertEqual(expected.keys.sorted(), ["action", "noun", "verb"])
        for task in EPICAnnotations.Task.allCases {
            let set = try EPICAnnotations.annotationSet([("validation", truth)], task: task)
            let result = Evaluation(videos: set.videos, classes: set.classes, thresholds: try tiouThresholds("0.1:0.1:0.5"), keepsRepetitions: true)
                .evaluate(detections.detections(task, classes: set.classes))
            compare(result, try XCTUnwrap(expected[task.rawValue]), task.rawValue)
        }
    }
}
