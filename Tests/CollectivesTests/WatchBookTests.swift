import Collectives
import Diagnostics
import XCTest

/// Who is named, and how, from what was heard when; no rank and no message is needed.
final class WatchBookTests: XCTestCase {
    private func book(_ ranks: Int) -> WatchBook {
        WatchBook(hosts: (0..<ranks).map { "n\($0 / 2)" }, processes: (0..<ranks).map { 100 + $0 })
    }

    private func report(_ changes: Int, _ words: String, waits: Bool = false) -> Activity.Snapshot {
        Activity.Snapshot(changes: changes, waitsForRanks: waits, words: words)
    }

    private let advice =
        "  do: look on that host for a stopped process, a full or slow disk, or a lost connection, then start again with --resume; "
        + "where the operation rightly takes so long, raise training.stall_seconds"

    func testARankThatWaitsForNobodyIsNamedWhileOthersWaitForIt() {
        var book = book(4)
        for time in stride(from: 0.0, through: 10, by: 0.5) {
            book.hear(report(7, "burn-in, step 8: computing"), from: 2, at: time)
            for rank in [0, 1, 3] { book.hear(report(9, "burn-in, step 8: MPI_Allreduce", waits: true), from: rank, at: time) }
            XCTAssertEqual(book.stalled(at: time, after: 10) == nil, time < 10)
        }
        XCTAssertEqual(
            book.stalled(at: 10, after: 10)?.description,
            """
            error: rank 2 on host 'n1' (process 102) has made no progress for 10 s; ranks 0, 1 and 3 in 'burn-in, step 8: MPI_Allreduce'; \
            rank 2 in 'burn-in, step 8: computing'
              where: rank 2
            """ + "\n" + advice)
    }

    func testARankThatGetsOnIsNotNamedHoweverLongOthersWait() {
        var book = book(2)
        for time in stride(from: 0.0, through: 100, by: 1) {
            book.hear(report(Int(time), "round 1: labelling, step \(Int(time)): computing"), from: 0, at: time)
            book.hear(report(3, "round 1: labelling: MPI_Allreduce", waits: true), from: 1, at: time)
            XCTAssertNil(book.stalled(at: time, after: 10))
        }
    }

    /// A stopped process says nothing any more, whatever it said last.
    func testASilentRankIsNamedThoughItWaited() {
        var book = book(2)
        for time in stride(from: 0.0, through: 8, by: 1) {
            book.hear(report(3, "burn-in, step 2: MPI_Wait for rank 1", waits: true), from: 0, at: time)
        }
        book.hear(report(5, "burn-in, step 2: MPI_Wait for rank 0", waits: true), from: 1, at: 0)
        XCTAssertNil(book.stalled(at: 7.9, after: 8))
        XCTAssertEqual(
            book.stalled(at: 8, after: 8)?.what,
            "rank 1 on host 'n0' (process 101) has made no progress for 8 s; rank 0 in 'burn-in, step 2: MPI_Wait for rank 1'; "
                + "rank 1 in 'burn-in, step 2: MPI_Wait for rank 0', silent")
    }

    /// As when a host is lost: one of its ranks may have said something new a moment before.
    func testRanksThatFellSilentTogetherAreNamedTogether() {
        var book = book(4)
        for time in stride(from: 0.0, through: 61, by: 1) {
            for rank in 0..<2 { book.hear(report(3, "burn-in, step 2: MPI_Allreduce", waits: true), from: rank, at: time) }
        }
        book.hear(report(5, "burn-in, step 2: computing"), from: 2, at: 0.9)
        book.hear(report(5, "burn-in, step 2: MPI_Allreduce", waits: true), from: 3, at: 1)
        XCTAssertEqual(
            book.stalled(at: 60.95, after: 60)?.what,
            "rank 2 on host 'n1' (process 102) and rank 3 on host 'n1' (process 103) have made no progress for 60 s; "
                + "ranks 0 and 1 in 'burn-in, step 2: MPI_Allreduce'; rank 2 in 'burn-in, step 2: computing', silent; "
                + "rank 3 in 'burn-in, step 2: MPI_Allreduce', silent")
    }

    func testAllWaitForEachOther() {
        var book = book(2)
        for rank in 0..<2 { book.hear(report(1, "burn-in, step 3: MPI_Wait for rank \(1 - rank)", waits: true), from: rank, at: 0) }
        for rank in 0..<2 { book.hear(report(1, "burn-in, step 3: MPI_Wait for rank \(1 - rank)", waits: true), from: rank, at: 60) }
        XCTAssertNil(book.stalled(at: 60, after: 61))
        XCTAssertEqual(
            book.stalled(at: 60, after: 60)?.description,
            """
            error: no rank has made progress for 60 s, each waits for another; rank 0 in 'burn-in, step 3: MPI_Wait for rank 1'; rank 1 in \
            'burn-in, step 3: MPI_Wait for rank 0'
              do: check the network between the hosts, then start again with --resume; with a sound network report this as a fault of the program
            """)
        // One that is not watched may be at work.
        var other = self.book(3)
        for rank in 0..<2 { other.hear(report(1, "burn-in", waits: true), from: rank, at: 0) }
        for rank in 0..<2 { other.hear(report(1, "burn-in", waits: true), from: rank, at: 60) }
        XCTAssertNil(other.stalled(at: 60, after: 60))
    }

    /// As when a batch system has suspended the whole job for an hour.
    func testAPauseOfTheWatchIsNobodysFault() {
        var book = book(2)
        for rank in 0..<2 { book.hear(report(1, "burn-in, step 3: computing"), from: rank, at: 0) }
        XCTAssertNotNil(book.stalled(at: 3_600, after: 60))
        book.pardon(at: 3_600)
        XCTAssertNil(book.stalled(at: 3_600, after: 60))
        XCTAssertNotNil(book.stalled(at: 3_660, after: 60))
    }

    /// A rank whose processor cores are taken by other programs gets on slowly; that time is not counted.
    func testARankWithoutAProcessorCoreIsNotNamed() {
        var book = book(2)
        func hear(at time: Double, starved: Double) {
            book.hear(report(1, "burn-in, step 3: computing"), from: 0, at: time, starved: starved)
            book.hear(report(1, "burn-in, step 3: MPI_Allreduce", waits: true), from: 1, at: time)
        }
        // Half of the time it waits for a core.
        for time in stride(from: 0.0, through: 19, by: 1) {
            hear(at: time, starved: 5 + time / 2)
            XCTAssertNil(book.stalled(at: time, after: 10), "\(time)")
        }
        hear(at: 20, starved: 15)
        XCTAssertEqual(book.stalled(at: 20, after: 10)?.places, [.rank(0)])
        // More than has passed is no credit for later.
        var other = self.book(1)
        other.hear(report(1, "x"), from: 0, at: 0, starved: 0)
        other.hear(report(1, "x"), from: 0, at: 1, starved: 50)
        other.hear(report(1, "x"), from: 0, at: 11, starved: 50)
        XCTAssertNotNil(other.stalled(at: 11, after: 10))
    }

    /// A training goes on with --resume; before its configuration is read, and in other commands, other settings hold.
    func testLimitsSayWhatToDo() throws {
        XCTAssertEqual(StallLimit.training(60).advice, String(advice.dropFirst(6)))
        XCTAssertEqual(try StallLimit.usual([:]), StallLimit(seconds: 60, setting: "KAIROS_STALL_SECONDS"))
        XCTAssertEqual(try StallLimit.usual(["KAIROS_STALL_SECONDS": "300"]).seconds, 300)
        XCTAssertNil(try StallLimit.usual(["KAIROS_STALL_SECONDS": "null"]).seconds)
        for text in ["0", "", "86401", "1.5", "off"] {
            XCTAssertThrowsError(try StallLimit.usual(["KAIROS_STALL_SECONDS": text])) {
                XCTAssertEqual(
                    "\($0)",
                    """
                    error: KAIROS_STALL_SECONDS is '\(text)', neither a number of seconds from 1 to 86400 nor null
                      do: correct the environment variable
                    """)
                XCTAssertEqual(($0 as? Failure)?.exitCode, 2)
            }
        }
        var book = book(2)
        book.limit = StallLimit(seconds: 5, setting: "KAIROS_STALL_SECONDS")
        book.hear(report(1, "starting: computing"), from: 1, at: 0)
        XCTAssertEqual(
            book.stalled(at: 5, after: 5)?.advice,
            "look on that host for a stopped process, a full or slow disk, or a lost connection, then start again; "
                + "where the operation rightly takes so long, raise KAIROS_STALL_SECONDS")
        book.lose(1)
        XCTAssertEqual(book.lost(at: 5)?.advice, "look on that host for the reason (killed, out of memory, crash, power), then start again")
    }

    func testLostRanksAreNamedWithTheirLastOperation() {
        var book = book(7)
        for rank in 0..<7 { book.hear(report(1, "burn-in, step \(rank + 1): computing"), from: rank, at: 5 - 0.1 * Double(rank)) }
        XCTAssertNil(book.lost(at: 5))
        book.lose(3)
        XCTAssertEqual(
            book.lost(at: 5)?.description,
            """
            error: rank 3 on host 'n1' (process 103) has gone without a word; 0.3 s before it was in 'burn-in, step 4: computing'
              where: rank 3
              do: look on that host for the reason (killed, out of memory, crash, power), then start again with --resume
            """)
        for rank in [0, 1, 2, 4] { book.lose(rank) }
        XCTAssertEqual(book.lost(at: 5)?.places, [0, 1, 2, 3, 4].map { .rank($0) })
        XCTAssertEqual(book.lost(at: 5)?.what.hasSuffix("'burn-in, step 4: computing'; 1 more are gone"), true)
    }

    func testARankThatHasLeftIsNeitherLostNorStalled() {
        var book = book(2)
        for rank in 0..<2 { book.hear(report(1, "detecting: computing"), from: rank, at: 0) }
        book.leave(1)
        book.hear(report(2, "detecting: computing"), from: 0, at: 60)
        XCTAssertNil(book.lost(at: 60))
        XCTAssertNil(book.stalled(at: 60, after: 60))
    }

    /// What rank 0 has told of the others is as old as its own last word; that is not their fault.
    func testTheSecondRankNamesTheFirst() {
        var book = book(3)
        book.hear(report(1, "burn-in, step 3: computing"), from: 0, at: 10)
        book.hear(report(1, "burn-in, step 3: MPI_Allreduce", waits: true), from: 2, at: 10, heardAge: 0.1, changedAge: 4)
        book.hear(report(1, "burn-in, step 3: MPI_Allreduce", waits: true), from: 1, at: 70)
        XCTAssertNil(book.firstStalled(at: 69.9, after: 60))
        XCTAssertEqual(
            book.firstStalled(at: 70, after: 60)?.what,
            "rank 0 on host 'n0' (process 100) has made no progress for 60 s; rank 0 in 'burn-in, step 3: computing', silent; "
                + "ranks 1 and 2 in 'burn-in, step 3: MPI_Allreduce'")
    }

    func testActivity() {
        Activity.begin(stage: "burn-in")
        Activity.begin(step: 18)
        let before = Activity.snapshot
        XCTAssertEqual(before.words, "burn-in, step 18: computing")
        XCTAssertFalse(before.waitsForRanks)
        XCTAssertEqual(Activity.snapshot, before)
        Activity.during(.receive, 3) {
            let within = Activity.snapshot
            XCTAssertEqual(within.words, "burn-in, step 18: MPI_Recv from rank 3")
            XCTAssertTrue(within.waitsForRanks)
            XCTAssertGreaterThan(within.changes, before.changes)
            Activity.during(stage: "detecting") { XCTAssertEqual(Activity.snapshot.words, "detecting: MPI_Recv from rank 3") }
        }
        Activity.during(.writingFile) { XCTAssertFalse(Activity.snapshot.waitsForRanks) }
        XCTAssertEqual(Activity.snapshot.words, before.words)
        let last = Activity.snapshot.changes
        Activity.tick()
        XCTAssertEqual(Activity.snapshot.changes, last + 1)
    }
}
