import Collectives
import Foundation
import Kernels
import Training
import XCTest

final class LearningRateRangeTests: ToyRunTestCase {
    func testRatesGrowByOneFactor() {
        XCTAssertEqual(LearningRateRange.rate(0, of: 5, in: 1e-5...1e-1), 1e-5, accuracy: 1e-20)
        XCTAssertEqual(LearningRateRange.rate(1, of: 5, in: 1e-5...1e-1), 1e-4, accuracy: 1e-12)
        XCTAssertEqual(LearningRateRange.rate(4, of: 5, in: 1e-5...1e-1), 1e-1, accuracy: 1e-12)
    }

    /// The average of 2 and 1: (0.9 x 0.1 x 2 + 0.1 x 1) / (1 - 0.81) = 0.28 / 0.19.
    func testSmoothing() {
        var range = LearningRateRange()
        range.add(rate: 1e-4, loss: 2)
        range.add(rate: 2e-4, loss: 1)
        XCTAssertEqual(range.points[0].smoothed, 2, accuracy: 1e-12)
        XCTAssertEqual(range.points[1].smoothed, 0.28 / 0.19, accuracy: 1e-12)
    }

    /// A curve that falls, fastest between 1e-3 and 1e-2, and then grows.
    private func curve(_ loss: (Double) -> Double, steps: Int = 200) -> LearningRateRange {
        var range = LearningRateRange()
        for step in 0..<steps where !range.hasDiverged {
            let rate = LearningRateRange.rate(step, of: steps, in: 1e-5...1e-1)
            range.add(rate: rate, loss: loss(rate))
        }
        return range
    }

    func testLowestAndDivergence() throws {
        let range = curve { rate in rate < 1e-2 ? 2 - 1 / (1 + pow(2e-3 / rate, 2)) : 1.04 * rate / 1e-2 }
        XCTAssertTrue(range.hasDiverged)
        XCTAssertLessThan(range.points.count, 200)
        let lowest = try XCTUnwrap(range.lowest)
        XCTAssertTrue((0.9e-2...1.5e-2).contains(lowest.rate), "\(lowest)")
        XCTAssertEqual(range.verdict, .rate(2e-3))
    }

    func testFlatCurvesSayNothing() {
        XCTAssertEqual(curve { _ in 2 }.verdict, .flat)
        XCTAssertEqual(curve { 2 + $0 }.verdict, .flat)
        XCTAssertEqual(LearningRateRange().verdict, .flat)
        XCTAssertFalse(LearningRateRange().hasDiverged)
    }

    func testLossesThatAreNoNumbers() throws {
        var range = LearningRateRange()
        range.add(rate: 1e-4, loss: .nan)
        XCTAssertTrue(range.hasDiverged)
        XCTAssertNil(range.lowest)
        XCTAssertEqual(range.verdict, .flat)
        let json = String(decoding: try JSONEncoder().encode(range.points), as: UTF8.self)
        XCTAssertTrue(json.contains("\"loss\":null"), json)
    }

    func testRounding() {
        for (rate, expected) in [
            (1.0e-3, 1e-3), (1.3e-3, 1e-3), (1.5e-3, 2e-3), (2.6e-4, 3e-4), (4.1e-4, 5e-4), (8e-4, 1e-3), (6e-4, 5e-4), (9.9e-5, 1e-4),
        ] {
            XCTAssertEqual(LearningRateRange.rounded(rate), expected, "\(rate)")
        }
    }

    // MARK: Trials

    private func trial(_ overrides: [String] = []) throws -> TrainingTrial {
        try TrainingTrial(
            try configuration(overrides), communicator: try Communicator.world(),
            makeDetector: { _, store, _ in ToyDetector(columns: store.dimension) })
    }

    /// The same seed gives the same curve, whatever the number of threads; another one another curve.
    func testTheSweepDependsOnTheSeedAlone() throws {
        let one = try trial().sweep(1e-4...1e-1, steps: 20)
        XCTAssertEqual(one.points.count, 20)
        XCTAssertEqual(one, try trial(["training.threads=2"]).sweep(1e-4...1e-1, steps: 20))
        XCTAssertNotEqual(one, try trial(["training.seed=3"]).sweep(1e-4...1e-1, steps: 20))
    }

    /// The rates are those asked for, whatever the schedule says.
    func testTheFirstStepHasTheRunsLoss() throws {
        let first = try trial().sweep(1e-4...1e-1, steps: 20).points[0]
        XCTAssertEqual(first, try trial(["training.learning_rate=1.0"]).sweep(1e-4...1e-1, steps: 20).points[0])
        XCTAssertEqual(first.rate, 1e-4, accuracy: 1e-15)
    }

    func testAPlanHasTheStagesOfTheRun() throws {
        let trial = try trial()
        XCTAssertEqual(trial.stages.map(\.name), ["training"])
        let pace = try trial.measure()
        XCTAssertEqual(pace.iterations, 12)
        XCTAssertGreaterThan(pace.secondsPerStep, 0)
        XCTAssertEqual(pace.secondsOfTraining, 12 * pace.secondsPerStep, accuracy: 1e-9)
        XCTAssertGreaterThan(pace.secondsOfDetection, 0)
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), ["store.h5"])
    }
}
