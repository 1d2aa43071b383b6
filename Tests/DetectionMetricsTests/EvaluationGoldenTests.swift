import DetectionMetrics
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// Element by element within 1e-12.
final class EvaluationGoldenTests: XCTestCase {
    private struct Expected: Decodable {
        var groundTruth: String
        var subset: String
        var result: EvaluationResult
        enum CodingKeys: String, CodingKey {
            case groundTruth = "ground_truth"
            case subset
        }
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            groundTruth = try container.decode(String.self, forKey: .groundTruth)
            subset = try container.decode(String.self, forKey: .subset)
            result = try EvaluationResult(from: decoder)
        }
    }

    func testGoldenEvaluation() throws {
        for path in try Fixtures.files(matching: "map_", suffix: "_expected.json") {
            let expected = try JSONDecoder().decode(Expected.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
            let name = URL(fileURLWithPath: path).lastPathComponent.replacingOccurrences(of: "_expected.json", with: "_predictions.json")
            let truth = try AnnotationSet(readingJSON: try Fixtures.file(expected.groundTruth), segments: .asWritten)
            let detections = try DetectionFile.read(try Fixtures.file(name), classes: truth.classes)
            let videos = truth.videos(in: try truth.subset(named: expected.subset))
            let thresholds = expected.result.tiouThresholds
            let found = Evaluation(videos: videos, classes: truth.classes, thresholds: thresholds).evaluate(detections)
            compare(found.mAP, expected.result.mAP, "mAP of \(name)")
            compare([found.averageMAP], [expected.result.averageMAP], "average mAP of \(name)")
            XCTAssertEqual(found.apPerClass.keys.sorted(), expected.result.apPerClass.keys.sorted())
            for (label, values) in expected.result.apPerClass { compare(found.apPerClass[label] ?? [], values, "\(label) of \(name)") }
            XCTAssertEqual(found.recallAt.keys.sorted(), expected.result.recallAt.keys.sorted())
            for (multiple, values) in expected.result.recallAt { compare(found.recallAt[multiple] ?? [], values, "recall \(multiple) of \(name)") }
        }
    }

    private func compare(_ found: [Double], _ expected: [Double], _ what: String) {
        XCTAssertEqual(found.count, expected.count, what)
        for (i, pair) in zip(found, expected).enumerated() { XCTAssertEqual(pair.0, pair.1, accuracy: 1e-12, "\(what), element \(i)") }
    }
}
