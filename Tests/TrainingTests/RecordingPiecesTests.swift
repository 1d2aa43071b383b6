import ActionDetection
import Training
import XCTest

final class RecordingPiecesTests: XCTestCase {
    /// Of any number of rows: every row is in a piece, cores follow one another, and a core that is not at an end has its context.
    func testPiecesCoverARecording() {
        let length = 1024
        for rows in [1, 1023, 1024, 1025, 1791, 1792, 1793, 5000, 20_000] {
            let pieces = RecordingPieces(rows: rows, length: length).pieces
            XCTAssertEqual(pieces[0].rows.lowerBound, 0)
            XCTAssertEqual(pieces[0].core.lowerBound, -.infinity)
            XCTAssertEqual(pieces[pieces.count - 1].rows.upperBound, rows)
            XCTAssertEqual(pieces[pieces.count - 1].core.upperBound, .infinity)
            XCTAssertEqual(pieces.count, rows <= length ? 1 : (rows - length + 767) / 768 + 1, "\(rows)")
            for (a, b) in zip(pieces, pieces.dropFirst()) {
                XCTAssertEqual(a.core.upperBound, b.core.lowerBound)
                XCTAssertEqual(a.rows.count, length)
                XCTAssertEqual(Double(a.rows.upperBound) - a.core.upperBound, 128)
                XCTAssertEqual(b.core.lowerBound - Double(b.rows.lowerBound), 128)
                // Points of a pyramid of 8 levels lie where they lie in the whole.
                XCTAssertEqual(b.rows.lowerBound % 256, 0)
            }
        }
    }

    /// Every recording is in one round, at one rank, whatever their lengths; ranks have about as many rows.
    func testRounds() {
        let rows = (0..<101).map { $0 % 7 == 0 ? 90_000 : 100 + 13 * $0 }
        for ranks in [1, 2, 3, 8] {
            let rounds = Array(DetectionRounds(Array(rows.indices), rows: { rows[$0] }, ranks: ranks))
            XCTAssertEqual(rounds.flatMap { $0.joined() }.sorted(), Array(rows.indices))
            for round in rounds {
                XCTAssertEqual(round.count, ranks)
                XCTAssertLessThanOrEqual(round.joined().count, DetectionRounds.mostRecordings * ranks)
                let loads = round.map { $0.reduce(0) { $0 + rows[$1] } }
                // Longest first to the least loaded: nobody has more than the least loaded and one recording.
                XCTAssertLessThanOrEqual(loads.max() ?? 0, (loads.min() ?? 0) + 90_000)
                XCTAssertTrue(round.allSatisfy { $0 == $0.sorted() })
            }
        }
        XCTAssertEqual(Array(DetectionRounds([], rows: { _ in 1 }, ranks: 2)), [])
        XCTAssertEqual(Array(DetectionRounds([7], rows: { _ in 1 }, ranks: 2)), [[[7], []]])
    }
}
