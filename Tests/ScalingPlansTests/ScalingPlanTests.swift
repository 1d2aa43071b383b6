import ScalingPlans
import TrainingMethods
import XCTest

/// The arithmetic of plans, against numbers worked out by hand.
final class ScalingPlanTests: XCTestCase {
    private let cluster = PlannedCluster(
        ranksPerHost: 8, within: NetworkLink(alpha: 1e-6, beta: 1e-10), between: NetworkLink(alpha: 2e-6, beta: 1e-9))

    private func costs() -> WorkCosts {
        var costs = WorkCosts()
        costs.perRow = 1e-3
        costs.perStep = 0.05
        costs.detectionPerRow = 4e-4
        costs.parameters = 28 * 1_048_576
        costs.perAddedByte = 1e-10
        costs.checkpointRate = .infinity
        return costs
    }

    private func plan(
        _ stages: [StageOutline], lengths: [Int] = [1_000], counts: RecordingCounts = .init(training: 10, fraction: 1), costs: WorkCosts,
        batch: Int = 2, window: Int = 1, checkpointEvery: Int = 1_000_000
    ) -> ScalingPlan {
        ScalingPlan(
            stages: stages, lengths: lengths, counts: counts, costs: costs, cluster: cluster, batch: batch, window: window,
            checkpointEvery: checkpointEvery, seed: 1)
    }

    private func supervised(_ iterations: Int = 100) -> [StageOutline] {
        [StageOutline("training", iterations: iterations, shares: [.init(.labeled, perStep: 2)])]
    }

    func testARankAloneSendsNothing() throws {
        let row = try plan(supervised(), costs: costs()).row(ranks: 1, perRank: 2)
        XCTAssertEqual(row.secondsPerStep, 2_000 * 1e-3 + 0.05, accuracy: 1e-12)
        XCTAssertEqual(row.efficiency, 1, accuracy: 1e-12)
        XCTAssertEqual(row.secondsPerEpoch, 5 * row.secondsPerStep, accuracy: 1e-9)
        XCTAssertEqual(row.terms.total, 100 * row.secondsPerStep, accuracy: 1e-9)
        XCTAssertEqual(row.messages, 0)
        XCTAssertTrue(row.isPossible)
        XCTAssertFalse(try plan(supervised(), costs: costs()).row(ranks: 1, perRank: 32).isPossible)
    }

    /// 16 ranks on two hosts: levels of 8 and 2, and every byte and message of them.
    func testReductionByHand() {
        let costs = costs(), bytes = 28.0 * 1_048_576 * 4
        let time = ReductionTime(ranks: 16, cluster: cluster, costs: costs, backward: 0, group: 8)
        XCTAssertEqual(time.sizes, [8, 2])
        XCTAssertEqual(time.messages, 28 * 2 * (7 + 1))
        let within = 2 * (7 * 28 * 1e-6 + bytes * 7 / 8 * 1e-10), between = 2 * (28 * 2e-6 + bytes / 8 / 2 * 8 * 1e-9)
        XCTAssertEqual(time.transfer, within + between, accuracy: 1e-12)
        XCTAssertEqual(time.adding, (bytes * 7 / 8 + bytes / 16) * 1e-10, accuracy: 1e-12)
        XCTAssertEqual(time.exposed, time.transfer + time.adding, accuracy: 1e-12)
        // Hidden behind backward, but for the last bucket.
        let hidden = ReductionTime(ranks: 16, cluster: cluster, costs: costs, backward: 10, group: 8)
        XCTAssertEqual(hidden.exposed, (time.transfer + time.adding) / 28, accuracy: 1e-12)
        var late = costs
        late.overlaps = false
        XCTAssertEqual(ReductionTime(ranks: 16, cluster: cluster, costs: late, backward: 10, group: 8).exposed, time.exposed, accuracy: 1e-12)
    }

    /// The bytes of a rank do not depend on the levels; the messages do.
    func testBytesAreTheSameWhateverTheGroup() {
        var costs = costs()
        costs.perAddedByte = 0
        let free = PlannedCluster(ranksPerHost: 1, within: .init(alpha: 0, beta: 1e-9), between: .init(alpha: 0, beta: 1e-9))
        let expected = 2 * 1_023.0 / 1_024 * 28 * 1_048_576 * 4 * 1e-9
        for group in [2, 4, 8, 32, 1_024] {
            let time = ReductionTime(ranks: 1_024, cluster: free, costs: costs, backward: 0, group: group)
            XCTAssertEqual(time.transfer, expected, accuracy: 1e-9, "\(group)")
        }
        XCTAssertEqual(ReductionTime(ranks: 1_024, cluster: free, costs: costs, backward: 0, group: 1_024).messages, 28 * 2_046)
        XCTAssertEqual(ReductionTime(ranks: 1_024, cluster: free, costs: costs, backward: 0, group: 2).messages, 28 * 20)
    }

    func testBestGroupHasTheLeastExposedTime() {
        let slow = PlannedCluster(ranksPerHost: 1, within: .init(alpha: 1e-3, beta: 0), between: .init(alpha: 1e-3, beta: 0))
        XCTAssertEqual(ReductionTime.best(ranks: 64, cluster: slow, costs: costs(), backward: 0).time.sizes, [2, 2, 2, 2, 2, 2])
    }

    /// Half the recordings are ten times as long: two ranks wait for the longer of two; in windows they meet their like.
    func testWaitingForTheFullestRank() throws {
        var costs = costs()
        (costs.perStep, costs.parameters, costs.perAddedByte) = (0, 1, 0)
        let lengths = [100, 1_000], counts = RecordingCounts(training: 2, fraction: 1)
        let apart = try plan(supervised(), lengths: lengths, counts: counts, costs: costs).row(ranks: 8, perRank: 1)
        let dealt = try plan(supervised(), lengths: lengths, counts: counts, costs: costs, window: 16).row(ranks: 8, perRank: 1)
        // A step of eight has a long one almost always: 1,000 rows for 550 on average.
        XCTAssertEqual(apart.efficiency, 0.55, accuracy: 0.02)
        XCTAssertGreaterThan(dealt.efficiency, 0.93)
        XCTAssertGreaterThan(apart.terms.waiting, 5 * dealt.terms.waiting)
    }

    func testRoundsAddLabellingAndContrast() throws {
        var costs = costs()
        (costs.contrast, costs.contrastAlone) = (0.2, 0.1)
        (costs.contrastMessages, costs.contrastBytes) = (10, 1e6)
        let round = StageOutline(
            "round 1", iterations: 10, shares: [.init(.labeled, perStep: 2), .init(.unlabeled, perStep: 2)], contrasts: true, labels: .unlabeled)
        let counts = RecordingCounts(training: 10, fraction: 0.2)
        XCTAssertEqual(counts, RecordingCounts(training: 10, fraction: 0.2))
        XCTAssertEqual([counts.labeled, counts.unlabeled, counts.count(.all)], [2, 8, 10])
        let one = try plan([round], counts: counts, costs: costs).row(ranks: 1, perRank: 2)
        let rounds = 10.0 * 4_000 * 1e-3, labelling = 8.0 * 1_000 * 4e-4
        XCTAssertEqual(one.terms.computing, rounds + labelling, accuracy: 1e-9)
        XCTAssertEqual(one.terms.contrast, 10 * 0.2, accuracy: 1e-12)
        XCTAssertEqual(one.terms.labels, 8 * 200 * 1e-6, accuracy: 1e-12)
        // Once through the unlabelled recordings.
        XCTAssertEqual(one.secondsPerEpoch, 4 * one.secondsPerStep, accuracy: 1e-9)
        let sent = one.terms.total - 10 * 0.1
        XCTAssertEqual(one.efficiency, sent / one.terms.total, accuracy: 1e-9, "a rank alone contrasts fewer rows")
        let two = try plan([round], counts: counts, costs: costs).row(ranks: 2, perRank: 2)
        let messages = 10.0 * 1e-6 + 1e6 * 1e-10
        XCTAssertEqual(two.terms.contrast, 10 * (0.2 + messages), accuracy: 1e-9)
        XCTAssertEqual(two.terms.computing, one.terms.computing, accuracy: 1e-9, "every rank has as much as one alone")
    }

    func testCheckpointsAndTheBestRow() throws {
        var costs = costs()
        costs.checkpointRate = 1e9
        let rows = try [1, 2, 4].map { try plan(supervised(), costs: costs, checkpointEvery: 50).row(ranks: $0, perRank: 1) }
        let bytes = 16.0 * 28 * 1_048_576
        XCTAssertEqual(rows[0].terms.checkpoints, 2 * bytes / 1e9, accuracy: 1e-9)
        XCTAssertEqual(ScalingPlan.best(rows, leastEfficiency: 0)?.ranks, 4)
        XCTAssertEqual(ScalingPlan.best(rows, leastEfficiency: 1)?.ranks, 1)
        XCTAssertNil(ScalingPlan.best([], leastEfficiency: 0))
    }
}
