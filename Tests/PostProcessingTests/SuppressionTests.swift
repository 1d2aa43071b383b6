import Foundation
import Kernels
import PostProcessing
import TemporalAnnotations
import XCTest

final class SuppressionTests: XCTestCase {
    private func candidate(_ start: Float, _ end: Float, _ score: Float, _ label: Int = 0) -> Candidate {
        Candidate(segment: GridSegment(start: start, end: end), score: score, label: label)
    }

    private var everySetting: [SuppressionSettings] {
        SuppressionMethod.allCases.flatMap { method in
            [true, false].flatMap { perClass in
                [Float(0), 0.75].map {
                    SuppressionSettings(method: method, iouThreshold: 0.5, minScore: 0.001, maxSegments: 3, perClass: perClass, votingThreshold: $0)
                }
            }
        }
    }

    func testNothingStaysNothing() {
        for settings in everySetting { XCTAssertEqual(suppress([], settings: settings), []) }
    }

    func testOneStaysAsItIs() {
        for settings in everySetting { XCTAssertEqual(suppress([candidate(2, 7, 0.25, 4)], settings: settings), [candidate(2, 7, 0.25, 4)]) }
    }

    func testManyEqualOnesAreCut() {
        let same = [Candidate](repeating: candidate(2, 7, 0.5), count: 10)
        let settings = SuppressionSettings(iouThreshold: 0.5, minScore: 0.001, maxSegments: 4)
        let soft = suppress(same, settings: settings)
        XCTAssertEqual(soft.count, 4)
        XCTAssertEqual(soft[0].score, 0.5)
        // tIoU is 1 but for the published 1e-6: each round costs exp(-1 / 0.5).
        for i in 1..<4 { XCTAssertEqual(soft[i].score, soft[i - 1].score * exp(-2), accuracy: 1e-6) }
        var hard = settings
        hard.method = .hard
        XCTAssertEqual(suppress(same, settings: hard), [same[0]])
    }

    func testEqualScoresGoByInputOrder() {
        let apart = (0..<6).map { candidate(Float(10 * $0), Float(10 * $0 + 5), 0.5) }
        for method in [SuppressionMethod.soft, .hard] {
            let settings = SuppressionSettings(method: method, iouThreshold: 0.5, maxSegments: 0)
            XCTAssertEqual(suppress(apart, settings: settings), apart)
        }
    }

    func testWithoutSuppressionTheBestAreKept() {
        let candidates = [candidate(0, 4, 0.2), candidate(0, 5, 0.9, 1), candidate(1, 5, 0.2, 2), candidate(0, 5, 0.4)]
        var settings = SuppressionSettings(method: .none, maxSegments: 3)
        XCTAssertEqual(suppress(candidates, settings: settings), [candidates[1], candidates[3], candidates[0]])
        settings.maxSegments = 0
        XCTAssertEqual(suppress(candidates, settings: settings), [candidates[1], candidates[3], candidates[0], candidates[2]])
    }

    func testSegmentsWithoutLength() {
        let points = [candidate(3, 3, 0.9), candidate(3, 3, 0.8), candidate(0, 6, 0.5)]
        for settings in everySetting {
            let kept = suppress(points, settings: settings)
            XCTAssertEqual(kept, points, "a segment without length overlaps nothing: \(settings)")
        }
    }

    func testScoresNeverRiseAndComeSorted() {
        var state: UInt64 = 7
        func next() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 40) / Float(1 << 24)
        }
        for round in 0..<20 {
            let candidates = (0..<round * 10).map { _ -> Candidate in
                let start = next() * 100
                return candidate(start, start + next() * 20, next(), Int(next() * 3))
            }
            for settings in everySetting {
                let kept = suppress(candidates, settings: settings)
                XCTAssertLessThanOrEqual(kept.count, 3)
                for (better, worse) in zip(kept, kept.dropFirst()) { XCTAssertGreaterThanOrEqual(better.score, worse.score) }
                XCTAssertEqual(kept.first?.score, candidates.map(\.score).max(), "the best is never touched")
            }
        }
    }

    func testLimitCutsWithoutChangingWhatComesFirst() {
        let candidates = (0..<50).map { (i: Int) -> Candidate in
            let score = Float((i * 37) % 50 + 1) / 51
            return candidate(Float(i), Float(i + 8), score)
        }
        let all = softNMS(candidates, sigma: 0.5, minScore: 0.001)
        for limit in 1..<all.count { XCTAssertEqual(softNMS(candidates, sigma: 0.5, minScore: 0.001, limit: limit), Array(all.prefix(limit))) }
    }

    func testClassesCompeteApart() {
        let twins = [candidate(0, 10, 0.9, 0), candidate(0, 10, 0.8, 1)]
        XCTAssertEqual(suppress(twins, settings: SuppressionSettings(method: .hard, iouThreshold: 0.5, perClass: true)), twins)
        XCTAssertEqual(suppress(twins, settings: SuppressionSettings(method: .hard, iouThreshold: 0.5, perClass: false)), [twins[0]])
    }

    func testTheSameOnSeveralThreads() {
        let candidates = (0..<90).map { (i: Int) -> Candidate in
            candidate(Float(i % 40), Float(i % 40 + 9), Float((i * 37) % 50 + 1) / 51, i % 7)
        }
        for settings in everySetting {
            let alone = suppress(candidates, settings: settings)
            for threads in [2, 3, 16] {
                ComputeContext.with {
                    $0.threads = threads
                } do: {
                    XCTAssertEqual(suppress(candidates, settings: settings), alone)
                }
            }
        }
    }

    func testHardThresholdIsIncluded() {
        // Overlap 5 of 10: tIoU 0.5 less the published 1e-6.
        let pair = [candidate(0, 10, 0.9), candidate(0, 5, 0.8)]
        XCTAssertEqual(hardNMS(pair, iouThreshold: 0.4999, minScore: 0).count, 1)
        XCTAssertEqual(hardNMS(pair, iouThreshold: 0.5001, minScore: 0).count, 2)
    }

    func testVotingWeighsNeighboursByScoreAndOverlap() {
        let all = [candidate(0, 10, 0.8), candidate(1, 10, 0.4), candidate(20, 30, 0.9)]
        let moved = vote([all[0]], among: all, threshold: 0.75)[0].segment
        // Weights 0.8 * 1 and 0.4 * 0.9.
        XCTAssertEqual(moved.start, 0.36 / 1.16, accuracy: 1e-6)
        XCTAssertEqual(moved.end, 10, accuracy: 1e-5)
    }
}
