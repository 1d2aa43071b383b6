import FeatureStore
import TemporalAnnotations
import TestSupport
import XCTest

final class StoreStatisticsTests: FolderTestCase {
    // MARK: Spreads

    /// Against numpy.quantile of [1, 2, 4, 8, 16]: places 0.2 and 3.8 between the values.
    func testQuantiles() throws {
        let spread = try XCTUnwrap(ValueSpread([16, 1, 8, 2, 4]))
        XCTAssertEqual(spread.count, 5)
        XCTAssertEqual(spread.least, 1)
        XCTAssertEqual(spread.low, 1.2, accuracy: 1e-12)
        XCTAssertEqual(spread.median, 4)
        XCTAssertEqual(spread.high, 14.4, accuracy: 1e-12)
        XCTAssertEqual(spread.greatest, 16)
        XCTAssertEqual(spread.mean, 6.2, accuracy: 1e-12)
    }

    func testQuantilesOfEvenCountsOneAndNone() throws {
        XCTAssertEqual(ValueSpread([3, 1])?.median, 2)
        let one = try XCTUnwrap(ValueSpread([7]))
        XCTAssertEqual([one.least, one.low, one.median, one.high, one.greatest, one.mean], [7, 7, 7, 7, 7, 7])
        XCTAssertNil(ValueSpread([]))
    }

    func testHistogram() {
        typealias Bin = PowerHistogram.Bin
        XCTAssertEqual(
            PowerHistogram([0, 0.99, 1, 3.99, 4, 17]).bins,
            [
                Bin(from: 0, below: 1, count: 2), Bin(from: 1, below: 2, count: 1), Bin(from: 2, below: 4, count: 1),
                Bin(from: 4, below: 8, count: 1), Bin(from: 8, below: 16, count: 0), Bin(from: 16, below: 32, count: 1),
            ])
        XCTAssertEqual(PowerHistogram([6]).bins, [Bin(from: 4, below: 8, count: 1)])
        XCTAssertEqual(PowerHistogram([]).bins, [])
    }

    // MARK: Stores

    /// Rows are half a second apart.
    private func store(_ fill: (inout MadeRecordings) -> Void) throws -> FeatureStore {
        var made = MadeRecordings(classes: ["run", "jump", "say \"no\""])
        fill(&made)
        return try made.store(path("store.h5"))
    }

    /// a: run [0, 2] and [1, 3] overlap, jump [2.5, 4] overlaps the second run, run [6, 7] touches nothing: 10 s, of which 5 are covered.
    /// b: jump [0, 10] up to the end of 10 s. c, without actions, counts for neither background nor actions per recording.
    func testFiguresByHand() throws {
        let store = try store {
            $0.add("a", duration: 10, rows: 19, actions: [(0, 2, 0), (1, 3, 0), (2.5, 4, 1), (6, 7, 0)])
            $0.add("b", duration: 10, rows: 19, actions: [(0, 10, 1)])
            $0.add("c", subset: "Test", duration: 4, rows: 7, actions: [])
        }
        let all = try XCTUnwrap(store.statistics.first)
        XCTAssertNil(all.subset)
        XCTAssertEqual(all.recordings, 3)
        XCTAssertEqual(all.labelledRecordings, 2)
        XCTAssertEqual(all.weaklyLabelledRecordings, 0)
        XCTAssertEqual(all.dimension, 4)
        XCTAssertEqual(all.rows, 45)
        XCTAssertEqual(all.recordingRows?.least, 7)
        XCTAssertEqual(all.recordingRows?.median, 19)
        XCTAssertEqual(all.actions, 5)
        // Rows: 4, 4, 2 (run), 3, 20 (jump).
        XCTAssertEqual(all.actionRows?.least, 2)
        XCTAssertEqual(all.actionRows?.median, 4)
        XCTAssertEqual(all.actionRows?.greatest, 20)
        XCTAssertEqual(try XCTUnwrap(all.actionRows).mean, 33.0 / 5, accuracy: 1e-9)
        XCTAssertEqual(all.actionHistogram.bins.map(\.count), [2, 2, 0, 1])
        XCTAssertEqual(try XCTUnwrap(all.shortestActionSeconds), 1, accuracy: 1e-9)
        XCTAssertEqual(all.actionsPerRecording?.least, 1)
        XCTAssertEqual(all.actionsPerRecording?.mean, 2.5)
        XCTAssertEqual(try XCTUnwrap(all.background), 5.0 / 20, accuracy: 1e-9)
        // Two runs overlap each other; the second run and the jump overlap one another.
        XCTAssertEqual(all.sameClassOverlap, 2.0 / 5)
        XCTAssertEqual(all.otherClassOverlap, 2.0 / 5)
        XCTAssertEqual(all.classes.map(\.name), ["run", "jump", "say \"no\""])
        XCTAssertEqual(all.classes.map(\.actions), [3, 2, 0])
        XCTAssertEqual(all.classes.map(\.recordings), [1, 2, 0])
        XCTAssertEqual(all.classes.map { $0.actionRows?.greatest }, [4, 20, nil])
    }

    func testSubsets() throws {
        let store = try store {
            $0.add("a", duration: 10, rows: 19, actions: [(0, 2, 0)])
            $0.add("b", subset: "Test", duration: 4, rows: 7, actions: [])
        }
        XCTAssertEqual(store.statistics.map(\.subset), [nil, "Test", "Validation"])
        let test = store.statistics[1]
        XCTAssertEqual(test.recordings, 1)
        XCTAssertEqual(test.actions, 0)
        XCTAssertNil(test.actionRows)
        XCTAssertNil(test.background)
        XCTAssertNil(test.actionsPerRecording)
        XCTAssertNil(test.shortestActionSeconds)
        XCTAssertEqual(test.sameClassOverlap, 0)
        XCTAssertEqual(store.statistics(inSubset: "Validation"), store.statistics[2])
        XCTAssertEqual(store.statistics(inSubset: "nowhere").recordings, 0)
        XCTAssertNil(store.statistics(inSubset: "nowhere").recordingRows)
    }

    /// An action nested in another keeps the longer one's end; what lies beyond the recording covers nothing.
    func testBackgroundOfNestedActions() throws {
        let store = try store { $0.add("a", duration: 8, rows: 15, actions: [(0, 4, 0), (1, 2, 1), (3, 5, 1), (7, 8, 0)]) }
        XCTAssertEqual(try XCTUnwrap(store.statistics[0].background), 2.0 / 8, accuracy: 1e-9)
        XCTAssertEqual(store.statistics.count, 1)
    }
}
