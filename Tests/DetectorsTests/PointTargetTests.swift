import Detectors
import Foundation
import PostProcessing
import TemporalAnnotations
import XCTest

final class PointTargetTests: XCTestCase {
    private func instance(_ start: Float, _ end: Float, _ label: Int) -> GridInstance {
        GridInstance(segment: GridSegment(start: start, end: end), label: label)
    }

    func testPointsArePackedLevelByLevel() {
        let points = PyramidPoints(rows: [5, 1, 8], levels: 3)
        XCTAssertEqual(points.offsets, [[0, 5, 6, 14], [14, 17, 18, 22], [22, 24, 25, 27]])
        XCTAssertEqual(points.count, 27)
        XCTAssertEqual(points.range(level: 1), 14..<22)
        XCTAssertEqual(points.range(level: 2, video: 2), 25..<27)
        XCTAssertEqual(points.indices(video: 1), [5, 17, 24])
        XCTAssertEqual((0..<3).map(points.stride(level:)), [1, 2, 4])
        XCTAssertEqual(PyramidPoints(rows: [], levels: 2).count, 0)
    }

    func testShortestInstanceWinsAndNearlyEqualOnesShareClasses() {
        let assigner = CenterSamplingAssigner(classes: 3, regressionRanges: [0...100], sampling: .none)
        let points = PyramidPoints(rows: [11], levels: 1)
        let nested = assigner.assign(points, instances: [[instance(-0.5, 10.5, 0), instance(2.5, 6.5, 1)]])
        XCTAssertEqual(nested.positives, Array(0...10))
        XCTAssertEqual(Array(nested.classes[3 * 4..<3 * 5]), [0, 1, 0])
        XCTAssertEqual(Array(nested.offsets[2 * 4..<2 * 5]), [1.5, 2.5])
        XCTAssertEqual(Array(nested.classes[0..<3]), [1, 0, 0])
        XCTAssertEqual(Array(nested.offsets[0..<2]), [0.5, 10.5])
        let twins = assigner.assign(points, instances: [[instance(2, 6.0005, 0), instance(2, 6, 2)]])
        XCTAssertEqual(Array(twins.classes[3 * 4..<3 * 5]), [1, 0, 1])
        XCTAssertEqual(Array(twins.offsets[2 * 4..<2 * 5]), [2, 2])
        XCTAssertEqual(twins.positives, [3, 4, 5, 6], "an end does not count: 2 lies in neither, 6 in the longer one")
    }

    func testCenterSamplingAndRegressionRanges() {
        let points = PyramidPoints(rows: [16], levels: 2)
        let assigner = CenterSamplingAssigner(classes: 1, regressionRanges: [0...4, 4...100], sampling: .radius, radius: 1.5)
        // Centre 7: level 0 is near it at 6, 7, 8, but all distances exceed 4; level 1 is near it at 4...10 exclusive: 6, 8.
        let long = assigner.assign(points, instances: [[instance(0, 14, 0)]])
        XCTAssertEqual(long.positives, [16 + 3, 16 + 4])
        XCTAssertEqual(Array(long.offsets[2 * 19..<2 * 20]), [3, 4], "in strides of the level")
        // Distances of exactly 4 belong to both levels.
        let middle = assigner.assign(points, instances: [[instance(4, 12, 0)]])
        XCTAssertEqual(middle.positives, [8, 16 + 3, 16 + 4, 16 + 5])
    }

    func testVideosWithoutInstances() {
        let points = PyramidPoints(rows: [4, 4], levels: 2)
        let assigner = CenterSamplingAssigner(classes: 2, regressionRanges: [0...4, 4...100])
        let targets = assigner.assign(points, instances: [[], [instance(0.5, 3.5, 1)]])
        XCTAssertEqual(targets.classes.count, 24)
        XCTAssertEqual(targets.positives, [5, 6, 7])
        XCTAssertEqual(Array(targets.offsets[0..<8]), [Float](repeating: 0, count: 8))
    }

    func testDecodingKeepsTopScoresPerLevelAndCutsToTheVideo() {
        let points = PyramidPoints(rows: [4], levels: 2)
        var settings = DetectionSettings(preNMSThresh: 0.5, preNMSTopK: 2, nmsMethod: .none, durationThresh: 0.05)
        let logits: [Float] = [1, 3, 2, -1, 0.5, .nan]
        let offsets: [Float] = [1, 1, 9, 9, 0, 0, 1, 1, 1, 2, 1, 1]
        let decoder = DetectionDecoder(settings: settings, classes: 1)
        let candidates = decoder.candidates(logits: logits, offsets: offsets, points: points, video: 0)
        // Level 0: best are points 1 and 2, of which 2 has no length; level 1: point 0, the other is not a number.
        XCTAssertEqual(candidates.map(\.segment), [GridSegment(start: -8, end: 10), GridSegment(start: -2, end: 4)])
        XCTAssertEqual(candidates[0].score, 1 / (1 + exp(-3)), accuracy: 1e-7)
        let grid = FeatureGrid(fps: 2, stride: 1, window: 1)
        let context = VideoContext(id: "v", grid: grid, duration: 2.5)
        let found = decoder.detections(logits: logits, offsets: offsets, points: points, videos: [context])
        XCTAssertEqual(found[0].map(\.segment), [Segment(start: 0, end: 2.5), Segment(start: 0, end: 2.25)])
        settings.preNMSTopK = 0
        XCTAssertEqual(
            DetectionDecoder(settings: settings, classes: 1).detections(logits: logits, offsets: offsets, points: points, videos: [context]), [[]])
    }

    func testSettingsUseThePublishedNames() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(DetectionSettings(minScore: 0.25, votingThresh: 0.5)), as: UTF8.self)
        for name in [
            "pre_nms_thresh", "pre_nms_topk", "iou_threshold", "min_score", "max_seg_num", "nms_method", "nms_sigma", "duration_thresh",
            "multiclass_nms", "voting_thresh",
        ] { XCTAssertTrue(text.contains("\"\(name)\""), name) }
        XCTAssertEqual(try JSONDecoder().decode(DetectionSettings.self, from: Data(text.utf8)), DetectionSettings(minScore: 0.25, votingThresh: 0.5))
    }
}
