import PostProcessing
import TemporalAnnotations
import XCTest

/// Soft-NMS whose threshold grows with the length; the golden numbers are BMN's.
final class AdaptiveSoftNMSTests: XCTestCase {
    private func candidate(_ start: Float, _ end: Float, _ score: Float, _ source: Int = 0) -> Candidate {
        Candidate(segment: GridSegment(start: start, end: end), score: score, label: 0, source: source)
    }

    func testDecay() {
        let all = [candidate(0, 10, 0.9, 0), candidate(0, 9, 0.8, 1), candidate(5, 15, 0.7, 2), candidate(20, 30, 0.6, 3)]
        let kept = AdaptiveSuppression()(all, extent: 100)
        // tIoU 0.9 with the best is above 0.5 + 0.4 * 0.1; 1/3 is not.
        XCTAssertEqual(kept.map(\.source), [0, 2, 3, 1])
        XCTAssertEqual(kept[3].score, 0.8 * Float(exp(-0.81 / 0.4)), accuracy: 1e-6)
        // Long ones must overlap more: of the whole recording 0.9 is not above 0.9.
        XCTAssertEqual(AdaptiveSuppression()(all, extent: 10).map(\.source), [0, 1, 2, 3])
    }

    func testEdges() {
        XCTAssertEqual(AdaptiveSuppression()([], extent: 10), [])
        let equal = [candidate(0, 1, 0.5, 0), candidate(2, 3, 0.5, 1), candidate(4, 5, 0.5, 2)]
        XCTAssertEqual(AdaptiveSuppression(rounds: 2)(equal, extent: 10).map(\.source), [0, 1])
    }
}
