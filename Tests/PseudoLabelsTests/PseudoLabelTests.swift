import Detectors
import PseudoLabels
import RunRecords
import TemporalAnnotations
import XCTest

final class PseudoLabelTests: XCTestCase {
    func testOfADetectorsPrediction() {
        let detection = Detection(video: "a", segment: Segment(start: 1, end: 2), label: 1, score: 0.25)
        var assessed = AssessedDetection(
            detection: detection, gridSegment: GridSegment(start: -1, end: 3), classScore: 0.5, overlap: 0.75, distance: 0.125, reliability: 0.625)
        XCTAssertEqual(
            PseudoLabel(assessed, similarity: 0.5, fate: .promoted),
            PseudoLabel(
                video: "a", segment: Segment(start: 1, end: 2), label: 1, score: 0.25, classScore: 0.5, tIoU: 0.75, tND: 0.125, similarity: 0.5,
                fate: .promoted))
        assessed.overlap = nil
        assessed.distance = nil
        XCTAssertEqual(
            PseudoLabel(assessed),
            PseudoLabel(video: "a", segment: Segment(start: 1, end: 2), label: 1, score: 0.25, classScore: 0.5, fate: .rejected))
        XCTAssertEqual(PseudoLabelFate.allCases.filter(\.isLabel), [.positive, .promoted])
    }
}
