import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// How far apart rows are, as checkpoints record it, and rows brought to another rate.
final class FeatureRateTests: FolderTestCase {
    private func store(_ make: (inout MemoryFeatures) -> Void) throws -> FeatureStore {
        var features = MemoryFeatures()
        make(&features)
        try FeatureStoreWriter().write(features, to: path("s.h5"))
        return try FeatureStore(path: path("s.h5"))
    }

    func testTheRateOfAStore() throws {
        let common = try XCTUnwrap(
            store {
                $0.add("a", rows: 20, stride: 15, window: 30)
                $0.add("b", rows: 40, stride: 15, window: 30)
            }.rate)
        XCTAssertEqual(common.secondsPerRow, .init(least: 0.5, median: 0.5, greatest: 0.5))
        XCTAssertEqual(common.secondsPerWindow, .init(least: 1, median: 1, greatest: 1))
        XCTAssertNil(common.rowsPerVideo)
        XCTAssertEqual([common.framesPerRow, common.framesPerWindow], [15, 30])
        XCTAssertEqual(FeatureRate(json: common.json), common)
        XCTAssertEqual(common.secondsPerRow.text, "0.5 s")
        // The same stride in frames at several frame rates.
        let spread = try XCTUnwrap(
            store {
                $0.add("a", rows: 20, fps: 24, stride: 4, window: 16)
                $0.add("b", rows: 20, fps: 30, stride: 4, window: 16)
                $0.add("c", rows: 20, fps: 30, stride: 4, window: 16)
            }.rate)
        XCTAssertEqual(spread.secondsPerRow, .init(least: 4.0 / 30, median: 4.0 / 30, greatest: 4.0 / 24))
        XCTAssertEqual(spread.secondsPerRow.text, "0.1333 to 0.1667 s")
        XCTAssertNil(spread.rowsPerVideo)
        // Rows that share videos of several lengths; clips of one length have a common rate.
        let spanned = try store {
            $0.add("a", rows: 100, stride: 12, window: 12)
            $0.add("b", rows: 100, stride: 30, window: 30)
        }
        XCTAssertEqual(spanned.rate?.rowsPerVideo, 100)
        let clips = try store {
            $0.add("a", rows: 100, stride: 12, window: 12)
            $0.add("b", rows: 100, stride: 12, window: 12)
        }
        XCTAssertNil(clips.rate?.rowsPerVideo)
        XCTAssertNil(FeatureRate([]))
    }

    func testTheRateInFiles() throws {
        let rate = FeatureRate(
            secondsPerRow: .init(least: 0.1, median: 1.0 / 3, greatest: 0.5), secondsPerWindow: .init(least: 1, median: 1, greatest: 2),
            rowsPerVideo: 100)
        XCTAssertEqual(FeatureRate(json: rate.json), rate)
        XCTAssertEqual(
            FeatureRate(secondsPerRow: .init(least: 0.5, median: 0.5, greatest: 0.5), secondsPerWindow: .init(least: 1, median: 1, greatest: 1)).json,
            #"{"seconds_per_row":{"greatest":0.5,"least":0.5,"median":0.5},"seconds_per_window":{"greatest":1,"least":1,"median":1}}"#)
        let times = #""seconds_per_window":{"greatest":1,"least":1,"median":1}}"#
        for text in [
            "", "{}", "[]", #"{"seconds_per_row":{"greatest":0.5,"least":-1,"median":0.5},"# + times,
            #"{"seconds_per_row":{"greatest":0.4,"least":0.5,"median":0.5},"# + times,
            #"{"rows_per_video":0,"seconds_per_row":{"greatest":1,"least":1,"median":1},"# + times,
            #"{"seconds_per_row":{"greatest":1e999,"least":1,"median":1},"# + times,
        ] { XCTAssertNil(FeatureRate(json: text), text) }
    }

    /// A line in time stays that line; the first row stays, and no row stands behind the last.
    func testRowsAtAnotherRate() throws {
        let grid = FeatureGrid(fps: 30, stride: 30, window: 30)
        func line(_ grid: FeatureGrid, _ rows: Int) -> [Float] {
            (0..<rows).flatMap { row -> [Float] in
                let seconds = Float(grid.seconds(atPosition: Double(row)))
                return [seconds, 7 - 2 * seconds]
            }
        }
        for (seconds, rows) in [(0.5, 19), (1.0, 10), (2.0, 5), (0.3, 31), (9.0, 2), (100, 1)] {
            let plan = try XCTUnwrap(RowResampling(rows: 10, grid: grid, secondsPerRow: seconds))
            XCTAssertEqual(plan.rows, rows, "\(seconds)")
            XCTAssertEqual(plan.grid, FeatureGrid(fps: 30, stride: seconds * 30, window: 30))
            var found = [Float](repeating: .nan, count: 2 * plan.rows)
            plan.apply(line(grid, 10), columns: 2, to: &found)
            for (value, wanted) in zip(found, line(plan.grid, plan.rows)) { XCTAssertEqual(value, wanted, accuracy: 1e-4, "\(seconds)") }
        }
        // Every second row, to the bit.
        let half = try XCTUnwrap(RowResampling(rows: 9, grid: grid, secondsPerRow: 2))
        var found = [Float](repeating: .nan, count: half.rows)
        half.apply((0..<9).map { 1 / Float($0 + 3) }, columns: 1, to: &found)
        XCTAssertEqual(found, [3, 5, 7, 9, 11].map { 1 / Float($0) })
        // So many rows that no machine holds them.
        XCTAssertNil(RowResampling(rows: 1_000_000, grid: grid, secondsPerRow: 1e-9))
    }

    func testRowsThatShareTheVideo() throws {
        let grid = FeatureGrid(fps: 30, stride: 30, window: 30)
        let plan = RowResampling(rows: 10, grid: grid, count: 20)
        XCTAssertEqual(plan.grid, FeatureGrid(fps: 30, stride: 15, window: 15))
        XCTAssertEqual((0..<20).map(plan.place), [0] + (1..<19).map { Double($0) / 2 - 0.25 } + [9])
        XCTAssertEqual((0..<4).map(RowResampling(rows: 8, grid: grid, count: 4).place), [0.5, 2.5, 4.5, 6.5])
        var found = [Float](repeating: .nan, count: 3)
        RowResampling(rows: 1, grid: grid, count: 3).apply([5], columns: 1, to: &found)
        XCTAssertEqual(found, [5, 5, 5])
    }
}
