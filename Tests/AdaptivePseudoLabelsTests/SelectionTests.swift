import AdaptivePseudoLabels
import Detectors
import RandomStreams
import TemporalAnnotations
import XCTest

final class SelectionTests: XCTestCase {
    private func instance(_ joint: Float, _ classScore: Float? = nil, label: Int = 0, similarity: Float = .nan) -> PseudoInstance {
        PseudoInstance(video: 0, label: label, start: 0, end: 1, jointScore: joint, classScore: classScore ?? joint, similarity: similarity)
    }

    private func fates(_ scores: [Float], _ settings: SelectionSettings = SelectionSettings()) -> [PseudoInstanceFate] {
        PseudoLabelSelection(scores.map { instance($0) }, classes: 1, settings: settings).fates
    }

    func testNothingAndOne() {
        let empty = PseudoLabelSelection([], classes: 3, settings: SelectionSettings())
        XCTAssertEqual(empty.fates, [])
        XCTAssertEqual(empty.overall, ScoreStatistics(count: 0, mean: 0, deviation: 0, threshold: .infinity))
        XCTAssertEqual(fates([0.4]), [.positive], "mean + 0 is the score itself")
        XCTAssertEqual(fates([0.1]), [.dropped])
        XCTAssertEqual(fates([.nan, 0.4]), [.dropped, .positive])
    }

    func testEqualScoresAreAllPositive() {
        for score: Float in [0.15, 0.3, 0.7, 1] {
            for count in [1, 3, 7, 1000] { XCTAssertEqual(fates([Float](repeating: score, count: count)), Array(repeating: .positive, count: count)) }
        }
    }

    func testExactlyAtTheFloorAndTheThreshold() {
        var settings = SelectionSettings(floor: 0.25)
        XCTAssertEqual(fates([0.25, Float(0.25).nextDown], settings), [.positive, .dropped])
        // 0.25 and 0.75: mean 0.5, population deviation 0.25, threshold exactly 0.75 (the sample deviation would give 0.85).
        let two = PseudoLabelSelection([0.25, 0.75].map { instance($0) }, classes: 1, settings: settings)
        XCTAssertEqual(two.overall, ScoreStatistics(count: 2, mean: 0.5, deviation: 0.25, threshold: 0.75))
        XCTAssertEqual(two.fates, [.candidate, .positive])
        XCTAssertEqual(
            fates([0.25, 0.75, Float(0.1)], settings), [.candidate, .positive, .dropped], "dropped scores take no part in the mean")
        settings.threshold = .fixed(0.5)
        XCTAssertEqual(fates([0.5, Float(0.5).nextDown, 0.2], settings), [.positive, .candidate, .dropped])
    }

    func testThresholdsPerClass() {
        let instances = [
            instance(0.25), instance(0.75), instance(0.5, label: 1), instance(0.5, label: 1), instance(0.9, label: 3), instance(0.1, label: 3),
        ]
        let selection = PseudoLabelSelection(instances, classes: 4, settings: SelectionSettings(threshold: .adaptivePerClass))
        XCTAssertEqual(selection.fates, [.candidate, .positive, .positive, .positive, .positive, .dropped])
        XCTAssertEqual(selection.perClass.map(\.count), [2, 2, 0, 1])
        XCTAssertEqual(selection.perClass[0].threshold, 0.75)
        XCTAssertEqual(selection.perClass[2].threshold, .infinity)
        XCTAssertEqual(selection.overall.count, 5)
        let together = PseudoLabelSelection(instances, classes: 4, settings: SelectionSettings())
        XCTAssertEqual(together.perClass, [])
        XCTAssertEqual(together.fates[1...3], [.candidate, .candidate, .candidate], "mean 0.58 + 0.22")
    }

    /// As many positives as are expected of each class: the best ones, equal scores together, none below the floor.
    func testMatchedToExpectedNumbers() {
        let instances = [
            instance(0.3), instance(0.9), instance(0.6), instance(0.4, label: 1), instance(0.1, label: 1), instance(0.5, label: 2),
            instance(0.7, label: 3), instance(0.7, label: 3), instance(.nan, label: 3), instance(0.2, label: 3),
        ]
        func selection(_ expected: [Double]) -> PseudoLabelSelection {
            PseudoLabelSelection(instances, classes: 4, settings: SelectionSettings(threshold: .matched(expected: expected)))
        }
        let found = selection([1.6, 2, 0.4, 1])
        XCTAssertEqual(
            found.fates,
            [.candidate, .positive, .positive, .positive, .dropped, .candidate, .positive, .positive, .dropped, .candidate])
        XCTAssertEqual(found.perClass.map(\.threshold), [Double(Float(0.6)), 0.15, .infinity, Double(Float(0.7))])
        XCTAssertEqual(found.perClass.map(\.count), [3, 1, 1, 3])
        XCTAssertEqual(selection([0, 0, 0, 0]).fates.filter(\.isLabel), [])
        XCTAssertEqual(selection([9, 9, 9, 9]).fates.count(where: \.isLabel), 8)
        XCTAssertEqual(PseudoLabelSelection([], classes: 4, settings: SelectionSettings(threshold: .matched(expected: [1, 1, 1, 1]))).fates, [])
    }

    func testFixedBaselineLooksAtTheClassScore() {
        let instances = [instance(0.05, 0.31), instance(0.9, 0.29), instance(0.01, 0.1)]
        XCTAssertEqual(
            PseudoLabelSelection(instances, classes: 1, settings: .fixedBaseline).fates, [.positive, .candidate, .candidate])
    }

    func testTheOrderOfPredictionsDoesNotMoveTheMean() {
        var random = RandomStream(seed: 1, "scores")
        let scores = (0..<5000).map { _ in random.uniform(0.15, 1) }
        let order = random.permutation(scores.count)
        let a = PseudoLabelSelection(scores.map { instance($0) }, classes: 1, settings: SelectionSettings())
        let b = PseudoLabelSelection(order.map { instance(scores[$0]) }, classes: 1, settings: SelectionSettings())
        XCTAssertEqual(a.overall.mean, b.overall.mean)
        XCTAssertEqual(a.overall.mean, scores.map(Double.init).reduce(0, +) / 5000)
    }

    func testRefinementAtItsThresholds() {
        let scores: [Float] = [0.1, 0.25, 0.75]
        let selection = PseudoLabelSelection(scores.map { instance($0) }, classes: 1, settings: SelectionSettings(floor: 0.2))
        XCTAssertEqual(selection.fates, [.dropped, .candidate, .positive])
        func refined(_ candidate: Float, _ positive: Float, eap: Bool = true, mpp: Bool = true) -> [PseudoInstanceFate] {
            let instances = zip(scores, [1, candidate, positive]).map { instance($0, similarity: $1) }
            return selection.refined(instances, settings: RefinementSettings(eap: eap, mpp: mpp))
        }
        XCTAssertEqual(refined(0.7, 0.3), [.dropped, .promoted, .positive], "at the thresholds: promoted, not removed")
        XCTAssertEqual(refined(Float(0.7).nextDown, Float(0.3).nextDown), [.dropped, .rejected, .removed])
        XCTAssertEqual(refined(0.9, 0.1, eap: false), [.dropped, .promoted, .positive])
        XCTAssertEqual(refined(0.9, 0.1, mpp: false), [.dropped, .rejected, .removed])
        XCTAssertEqual(refined(0.9, 0.1, eap: false, mpp: false), [.dropped, .rejected, .positive])
        XCTAssertEqual(refined(.nan, .nan), [.dropped, .rejected, .positive], "no labelled instance of the class")
        XCTAssertEqual(PseudoInstanceFate.allCases.filter(\.isLabel), [.positive, .promoted])
    }

    /// MPP with an overlap: a label of any class stands in the way in its own recording alone, the better candidate first, exactly the limit does not.
    func testPromotionBesideOtherLabels() {
        // Score, start, end; recording 0 unless said. The first is positive, the others are candidates.
        func one(_ score: Float, _ start: Float, _ end: Float, video: Int = 0, label: Int = 0, similarity: Float = 0.9) -> PseudoInstance {
            PseudoInstance(video: video, label: label, start: start, end: end, jointScore: score, classScore: score, similarity: similarity)
        }
        let instances = [
            one(0.95, 0, 10), one(0.3, 5, 10), one(0.3, 4.5, 10, label: 1), one(0.3, 0, 10, video: 1), one(0.4, 20, 30), one(0.5, 21, 31, label: 1),
            one(0.45, 21, 31, similarity: 0.1), one(0.5, 21, 31), one(0.3, 30, 40),
        ]
        let selection = PseudoLabelSelection(instances, classes: 2, settings: SelectionSettings(threshold: .fixed(0.9)))
        func refined(_ overlap: Float, eap: Float = 0.3) -> [PseudoInstanceFate] {
            selection.refined(instances, settings: RefinementSettings(eapThreshold: eap, mppOverlap: overlap))
        }
        XCTAssertEqual(
            refined(0.5),
            [.positive, .promoted, .rejected, .promoted, .rejected, .promoted, .rejected, .rejected, .promoted],
            "tIoU 0.5 with the positive is not above the limit, 0.55 is; of two equal ones the first; the next begins at 30 and ends the overlap at 0.05"
        )
        XCTAssertEqual(
            refined(0, eap: 0.95),
            [.removed, .promoted, .rejected, .promoted, .rejected, .promoted, .rejected, .rejected, .rejected],
            "what EAP has removed stands in nobody's way")
        XCTAssertEqual(refined(1).filter { $0 == .promoted }.count, 7, "1: the paper's rule")
    }

    func testInstancesComeFromDetections() {
        let detection = AssessedDetection(
            detection: Detection(video: "v", segment: Segment(start: 1, end: 2), label: 4, score: 0.25), gridSegment: GridSegment(start: 3, end: 5),
            classScore: 0.5, overlap: 0.75, distance: nil, reliability: 0.75)
        let instance = PseudoInstance(detection, video: 7)
        XCTAssertEqual([instance.video, instance.label], [7, 4])
        XCTAssertEqual([instance.start, instance.end, instance.jointScore, instance.classScore, instance.overlap], [3, 5, 0.25, 0.5, 0.75])
        XCTAssertTrue(instance.distance.isNaN && instance.similarity.isNaN)
        XCTAssertEqual(MemoryLayout<PseudoInstance>.stride, 36)
    }

    /// 10,000 videos of 200 predictions. Prints what it took; how long it may take is `kairos benchmark`'s business.
    func testTwoMillionPredictions() {
        var random = RandomStream(seed: 1, "many")
        let instances = (0..<2_000_000).map {
            PseudoInstance(video: $0 / 200, label: $0 % 20, start: 0, end: 1, jointScore: random.uniform(), classScore: 1)
        }
        for threshold in [SelectionSettings.Threshold.adaptive, .adaptivePerClass] {
            let begin = ContinuousClock.now
            let selection = PseudoLabelSelection(instances, classes: 20, settings: SelectionSettings(threshold: threshold))
            let fates = selection.refined(instances, settings: RefinementSettings())
            print("2,000,000 predictions, \(threshold): \(ContinuousClock.now - begin)")
            XCTAssertEqual(fates.count, instances.count)
            XCTAssertEqual(selection.overall.mean, 0.575, accuracy: 1e-3)
            XCTAssertEqual(selection.overall.deviation, 0.85 / 12.0.squareRoot(), accuracy: 1e-3)
        }
    }
}
