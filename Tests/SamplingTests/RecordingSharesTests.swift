import RandomStreams
import Sampling
import XCTest

/// Whole recordings divided among ranks by their lengths.
final class RecordingSharesTests: XCTestCase {
    private func shares(_ rows: [Int], _ ranks: Int) -> [[Int]] { (0..<ranks).map { RecordingShares.places(rows: rows, ranks: ranks, rank: $0) } }

    func testByHand() {
        XCTAssertEqual(shares([5, 9, 4, 7, 6], 1), [[0, 1, 2, 3, 4]])
        // 9 to the first, 7 and 6 to the second, 5 to the first, 4 to the second.
        XCTAssertEqual(shares([5, 9, 4, 7, 6], 2), [[0, 1], [2, 3, 4]])
        XCTAssertEqual(shares([], 3), [[], [], []])
        XCTAssertEqual(shares([8, 8], 3), [[0], [1], []])
        XCTAssertEqual(shares([0, 0, 0, 0], 2), [[0, 2], [1, 3]], "empty ones are shared too")
    }

    /// Each recording once, ascending, and no rank has more than 4/3 of the least possible (Graham's bound, of which the mean is no more).
    func testEachOnceAndLevel() {
        var random = RandomStream(seed: 8, "rows")
        for (count, ranks) in [(1, 1), (1, 4), (7, 2), (40, 3), (200, 16), (1000, 64), (5, 64)] {
            let rows = (0..<count).map { _ in 1 + random.uniformIndex(below: 2304) }, found = shares(rows, ranks)
            XCTAssertEqual(found.flatMap { $0 }.sorted(), Array(0..<count))
            for own in found { XCTAssertEqual(own, own.sorted()) }
            let loads = found.map { $0.reduce(0) { $0 + rows[$1] } }
            let least = max(Double(rows.reduce(0, +)) / Double(ranks), Double(rows.max() ?? 0))
            XCTAssertLessThanOrEqual(Double(loads.max() ?? 0), 4 / 3 * least + 1, "\(count) recordings, \(ranks) ranks")
            if count >= 12 * ranks { XCTAssertGreaterThan(Double(loads.reduce(0, +)) / Double(ranks * (loads.max() ?? 1)), 0.97) }
        }
    }
}
