import ConfigurationProposals
import FeatureStore
import XCTest

final class PyramidLevelsTests: XCTestCase {
    private func levels(_ actions: [Double]?, recordings: [Double]) throws -> PyramidLevels {
        PyramidLevels(actions: try actions.map { try XCTUnwrap(ValueSpread($0)) }, recordings: try XCTUnwrap(ValueSpread(recordings)))
    }

    /// 95 % of the actions have up to 40 rows: 2^(5 + 1) = 64 is the first power that covers them.
    func testLevelsCoverTheActions() throws {
        let found = try levels(Array(repeating: 40, count: 19) + [22, 60], recordings: [1180])
        XCTAssertEqual(found.count, 5)
        XCTAssertEqual(found.ranges, [0...4, 2...8, 4...16, 8...32, 16...10_000])
        XCTAssertEqual(found.longest, 60)
        XCTAssertEqual(found.reason, "the last level's points are 16 rows apart, 95 % of the actions have up to 40 rows")
        XCTAssertEqual(found.rangesReason, "half of an action has 20 to 20 rows (5 % to 95 %), the longest 30")
    }

    func testBordersOfLevels() throws {
        // Up to 4 rows: one level; up to 8: two; ...
        for (rows, count) in [(4.0, 1), (4.5, 2), (8, 2), (8.5, 3), (64, 5), (65, 6), (1e9, 10)] {
            XCTAssertEqual(try levels([rows], recordings: [1e6]).count, count, "\(rows)")
        }
    }

    func testEveryLengthHasALevel() throws {
        for longest in [0.2, 3, 17, 300, 20_001.5] {
            let found = try levels([longest], recordings: [1000])
            XCTAssertEqual(found.ranges.count, found.count)
            XCTAssertEqual(found.ranges[0].lowerBound, 0)
            for (one, next) in zip(found.ranges, found.ranges.dropFirst()) { XCTAssertLessThanOrEqual(next.lowerBound, one.upperBound) }
            XCTAssertGreaterThanOrEqual(Double(found.ranges[found.count - 1].upperBound), longest)
        }
    }

    /// The last level keeps some points in a recording of middle length.
    func testShortRecordingsHaveFewLevels() throws {
        XCTAssertEqual(try levels([30], recordings: [32]).count, 4)
        XCTAssertEqual(try levels([30], recordings: [8]).count, 2)
        let one = try levels([30], recordings: [1])
        XCTAssertEqual(one.count, 1)
        XCTAssertEqual(one.ranges, [0...10_000])
        XCTAssertTrue(one.reason.hasSuffix("recordings 1: more levels would have too few points"), one.reason)
    }

    func testUnknownActions() throws {
        let found = try levels(nil, recordings: [80, 80, 100])
        // 2^4 rows between points are within a quarter of 80.
        XCTAssertEqual(found.count, 5)
        XCTAssertEqual(found.longest, 100)
        XCTAssertTrue(found.reason.contains("lengths of actions are not known"), found.reason)
    }

    func testActionsShorterThanARowAreNamed() throws {
        XCTAssertTrue(try levels([0.5, 3], recordings: [100]).rangesReason.hasSuffix("; actions shorter than a row may have no point"))
        XCTAssertFalse(try levels([1, 3], recordings: [100]).rangesReason.contains("shorter than a row"))
    }
}
