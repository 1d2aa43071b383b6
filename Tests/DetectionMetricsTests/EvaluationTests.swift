import DetectionMetrics
import Diagnostics
import TemporalAnnotations
import XCTest

final class EvaluationTests: XCTestCase {
    private let classes = ClassMap(names: ["jump", "run", "swim"])

    func testPerfectDetectionsScoreOne() {
        let videos = [video("a", [(0, 10, 0), (20, 30, 1)]), video("b", [(5, 9, 0)])]
        let detections = [detection("a", 0, 10, 0, 0.9), detection("a", 20, 30, 1, 0.8), detection("b", 5, 9, 0, 0.7)]
        let result = Evaluation(videos: videos, classes: classes, thresholds: [0.5, 1]).evaluate(detections)
        XCTAssertEqual(result.mAP, [1, 1])
        XCTAssertEqual(result.averageMAP, 1)
        XCTAssertEqual(result.apPerClass, ["jump": [1, 1], "run": [1, 1]], "the class without ground truth is not counted")
        XCTAssertEqual(result.recallAt, ["1x": [1, 1], "5x": [1, 1]])
    }

    func testNothingDetectedScoresZero() {
        let result = Evaluation(videos: [video("a", [(0, 10, 0)])], classes: classes, thresholds: [0.5]).evaluate([])
        XCTAssertEqual(result.mAP, [0])
        XCTAssertEqual(result.recallAt, ["1x": [0], "5x": [0]])
    }

    func testNoGroundTruthIsNoCrash() {
        let result = Evaluation(videos: [], classes: classes, thresholds: [0.5]).evaluate([detection("a", 0, 1, 0, 1)])
        XCTAssertEqual(result.mAP, [0])
        XCTAssertEqual(result.apPerClass, [:])
    }

    func testSecondClaimAndOtherVideosAreFalsePositives() {
        let videos = [video("a", [(0, 10, 0), (50, 60, 0)])]
        let evaluation = Evaluation(videos: videos, classes: classes, thresholds: [0.5])
        // By score: hit, repeated, in a video not evaluated, hit. Precisions at the hits: 1 and 2/4.
        let detections = [
            detection("a", 0, 10, 0, 0.9), detection("a", 0, 9, 0, 0.8), detection("elsewhere", 0, 10, 0, 0.7), detection("a", 50, 60, 0, 0.6),
        ]
        XCTAssertEqual(evaluation.evaluate(detections).mAP, [0.5 * 1 + 0.5 * 0.5])
        XCTAssertEqual(evaluation.evaluate(detections.reversed()).mAP, [0.75], "the order of the list does not matter")
        // The two best of two instances are one place: half is found; ten hold both.
        XCTAssertEqual(evaluation.evaluate(detections).recallAt, ["1x": [0.5], "5x": [1]])
    }

    func testDetectionTakesTheNearestFreeInstance() {
        let videos = [video("a", [(0, 10, 0), (1, 11, 0)])]
        let result = Evaluation(videos: videos, classes: classes, thresholds: [0.5]).evaluate([
            detection("a", 0, 10, 0, 0.9), detection("a", 0, 10, 0, 0.8),
        ])
        XCTAssertEqual(result.mAP, [1], "the second finds the second instance, tIoU 9/11")
    }

    func testRepeatedAndEmptyGroundTruthIsLeftOut() {
        let videos = [video("a", [(0, 10, 0), (0.0005, 10, 0), (20, 20, 0), (0, 10, 1)])]
        let result = Evaluation(videos: videos, classes: classes, thresholds: [0.5]).evaluate([detection("a", 0, 10, 0, 0.9)])
        XCTAssertEqual(result.apPerClass, ["jump": [1], "run": [0]])
    }

    func testInterpolatedAveragePrecisionByHand() {
        // Precision 1, 1/2, 2/3, 2/4, 3/5 at recall 1/4, 1/4, 2/4, 2/4, 3/4; the fourth instance is never found.
        XCTAssertEqual(
            interpolatedAveragePrecision([true, false, true, false, true], instances: 4), 0.25 * (1 + 2.0 / 3 + 0.6), accuracy: 1e-15)
        XCTAssertEqual(interpolatedAveragePrecision([], instances: 4), 0)
        XCTAssertEqual(interpolatedAveragePrecision([true], instances: 1), 1)
    }

    func testAverageRecallAtNumbers() {
        let videos = [video("a", [(0, 10, 0), (50, 60, 1)]), video("b", [(0, 10, 0)])]
        let detections = [detection("a", 0, 10, 0, 0.9), detection("a", 50, 60, 2, 0.8), detection("b", 0, 6, 0, 0.9)]
        let evaluation = Evaluation(videos: videos, classes: classes, thresholds: [0.5])
        // The proposal of b has tIoU 0.6: found at 0.5, 0.55 (and 0.6 of ten thresholds).
        let found = evaluation.averageRecall(detections, at: [0, 1, 2], thresholds: [0.5, 0.7])
        XCTAssertEqual(found[0], 0)
        XCTAssertEqual(found[1], (2 + 1) / 6.0, accuracy: 1e-15)
        XCTAssertEqual(found[2], (3 + 2) / 6.0, accuracy: 1e-15)
    }

    func testEvaluationIsDeterministicUnderTies() {
        let videos = [video("a", [(0, 10, 0)]), video("b", [(0, 10, 0)])]
        let detections = (0..<400).map { detection($0 % 2 == 0 ? "a" : "b", Double($0 % 7), 10, 0, 0.5) }
        let evaluation = Evaluation(videos: videos, classes: classes, thresholds: [0.5, 0.9])
        let first = evaluation.evaluate(detections)
        for _ in 0..<5 { XCTAssertEqual(evaluation.evaluate(detections), first) }
    }

    /// Checksums of `numpy.argsort(keys)[::-1]` (NumPy 2.4, AVX-512) for keys full of ties.
    func testOrderOfEqualScoresIsNumPys() {
        let expected: [Int: Int] = [
            1: 1, 2: 63, 9: 346_320_154, 64: 1_445_464_080, 200: 615_640_662, 256: 923_526_789, 257: 1_944_785_603, 300: 1_805_103_547,
            500: 173_269_263, 1000: 1_172_445_875, 3000: 1_380_841_904, 20000: 205_290_965,
        ]
        for (count, checksum) in expected {
            let distinct = count < 3000 ? 101 : 1009
            let keys = (0..<count).map { (i: Int) -> Double in Double((i * i * 7919 + i * 104_729) % distinct) / 100 }
            let order = descendingOrder(keys)
            XCTAssertEqual(Set(order).count, count)
            for (better, worse) in zip(order, order.dropFirst()) { XCTAssertGreaterThanOrEqual(keys[better], keys[worse]) }
            var found = 0
            for index in order { found = (found * 31 + index + 1) % 2_147_483_647 }
            XCTAssertEqual(found, checksum, "\(count) keys")
        }
        XCTAssertEqual(descendingOrder([]), [])
        XCTAssertEqual(Set(descendingOrder([Double](repeating: 0.5, count: 1000))).count, 1000)
    }

    func testThresholdTexts() throws {
        XCTAssertEqual(try tiouThresholds("0.5"), [0.5])
        XCTAssertEqual(try tiouThresholds("0.5,0.75, 0.95"), [0.5, 0.75, 0.95])
        // NumPy's linspace(0.3, 0.7, 5) to the bit.
        XCTAssertEqual(try tiouThresholds("0.3:0.1:0.7"), [0.3, 0.39999999999999997, 0.5, 0.6, 0.7])
        XCTAssertEqual(try tiouThresholds("0.5:0.05:0.95").count, 10)
        XCTAssertEqual(try tiouThresholds("0.5:0.3:0.9"), [0.5, 0.8])
        for wrong in ["", "half", "0.3:0.1", "0.7:0.1:0.3", "0.3:0:0.7", "0", "1.5", "nan", "0.3:0.1:nan", "0.5,,0.7", "0.1:-0.1:0.9"] {
            XCTAssertThrowsError(try tiouThresholds(wrong)) {
                XCTAssertEqual(
                    ($0 as? Failure)?.description,
                    """
                    error: the tIoU thresholds '\(wrong)' are not FIRST:STEP:LAST or a list of numbers in (0, 1]
                      do: write for instance 0.3:0.1:0.7 or 0.5,0.75
                    """)
            }
        }
    }

    func testTable() {
        let result = EvaluationResult(
            tiouThresholds: [0.5, 0.75], mAP: [0.5, 0.25], averageMAP: 0.375, apPerClass: ["run": [1, 0.5], "jump": [0, 0]],
            recallAt: ["1x": [0.5, 0.5], "5x": [1, 0.5]])
        XCTAssertEqual(
            result.table(classOrder: ["jump", "run", "swim"]),
            """
            tIoU         0.50    0.75 average
            RULE
            jump         0.00    0.00    0.00
            run        100.00   50.00   75.00
            RULE
            mAP         50.00   25.00   37.50
            recall@1x   50.00   50.00   50.00
            recall@5x  100.00   50.00   75.00
            """.replacingOccurrences(of: "RULE", with: String(repeating: "-", count: 33)))
    }
}
