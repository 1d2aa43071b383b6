import PostProcessing
import TemporalAnnotations
import WeakSupervision
import XCTest

/// Curves, thresholds, contrast, NMS in seconds and filters, on numbers worked out by hand.
final class ProposalTests: XCTestCase {
    private func detection(_ start: Double, _ end: Double, _ score: Double, label: Int = 0) -> Detection {
        Detection(video: "v", segment: Segment(start: start, end: end), label: label, score: score)
    }

    func testCurve() {
        XCTAssertEqual(ActivationCurve([3], factor: 3).values, [0, 0, 0])
        XCTAssertEqual(ActivationCurve([0], factor: 2).values, [0, 0])
        XCTAssertEqual(ActivationCurve([2, 2], factor: 2).values, [0, 0, 0, 0])
        // 1, 3, 2 -> 0, 1, 0.5; behind the last segment the slope goes on.
        XCTAssertEqual(ActivationCurve([1, 3, 2], factor: 2).values, [0, 0.5, 1, 0.75, 0.5, 0.25])
        // Negative values count as 0.
        XCTAssertEqual(ActivationCurve([-1, 2], factor: 1).values, [0, 1])
        // Equal values above 0 keep their height above the least: nothing.
        XCTAssertEqual(ActivationCurve([5, 5, 5], factor: 1).values, [0, 0, 0])
    }

    func testProposalsAndContrast() {
        var settings = WeakSupervisionConfiguration()
        (settings.upsampling, settings.casThresholds, settings.actionnessThresholds) = (1, [0, 0.5], [0.9])
        (settings.outerMargin, settings.videoScoreWeight) = (0.5, 0.2)
        let extraction = ProposalExtraction(settings)
        // Two classes; the first has two bumps, the second is flat.
        let first: [Float] = [0, 0.4, 1, 1, 0, 0, 0.4, 0.4, 0, 0], second = [Float](repeating: 0, count: 10)
        let activations = zip(first, second).flatMap { [$0, $1] }
        let found = extraction.proposals(activations: activations, actionness: first, videoScores: [0.75, 0.25], labels: [0])
        XCTAssertEqual(found.map(\.range), [1..<4, 6..<8, 2..<4, 2..<4])
        let share = 0.2 * 0.75, low = Double(Float(0.4))
        // Run 1..<4: margin 1.5: rows 0 (2.4 / 3 - mean of 0, 0).
        XCTAssertEqual(found[0].score, (low + 2) / 3 + share, accuracy: 1e-7)
        XCTAssertEqual(found[1].score, low + share, accuracy: 1e-7)
        // Above 0.5 row 1 counts as 0; for runs of the actionness it counts as it is: rows 1 and 4.
        XCTAssertEqual(found[2].score, 1 + share, accuracy: 1e-7)
        XCTAssertEqual(found[3].score, 1 - low / 2 + share, accuracy: 1e-7)
        let single = extraction.proposals(activations: [1, 1], actionness: [2], videoScores: [0.5, 0.5], labels: [0, 1])
        XCTAssertTrue(single.isEmpty, "one row is no run")
    }

    func testLabels() {
        let extraction = ProposalExtraction(WeakSupervisionConfiguration())
        XCTAssertEqual(extraction.labels(videoScores: [0.5, 0.15, 0.35], known: nil), [0, 2])
        XCTAssertEqual(extraction.labels(videoScores: [0.1, 0.15, 0.1], known: nil), [1])
        XCTAssertEqual(extraction.labels(videoScores: [0.5, 0.2, 0.3], known: [1]), [1])
        XCTAssertEqual(extraction.labels(videoScores: [0.5, 0.15, 0.35], known: []), [0, 2])
    }

    func testPlacesInTime() {
        var settings = WeakSupervisionConfiguration()
        (settings.upsampling, settings.proposalShift) = (2, -0.5)
        let grid = FeatureGrid(fps: 10, stride: 5, window: 10), proposal = [Proposal(label: 1, score: 0.5, range: 2..<6)]
        // 8 rows, 4 segments sampled: an up-sampled segment is one row; rows 2 - 1/2 and 6 - 1/2.
        let found = ProposalExtraction(settings).detections(proposal, video: "v", rows: 8, segments: 4, grid: grid, duration: 100)
        XCTAssertEqual(found, [detection(1.25, 3.25, 0.5, label: 1)])
        settings.proposalShift = 0
        let cut = ProposalExtraction(settings).detections(proposal, video: "v", rows: 8, segments: 4, grid: grid, duration: 2)
        XCTAssertEqual(cut, [detection(1.5, 2, 0.5, label: 1)])
        XCTAssertTrue(ProposalExtraction(settings).detections(proposal, video: "v", rows: 8, segments: 4, grid: grid, duration: 1).isEmpty)
    }

    func testNMSInSeconds() {
        let list = [detection(0, 10, 0.5), detection(0, 5, 0.9), detection(1, 5, 0.7), detection(20, 20, 0.1), detection(20, 20, 0.1)]
        XCTAssertEqual(hardNMS(list, iouThreshold: 0.5, lengthOffset: 0).map(\.score), [0.9, 0.1, 0.1], "tIoU 0.5 drops; empty segments do not meet")
        // With a second more: [0, 10] and [0, 5] meet by 6 of 11, and empty segments are a second long.
        XCTAssertEqual(hardNMS(list, iouThreshold: 0.6, lengthOffset: 1).map(\.score), [0.9, 0.5, 0.1])
        XCTAssertEqual(hardNMS(list, iouThreshold: 0.6, lengthOffset: 0).map(\.score), [0.9, 0.5, 0.1, 0.1])
        XCTAssertTrue(hardNMS([], iouThreshold: 0.5, lengthOffset: 1).isEmpty)
        // Neighbours up to a second apart meet.
        XCTAssertEqual(hardNMS([detection(0, 1, 2), detection(1, 2, 1)], iouThreshold: 0.3, lengthOffset: 1).count, 1)
        XCTAssertEqual(hardNMS([detection(0, 1, 2), detection(1, 2, 1)], iouThreshold: 0.3, lengthOffset: 0).count, 2)
    }

    func testSuppressionGoesByClass() {
        var settings = WeakSupervisionConfiguration()
        settings.nmsLengthOffset = 0
        let list = [detection(0, 2, 0.3, label: 1), detection(0, 2, 0.5), detection(0, 2, 0.4), detection(0, 2, 0.6, label: 1)]
        let kept = ProposalExtraction(settings).suppressed(list)
        XCTAssertEqual(kept.map(\.score), [0.6, 0.5])
        XCTAssertEqual(kept.map(\.label), [1, 0])
    }

    func testFilters() {
        let list = [detection(0, 4, 0.9), detection(0, 5, 0.45, label: 1), detection(10, 12, 0.8), detection(3, 9, 0.4), detection(30, 31, 0.39)]
        var filter = ProposalFilter(WeakSupervisionConfiguration())
        XCTAssertEqual(filter.kind, .prior)
        for (found, expected) in zip(filter.densities(list), [0.8 + 1.0 / 9, 0.8 + 2.0 / 9, 0, 1.0 / 9 + 2.0 / 9, 0]) {
            XCTAssertEqual(found, expected, accuracy: 1e-12)
        }
        XCTAssertEqual(filter.keeps(list), [true, true, false, false, false])
        filter.kind = .score
        XCTAssertEqual(filter.keeps(list), [true, true, true, false, false], "0.4 itself is not above 0.4")
        filter.kind = .none
        XCTAssertEqual(filter.keeps(list), [true, true, true, true, true])
        XCTAssertEqual(filter.keeps([]), [])
    }

    /// Of labels that overlap, of whatever class, the best stays; what the filter dropped is in nobody's way.
    func testLabelsApart() {
        let list = [detection(0, 4, 0.9), detection(0, 5, 0.8, label: 1), detection(4, 6, 0.7), detection(3, 9, 0.6), detection(10, 12, 0.2)]
        var filter = ProposalFilter(WeakSupervisionConfiguration())
        filter.kind = .none
        XCTAssertEqual(filter.overlap, 1)
        for (overlap, expected) in [
            (1, [true, true, true, true, true]), (0.8, [true, true, true, true, true]), (0.79, [true, false, true, true, true]),
            (0.3, [true, false, true, false, true]), (0, [true, false, true, false, true]),
        ] {
            filter.overlap = overlap
            XCTAssertEqual(filter.keeps(list), expected, "\(overlap)")
        }
        filter.kind = .score
        filter.score = 0.5
        XCTAssertEqual(filter.keeps(list), [true, false, true, false, false])
        filter.overlap = 0.17
        XCTAssertEqual(filter.keeps([detection(0, 4, 0.4)] + list.dropFirst()), [false, true, true, false, false])
    }
}
