import NeuralNetworks
import XCTest

/// Numbers of a transcription of the published `lr_schedulers.py` in its chainable form, float64.
final class LearningRateScheduleTests: XCTestCase {
    private func check(_ schedule: LearningRateSchedule, _ expected: [(Int, Double)], line: UInt = #line) {
        for (iteration, rate) in expected {
            XCTAssertEqual(schedule.rate(at: iteration), rate, accuracy: 1e-12 + 1e-9 * rate, "iteration \(iteration)", line: line)
        }
    }

    func testWarmUpAndCosine() {
        check(
            LearningRateSchedule(base: 1e-4, warmupIterations: 30, shape: .cosine(iterations: 600, minimum: LearningRateSchedule.publishedMinimum)),
            [
                (0, 0), (1, 3.448275862068966e-06), (15, 5.172413793103448e-05), (28, 9.65517241379311e-05), (29, 1e-4), (30, 1e-4),
                (31, 9.999924064385513e-05), (100, 9.632507089040404e-05), (315, 5.000500000000003e-05), (500, 7.41328915512785e-06),
                (598, 1.3037401512320688e-08), (599, 1.075935614487335e-08),
            ])
        let rates = [
            0, 0.00025, 0.0005, 0.00075, 0.001, 0.001, 0.0009890739096288991, 0.0009567731610940122, 0.0009045094521025019, 0.0008345669575263974,
            0.0007500025000000001, 0.000654511952102502, 0.0005522687089915105, 0.00044774129100848975, 0.00034549804789749827, 0.0002500075000000001,
            0.00016544304247360285, 9.55005478974982e-05, 4.3236838905987724e-05, 1.0936090371100826e-05,
        ]
        check(LearningRateSchedule(base: 1e-3, warmupIterations: 5, shape: .cosine(iterations: 20, minimum: 1e-8)), Array(zip(0..., rates)))
    }

    func testWarmUpAndSteps() {
        let rates = [0, 0.0003333333333333333, 0.0006666666666666666, 0.001, 0.001, 0.001, 0.001, 1e-4, 1e-4, 1e-4, 1e-5, 1e-5]
        check(LearningRateSchedule(base: 1e-3, warmupIterations: 4, shape: .multistep(steps: [3, 6], factor: 0.1)), Array(zip(0..., rates)))
    }

    func testWithoutWarmUp() {
        let cosine = LearningRateSchedule(base: 0.5, warmupIterations: 0, shape: .cosine(iterations: 4, minimum: 0))
        check(cosine, [(0, 0.5), (1, 0.42677669529663687), (2, 0.25), (3, 0.07322330470336313)])
        check(LearningRateSchedule(base: 0.5, warmupIterations: 0, shape: .constant), [(0, 0.5), (1000, 0.5)])
    }

    func testOneIterationOfWarmUpHasRateZero() {
        check(LearningRateSchedule(base: 0.5, warmupIterations: 1, shape: .constant), [(0, 0), (1, 0.5)])
    }

    /// Over another length: the cosine of it, steps at the same parts of what follows the warm-up.
    func testScaledToAnotherLength() {
        let steps = LearningRateSchedule(base: 0.5, warmupIterations: 10, shape: .multistep(steps: [0, 30, 60, 90, 1_000_000_000], factor: 0.1))
        XCTAssertEqual(
            steps.scaled(from: 100, to: 30, base: 2, warmup: 0),
            LearningRateSchedule(base: 2, warmupIterations: 0, shape: .multistep(steps: [0, 10, 20, 30, 30], factor: 0.1)))
        XCTAssertEqual(
            steps.scaled(from: 100, to: 1_000_000_000_000, base: 0.5, warmup: 0).shape,
            .multistep(steps: [0, 333_333_333_333, 666_666_666_666, 1_000_000_000_000, 1_000_000_000_000], factor: 0.1))
        XCTAssertEqual(steps.scaled(from: 10, to: 20, base: 0.5, warmup: 30).shape, .multistep(steps: [0, 0, 0, 0, 0], factor: 0.1))
        let cosine = LearningRateSchedule(base: 0.5, warmupIterations: 2, shape: .cosine(iterations: 9, minimum: 1e-8))
        XCTAssertEqual(
            cosine.scaled(from: 9, to: 4, base: 1, warmup: 0),
            LearningRateSchedule(base: 1, warmupIterations: 0, shape: .cosine(iterations: 4, minimum: 0)))
        XCTAssertEqual(cosine.scaled(from: 9, to: 9, base: 0.5, warmup: 2), cosine)
    }
}
