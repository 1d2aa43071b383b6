import Foundation
import XCTest

/// Ranks that are killed or stopped: the job ends soon, the message names the rank, the host and what it did, and the run goes on.
final class DeadRankTests: FaultTestCase {
    override var stallSeconds: Int { Self.shortStall }

    private func match(_ pattern: String, _ text: String) -> Bool { text.range(of: pattern, options: .regularExpression) != nil }

    func testAKilledRankEndsTheJob() throws {
        // The last one: over TCP, whose broken connections MPI may notice first.
        let cases: [(method: Method, ranks: Int, rank: Int, step: Int, options: [String])] = [
            (.supervised, 2, 1, 8, []), (.apl, 2, 0, 20, []), (.apl, 4, 2, 36, []), (.supervised, 4, 0, 3, []),
            (.supervised, 2, 1, 8, ["--mca", "btl", "self,tcp"]),
        ]
        for (number, one) in cases.enumerated() {
            let run = "k\(number)", what = "\(one)"
            let job = try start(one.method, one.ranks, run, options: one.options, holds: [(.step, one.rank, one.step)])
            XCTAssertTrue(job.waitUntilHeld(one.rank), what)
            XCTAssertTrue(job.send(SIGKILL, to: .rank(one.rank)), what)
            let ended = try job.end()
            XCTAssertNotEqual(ended.code, 0, what)
            XCTAssertNotEqual(ended.code, 75, what)
            XCTAssertTrue(
                plain(ended.errors).contains(
                    """
                    error: rank \(one.rank) on host '\(host)' (process N) has gone without a word; N s before it was in 'OPERATION'
                      where: rank \(one.rank)
                      do: look on that host for the reason (killed, out of memory, crash, power), then start again with --resume

                    """), "\(what): \(ended.errors)")
            // Ranks report four times a second: the last report of a fast one may be of any part of the run up to where it was held.
            let parts = "starting|reading a checkpoint|preparing|training|pre-training|burn-in|round [12](: labelling)?"
            XCTAssertTrue(match("it was in '(\(parts))(, step [0-9]+)?: ", ended.errors), ended.errors)
            XCTAssertEqual(ended.errors.components(separatedBy: "error: ").count - 1, 1, "\(what): \(ended.errors)")
            XCTAssertFalse(job.isLeft, what)
            try requireResumes(one.method, [4, 1, 2][number % 3], run, what)
        }
    }

    /// Where nobody watches over processes (`srun` without `--kill-on-bad-exit`): the other ranks end the job themselves.
    func testAKilledRankUnderALauncherThatDoesNotWatch() throws {
        let job = try start(
            .supervised, 2, "c", options: ["bash", "-c", "\"$@\"; sleep 300; exit 0", "launcher"], holds: [(.step, 1, 5)])
        XCTAssertTrue(job.waitUntilHeld(1))
        XCTAssertTrue(job.send(SIGKILL, to: .rank(1)))
        let ended = try job.end()
        XCTAssertEqual(ended.code, 1, ended.errors)
        XCTAssertTrue(plain(ended.errors).contains("error: rank 1 on host '\(host)' (process N) has gone without a word; "), ended.errors)
        XCTAssertFalse(job.isLeft)
    }

    func testAStoppedRankIsNamed() throws {
        let cases: [(ranks: Int, rank: Int)] = [(2, 1), (4, 2), (2, 0)]
        // All wait together.
        let jobs = try cases.enumerated().map { number, one in
            let job = try start(.apl, one.ranks, "t\(number)", holds: [(.step, one.rank, 10)])
            XCTAssertTrue(job.waitUntilHeld(one.rank), "\(one)")
            XCTAssertTrue(job.send(SIGSTOP, to: .rank(one.rank)), "\(one)")
            return job
        }
        for (one, job) in zip(cases, jobs) {
            let what = "\(one)", ended = try job.end()
            XCTAssertEqual(ended.code, 1, what)
            let text = plain(ended.errors)
            XCTAssertTrue(
                text.contains("error: rank \(one.rank) on host '\(host)' (process N) has made no progress for \(stallSeconds) s; "), ended.errors)
            XCTAssertTrue(text.contains("rank \(one.rank) in 'OPERATION', silent"), ended.errors)
            XCTAssertTrue(
                text.contains(
                    """

                      where: rank \(one.rank)
                      do: look on that host for a stopped process, a full or slow disk, or a lost connection, then start again with --resume; \
                    where the operation rightly takes so long, raise training.stall_seconds

                    """), ended.errors)
            XCTAssertEqual(ended.errors.components(separatedBy: "error: ").count - 1, 1, "\(what): \(ended.errors)")
            XCTAssertFalse(job.isLeft, what)
            try requireResumes(.apl, 4, job.run, what)
        }
    }

    /// A rank that is at work on nothing (here: held by the test), though its watch reports.
    func testAStuckRankIsNamed() throws {
        let job = try start(.supervised, 2, "u", holds: [(.building, 1, 1)])
        XCTAssertTrue(job.waitUntilHeld(1))
        let ended = try job.end()
        XCTAssertEqual(ended.code, 1, ended.errors)
        XCTAssertTrue(
            plain(ended.errors).contains(
                "error: rank 1 on host '\(host)' (process N) has made no progress for \(stallSeconds) s; "
                    + "rank 0 in 'OPERATION'; rank 1 in 'OPERATION'\n"),
            ended.errors)
    }

    /// Where `stall_seconds` is null a stopped rank may take any time, though a dead one ends the job; a whole job that is stopped for longer than
    /// the limit goes on.
    func testWhatIsForgiven() throws {
        let free = try start(.supervised, 2, "n", ["--set", "training.stall_seconds=null"], holds: [(.step, 1, 5)])
        let paused = try start(.supervised, 2, "p", holds: [(.step, 1, 10)])
        for job in [free, paused] { XCTAssertTrue(job.waitUntilHeld(1)) }
        XCTAssertTrue(free.send(SIGSTOP, to: .rank(1)))
        for rank in 0..<2 { XCTAssertTrue(paused.send(SIGSTOP, to: .rank(rank))) }
        sleep(UInt32(stallSeconds) + 2)
        XCTAssertTrue(free.process.isRunning, free.said)
        XCTAssertTrue(free.send(SIGKILL, to: .rank(1)))
        for rank in 0..<2 { XCTAssertTrue(paused.send(SIGCONT, to: .rank(rank))) }
        paused.release()
        let dead = try free.end(), ended = try paused.end()
        XCTAssertTrue(plain(dead.errors).contains("error: rank 1 on host '\(host)' (process N) has gone without a word; "), dead.errors)
        XCTAssertEqual(ended.code, 0, ended.errors)
        XCTAssertEqual(try XCTUnwrap(file("p/metrics.json")), try whole(.supervised).files["metrics.json"])
    }
}
