import DetectionAnalysis
import TemporalAnnotations
import XCTest

/// Numbers computed by hand.
final class ErrorAnalysisTests: XCTestCase {
    private func instance(_ label: Int, _ start: Double, _ end: Double) -> ActionInstance {
        ActionInstance(segment: Segment(start: start, end: end), label: label)
    }
    private func detection(_ video: VideoID, _ label: Int, _ start: Double, _ end: Double, _ score: Double) -> Detection {
        Detection(video: video, segment: Segment(start: start, end: end), label: label, score: score)
    }

    private var videos: [VideoAnnotation] {
        [
            VideoAnnotation(
                id: "v", subset: "Test", duration: 100, fps: nil, instances: [instance(0, 0, 10), instance(0, 20, 30), instance(1, 40, 50)]),
            VideoAnnotation(id: "w", subset: "Test", duration: 40, fps: nil, instances: [instance(0, 0, 20)]),
        ]
    }
    /// One of each error, by falling scores; class 0 has three actions, class 1 one.
    private var detections: [Detection] {
        [
            detection("v", 0, 0, 10, 0.9), detection("v", 0, 1, 10, 0.8), detection("v", 0, 40, 49, 0.7), detection("v", 0, 20, 24, 0.6),
            detection("v", 0, 46, 56, 0.5), detection("v", 0, 70, 80, 0.4), detection("w", 0, 0, 20, 0.3), detection("v", 1, 40, 50, 0.9),
        ]
    }
    private func analysis() throws -> ErrorAnalysis {
        try XCTUnwrap(ErrorAnalysis(videos: videos, detections: detections, classes: 2, thresholds: [0.5]))
    }

    func testProfile() throws {
        let profile = try analysis().profile
        XCTAssertEqual(profile.count, 10)
        // 1G: ranks 1 to 3 of class 0 and rank 1 of class 1.
        XCTAssertEqual(profile[0], [0.5, 0.25, 0.25, 0, 0, 0])
        XCTAssertEqual(profile[1], [0, 0, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3])
        XCTAssertEqual(profile[2], [1, 0, 0, 0, 0, 0])
        XCTAssertEqual(profile[3...].map(\.count), [0, 0, 0, 0, 0, 0, 0])
    }

    /// N is 4 actions over 2 classes. Class 0: precision 1 at recall 1/3, (2/3 x 2) / (2/3 x 2 + 5) at 2/3.
    func testNormalizedPrecisionAndImpact() throws {
        let errors = try analysis(), whole = (1.0 / 3 + 4.0 / 57 + 1) / 2
        XCTAssertEqual(errors.normalizedMAP, whole, accuracy: 1e-12)
        XCTAssertEqual(errors.impact.map(\.error), [.doubleDetection, .wrongLabel, .localization, .confusion, .background])
        // Each error stands once before the second hit: (4/3) / (4/3 + 4) without it.
        for (error, gain) in errors.impact { XCTAssertEqual(gain, (1.0 / 3 + 1.0 / 12 + 1) / 2 - whole, accuracy: 1e-12, "\(error)") }
    }

    func testCharacteristics() throws {
        let results = try analysis().characteristics
        XCTAssertEqual(results.map(\.characteristic), [.coverage, .length, .instances])
        XCTAssertEqual(results.map { $0.bins.map(\.name) }, [["≤10", ">10"], ["≤10", ">10"], ["1", ">1"]])
        XCTAssertEqual(results.map { $0.bins.map(\.instances) }, [[3, 1], [3, 1], [2, 2]])
        for bins in results.prefix(2).map(\.bins) {
            // Class 0 finds one of two, class 1 its one; the detection in w is left out.
            XCTAssertEqual(try XCTUnwrap(bins[0].normalizedMAP), 0.75, accuracy: 1e-12)
            XCTAssertEqual(try XCTUnwrap(bins[0].missed), 1.0 / 3, accuracy: 1e-12)
            // Five false positives before the hit: 2 / (2 + 5).
            XCTAssertEqual(try XCTUnwrap(bins[1].normalizedMAP), 2.0 / 7, accuracy: 1e-12)
            XCTAssertEqual(bins[1].missed, 0)
        }
        // Of class 0 only the action in w, of class 1 its one.
        XCTAssertEqual(try XCTUnwrap(results[2].bins[0].normalizedMAP), (2.0 / 7 + 1) / 2, accuracy: 1e-12)
        XCTAssertEqual(results[2].bins[1].missed, 0.5)
    }

    func testBounds() {
        // Actions of THUMOS14's lengths and of ActivityNet's choose their own bounds; others are cut into fifths.
        XCTAssertEqual(Characteristic.length.bounds([1, 2, 4, 5, 7, 9, 13, 16, 20, 30]), [3, 6, 12, 18])
        XCTAssertEqual(Characteristic.length.bounds([10, 25, 40, 50, 70, 100, 130, 150, 200, 300]), [30, 60, 120, 180])
        XCTAssertEqual(Characteristic.length.bounds([0.1, 0.2, 0.3, 0.4, 0.5]), [0.2, 0.3, 0.4])
        XCTAssertEqual(Characteristic.length.bounds([]), [])
        XCTAssertEqual(Characteristic.length.names([]), ["all"])
        XCTAssertEqual(Characteristic.instances.names([1, 4, 8]), ["1", "2–4", "5–8", ">8"])
        XCTAssertEqual([3, 3.01, 18, 19].map { Characteristic.bin($0, [3, 6, 12, 18]) }, [0, 1, 3, 4])
    }

    func testWithoutActionsOrDetections() throws {
        let none = VideoAnnotation(id: "v", subset: "Test", duration: 10, fps: nil, instances: [])
        XCTAssertNil(ErrorAnalysis(videos: [none], detections: detections, classes: 2, thresholds: [0.5]))
        let errors = try XCTUnwrap(ErrorAnalysis(videos: videos, detections: [], classes: 2, thresholds: [0.5, 0.7]))
        XCTAssertEqual(errors.normalizedMAP, 0)
        XCTAssertTrue(errors.profile.allSatisfy(\.isEmpty))
        XCTAssertEqual(errors.characteristics[0].bins.map(\.missed), [1, 1])
    }

    func testConfusion() {
        // Rows: action of 0, of 1, none; columns: detection of 0, of 1, missed.
        XCTAssertEqual(ConfusionMatrix(videos: videos, detections: detections).counts, [[1, 0, 2], [0, 1, 0], [2, 0, 0]])
        XCTAssertEqual(ConfusionMatrix(videos: videos, detections: Array(detections.dropLast())).counts, [[1, 0, 2], [1, 0, 0], [1, 0, 0]])
        XCTAssertEqual(ConfusionMatrix(videos: videos, detections: []).counts, [[0, 0, 3], [0, 0, 1], [0, 0, 0]])
        let limited = ConfusionMatrix(videos: videos, detections: Array(detections.dropLast())).limited(to: 1)
        XCTAssertEqual(limited.labels, [0])
        XCTAssertEqual(limited.counts, [[1, 2], [1, 0]])
    }
}
