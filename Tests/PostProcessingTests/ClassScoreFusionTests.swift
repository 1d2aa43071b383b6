import PostProcessing
import TemporalAnnotations
import XCTest

final class ClassScoreFusionTests: XCTestCase {
    private func detection(_ start: Double, _ label: Int, _ score: Double) -> Detection {
        Detection(video: "v", segment: Segment(start: start, end: start + 1), label: label, score: score)
    }

    /// Against NumPy's numbers of the published rule, sorted.
    func testTheBestClassesOfTheVideo() {
        let detections = [detection(0, 2, 0.9), detection(1, 0, 0.5), detection(2, 0, 0.25)]
        let found = ClassScoreFusion(topK: 2, rule: .root)(detections, scores: [0.1, 0.7, 0.2])
        let expected: [(start: Double, label: Int, score: Double)] = [
            (0, 1, 0.7937253933193772), (1, 1, 0.5916079783099616), (0, 2, 0.4242640687119285), (2, 1, 0.4183300132670378),
            (1, 2, 0.31622776601683794), (2, 2, 0.22360679774997896),
        ]
        XCTAssertEqual(found.map(\.segment.start), expected.map(\.start))
        XCTAssertEqual(found.map(\.label), expected.map(\.label))
        for (one, other) in zip(found, expected) { XCTAssertEqual(one.score, other.score, accuracy: 1e-15) }
        let products = ClassScoreFusion(topK: 1, rule: .product)(detections, scores: [0.1, 0.7, 0.2])
        XCTAssertEqual(products.map(\.label), [1, 1, 1])
        for (one, other) in zip(products, [0.63, 0.35, 0.175]) { XCTAssertEqual(one.score, other, accuracy: 1e-15) }
    }

    func testEqualScoresAndFewClasses() {
        let detections = [detection(0, 0, 0.5), detection(1, 0, 0.5)]
        let found = ClassScoreFusion(topK: 5, rule: .product)(detections, scores: [0.5, 0.5])
        XCTAssertEqual(found.map(\.label), [0, 0, 1, 1])
        XCTAssertEqual(found.map(\.segment.start), [0, 1, 0, 1])
        XCTAssertEqual(ClassScoreFusion()([], scores: [1]), [])
        XCTAssertEqual(ClassScoreFusion()(detections, scores: []), [])
    }

    func testSelection() {
        let detections = [detection(0, 0, 0.9), detection(1, 0, 0.5), detection(2, 0, 0.1)]
        XCTAssertEqual(DetectionSelection()(detections), detections)
        XCTAssertEqual(DetectionSelection(topK: 2)(detections).map(\.score), [0.9, 0.5])
        XCTAssertEqual(DetectionSelection(minScore: 0.5)(detections).map(\.score), [0.9, 0.5])
        XCTAssertEqual(DetectionSelection(topK: 5, minScore: 2)(detections), [])
        XCTAssertEqual(DetectionSelection(topK: 1)([]), [])
    }

    /// Every known class gets all detections with their scores; without classes nothing is left.
    func testKnownClasses() {
        let found = [(0.9, 1.0), (0.4, 2.0)].map { Detection(video: VideoID("v"), segment: Segment(start: 0, end: $1), label: 0, score: $0) }
        let known = ClassScoreFusion.known(found, classes: [1, 3])
        XCTAssertEqual(known.map(\.label), [1, 3, 1, 3])
        XCTAssertEqual(known.map(\.score), [0.9, 0.9, 0.4, 0.4])
        XCTAssertEqual(known.map(\.segment.end), [1, 1, 2, 2])
        XCTAssertEqual(ClassScoreFusion.known(found, classes: []), [])
        XCTAssertEqual(ClassScoreFusion.known(found, classes: [0]), found)
    }
}
