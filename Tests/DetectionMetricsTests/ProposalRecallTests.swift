import DetectionMetrics
import Foundation
import TemporalAnnotations
import XCTest

final class ProposalRecallTests: XCTestCase {
    /// Two proposals per video, of which the second of each finds what the first does not.
    func testByHand() {
        let videos = [video("a", [(0, 10, 0), (50, 60, 1)]), video("b", [(0, 10, 0)]), video("none", [])]
        let proposals = [
            detection("a", 0, 10, 5, 0.9), detection("a", 50, 60, 0, 0.8), detection("b", 80, 90, 0, 0.7), detection("b", 0, 10, 0, 0.6),
        ]
        let found = ProposalRecall(videos: videos, proposals: proposals, largest: nil, thresholds: [0.5, 0.9])
        // Shares below a half take no proposal, below one the first of each video, then both.
        XCTAssertEqual(found.averageRecall.prefix(49).max(), 0)
        for index in 49..<99 { XCTAssertEqual(found.averageRecall[index], 1 / 3.0, accuracy: 1e-15) }
        XCTAssertEqual(found.averageRecall[99], 1)
        XCTAssertEqual(found.averageNumbers[99], 2)
        XCTAssertEqual(found.averageNumbers[49], 1, accuracy: 1e-15)
        // 50 steps of 0.02: one rises from 0 to 1/3, 49 stay, the last rises to 1.
        XCTAssertEqual(found.area, 0.02 * (1 / 6.0 + 49 / 3.0 + 2 / 3.0) / 2, accuracy: 1e-12)
    }

    func testNothing() {
        let videos = [video("a", [(0, 10, 0)])]
        for found in [
            ProposalRecall(videos: videos, proposals: [], largest: 100, thresholds: [0.5]),
            ProposalRecall(videos: [], proposals: [detection("a", 0, 1, 0, 1)], largest: 100, thresholds: [0.5]),
            ProposalRecall(videos: [], proposals: [], largest: nil, thresholds: []),
        ] {
            XCTAssertEqual(found.area, 0)
            XCTAssertEqual(found.averageRecall, [Double](repeating: 0, count: 100))
        }
    }

    func testVideosByThemselves() {
        let classes = ClassMap(names: ["jump", "run", "swim"])
        let videos = [video("a", [(0, 10, 0), (20, 30, 0), (50, 60, 1)]), video("b", []), video("c", [(0, 10, 1)])]
        let evaluation = Evaluation(videos: videos, classes: classes, thresholds: [0.5, 1])
        let found = evaluation.perVideo(
            videos,
            [
                detection("a", 0, 10, 0, 0.9), detection("a", 0, 10, 0, 0.8), detection("a", 50, 59, 1, 0.7), detection("b", 0, 1, 1, 1),
                // Of a class without ground truth.
                detection("a", 0, 1, 2, 1),
            ])
        XCTAssertEqual(
            found,
            [
                // jump: one of two found by the first; run: found at 0.5.
                VideoResult(video: "a", instances: 3, detections: 3, mAP: [0.75, 0.25], averageMAP: 0.5, recall: [2 / 3.0, 1 / 3.0]),
                VideoResult(video: "b", instances: 0, detections: 1, mAP: nil, averageMAP: nil, recall: nil),
                VideoResult(video: "c", instances: 1, detections: 0, mAP: [0, 0], averageMAP: 0, recall: [0, 0]),
            ])
    }

    /// One object: the keys of an evaluation, and beside them those that were asked for.
    func testReport() throws {
        let classes = ClassMap(names: ["jump"]), videos = [video("a", [(0, 10, 0)])], detections = [detection("a", 0, 10, 0, 0.9)]
        let evaluation = Evaluation(videos: videos, classes: classes, thresholds: [0.5])
        let result = evaluation.evaluate(detections)
        func keys(_ report: EvaluationReport) throws -> [String] {
            try XCTUnwrap(JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any]).keys.sorted()
        }
        let plain = ["ap_per_class", "average_mAP", "mAP", "recall_at", "tiou_thresholds"]
        XCTAssertEqual(try keys(EvaluationReport(result)), plain)
        XCTAssertEqual(EvaluationReport(result).table(classOrder: ["jump"]), result.table(classOrder: ["jump"]))
        let report = EvaluationReport(
            result, proposals: ProposalRecall(videos: videos, proposals: detections, largest: 1, thresholds: [0.5]),
            perVideo: evaluation.perVideo(videos, detections))
        XCTAssertEqual(try keys(report), (plain + ["per_video", "proposals"]).sorted())
        XCTAssertEqual(
            report.table(classOrder: ["jump"]),
            result.table(classOrder: ["jump"]) + """


                AN             0.01     0.05     0.10     0.50     1.00     area
                AR@AN          0.00     0.00     0.00     0.00   100.00     0.50

                video   instances  detections average mAP      recall
                a               1           1      100.00      100.00
                """)
    }
}
