import RunRecords
import TemporalAnnotations
import XCTest

/// The paper's three numbers on cases small enough to be worked out by hand.
final class PseudoLabelQualityTests: XCTestCase {
    private func label(_ video: VideoID, _ start: Double, _ end: Double, _ label: Int, _ fate: PseudoLabelFate = .positive) -> PseudoLabel {
        PseudoLabel(video: video, segment: Segment(start: start, end: end), label: label, score: 0.5, classScore: 0.5, fate: fate)
    }

    private func truth(_ video: VideoID, _ instances: [(Double, Double, Int)]) -> VideoAnnotation {
        VideoAnnotation(
            id: video, subset: "Validation", duration: 100, fps: nil,
            instances: instances.map { ActionInstance(segment: Segment(start: $0.0, end: $0.1), label: $0.2) })
    }

    private func check(
        _ labels: [PseudoLabel], _ truth: [VideoAnnotation], _ expected: (Double, Double, Double, Int), tIoU: Double = 0.5, line: UInt = #line
    ) {
        let quality = PseudoLabelQuality(labels: labels, truth: truth, tIoU: tIoU)
        XCTAssertEqual(quality.classAccuracy, expected.0, accuracy: 1e-15, line: line)
        XCTAssertEqual(quality.averageTIoU, expected.1, accuracy: 1e-15, line: line)
        XCTAssertEqual(quality.positiveAccuracy, expected.2, accuracy: 1e-15, line: line)
        XCTAssertEqual(quality.count, expected.3, line: line)
    }

    func testEachNumberByItself() {
        let truths = [truth("a", [(10, 20, 0), (30, 40, 1)])]
        check([label("a", 10, 20, 0)], truths, (1, 1, 1, 1))
        check([label("a", 10, 20, 1)], truths, (0, 1, 0, 1))
        // tIoU 4/10: the right class, but not positive.
        check([label("a", 10, 14, 0)], truths, (1, 0.4, 0, 1))
        check([label("a", 10, 14, 0)], truths, (1, 0.4, 1, 1), tIoU: 0.3)
        check([label("a", 50, 60, 0)], truths, (0, 0, 0, 1))
        check([label("a", 10, 20, 0), label("a", 30, 40, 0), label("a", 30, 36, 1), label("a", 50, 60, 1)], truths, (0.5, 2.6 / 4, 0.5, 4))
    }

    func testATIoUOfExactlyTheThresholdIsNotAboveIt() {
        let truths = [truth("a", [(0, 8, 0)])]
        check([label("a", 0, 4, 0)], truths, (1, 0.5, 0, 1))
        check([label("a", 0, 4.0001, 0)], truths, (1, 4.0001 / 8, 1, 1))
    }

    /// The class of the best-fitting instance counts, while an instance of the label's class above the threshold makes it positive.
    func testSeveralInstances() {
        let truths = [truth("a", [(0, 10, 0), (0, 8, 1)])]
        check([label("a", 0, 10, 1)], truths, (0, 1, 1, 1))
        // Equally good instances of two classes: either class is right.
        let twins = [truth("a", [(0, 10, 0), (0, 10, 1)])]
        check([label("a", 0, 10, 0), label("a", 0, 10, 1), label("a", 0, 10, 2)], twins, (2.0 / 3, 1, 2.0 / 3, 3))
        // Two labels may meet the same instance.
        check([label("a", 0, 10, 0), label("a", 0, 9, 0)], truths, (1, 1.9 / 2, 1, 2))
    }

    func testOnlyLabelsThatAreLearntFromInKnownRecordingsCount() {
        let truths = [truth("a", [(0, 10, 0)]), truth("empty", [])]
        let labels = [
            label("a", 0, 10, 0, .promoted), label("a", 50, 60, 0, .removed), label("a", 50, 60, 0, .rejected), label("unknown", 0, 10, 0),
        ]
        check(labels, truths, (1, 1, 1, 1))
        check(labels + [label("empty", 0, 10, 0)], truths, (0.5, 0.5, 0.5, 2))
        check([], truths, (0, 0, 0, 0))
        check([label("unknown", 0, 10, 0)], truths, (0, 0, 0, 0))
    }

    /// The part of the actions with a label of their class that fits: each once, however many labels meet it.
    func testRecall() {
        let truths = [truth("a", [(0, 10, 0), (20, 30, 0), (40, 50, 1)]), truth("b", [(0, 10, 0)])]
        func recall(_ labels: [PseudoLabel], _ truths: [VideoAnnotation]) -> Double? { PseudoLabelQuality(labels: labels, truth: truths).recall }
        XCTAssertEqual(recall([label("a", 0, 10, 0), label("a", 0, 9, 0), label("a", 20, 25, 0), label("a", 40, 50, 0)], truths), 0.25)
        XCTAssertEqual(recall([label("a", 0, 10, 0), label("b", 0, 9, 0, .promoted), label("a", 40, 50, 1, .rejected)], truths), 0.5)
        XCTAssertEqual(recall([label("a", -5, 35, 0), label("c", 0, 10, 0)], truths), 0)
        XCTAssertEqual(recall([], truths), 0)
        XCTAssertEqual(recall([label("a", 0, 10, 0)], []), 0)
    }
}
