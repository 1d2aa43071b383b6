import Foundation
import XCTest

/// Ranks that are killed or stopped: the job ends soon, the message names the rank, the host and what it did, and the run goes on.
final class DeadRankTests: FaultTestCase {
    override var stallSeconds: Int { 2 }

    private var host: String { ProcessInfo.processInfo.hostName }

    /// A message with process numbers and times put as N.
    private func plain(_ text: String) -> String {
        text.replacingOccurrences(of: "process [0-9]+", with: "process N", options: .regularExpression)
            .replacingOccurrences(of: "[0-9]+\\.[0-9] s before", with: "N s before", options: .regularExpression)
            .replacingOccurrences(of: "'[a-z0-9: -]+(, step [0-9]+)?: [A-Za-z_ ]+[0-9]*'", with: "'OPERATION'", options: .regularExpression)
    }

    private func match(_ pattern: String, _ text: String) -> Bool { text.range(of: pattern, options: .regularExpression) != nil }

    func testAKilledRankEndsTheJob() throws {
        // The last one: over TCP, whose broken connections MPI may notice first.
        let cases: [(method: Method, ranks: Int, rank: Int, step: Int, options: [String])] = [
            (.supervised, 2, 1, 8, []), (.apl, 2, 0, 20, []), (.apl, 4, 2, 36, []), (.supervised, 4, 0, 3, []),
            (.supervised, 2, 1, 8, ["--mca", "btl", "self,tcp"]),
        ]
        for (number, one) in cases.enumerated() {
            let run = "k\(number)", what = "\(one)"
            let job = try start(one.method, one.ranks, run, options: one.options)
            job.wait(forStep: one.step)
            XCTAssertTrue(job.send(SIGKILL, to: .rank(one.rank)), what)
            let ended = try job.end(within: 10)
            XCTAssertNotEqual(ended.code, 0, what)
            XCTAssertNotEqual(ended.code, 75, what)
            XCTAssertTrue(
                plain(ended.errors).contains(
                    """
                    error: rank \(one.rank) on host '\(host)' (process N) has gone without a word; N s before it was in 'OPERATION'
                      where: rank \(one.rank)
                      do: look on that host for the reason (killed, out of memory, crash, power), then start again with --resume

                    """), "\(what): \(ended.errors)")
            // Ranks report four times a second: a fast one may have begun to train after its last report.
            XCTAssertTrue(
                match("it was in '(starting|preparing|training|pre-training|burn-in|round [12](: labelling)?)(, step [0-9]+)?: ", ended.errors),
                ended.errors)
            XCTAssertEqual(ended.errors.components(separatedBy: "error: ").count - 1, 1, "\(what): \(ended.errors)")
            XCTAssertFalse(job.isLeft, what)
            try requireResumes(one.method, [4, 1, 2][number % 3], run, what)
        }
    }

    /// Where nobody watches over processes (`srun` without `--kill-on-bad-exit`): the other ranks end the job themselves.
    func testAKilledRankUnderALauncherThatDoesNotWatch() throws {
        let job = try start(.supervised, 2, "c", options: ["bash", "-c", "\"$@\"; sleep 30; exit 0", "launcher"])
        job.wait(forStep: 5)
        XCTAssertTrue(job.send(SIGKILL, to: .rank(1)))
        let ended = try job.end(within: 10)
        XCTAssertEqual(ended.code, 1, ended.errors)
        XCTAssertTrue(plain(ended.errors).contains("error: rank 1 on host '\(host)' (process N) has gone without a word; "), ended.errors)
        XCTAssertFalse(job.isLeft)
    }

    func testAStoppedRankIsNamed() throws {
        let cases: [(ranks: Int, rank: Int)] = [(2, 1), (4, 2), (2, 0)]
        for (number, one) in cases.enumerated() {
            let run = "t\(number)", what = "\(one)"
            let job = try start(.apl, one.ranks, run)
            job.wait(forStep: 10)
            XCTAssertTrue(job.send(SIGSTOP, to: .rank(one.rank)), what)
            let ended = try job.end(within: 12)
            XCTAssertEqual(ended.code, 1, what)
            let text = plain(ended.errors)
            XCTAssertTrue(text.contains("error: rank \(one.rank) on host '\(host)' (process N) has made no progress for 2 s; "), ended.errors)
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
            try requireResumes(.apl, 4, run, what)
        }
    }

    /// A rank that is stopped for less than `stall_seconds`, and a whole job that is stopped for longer, go on.
    func testPausesAreForgiven() throws {
        let job = try start(.supervised, 2, "p")
        job.wait(forStep: 5)
        XCTAssertTrue(job.send(SIGSTOP, to: .rank(1)))
        usleep(800_000)
        XCTAssertTrue(job.send(SIGCONT, to: .rank(1)))
        job.wait(forStep: 10)
        for rank in 0..<2 { job.send(SIGSTOP, to: .rank(rank)) }
        sleep(4)
        for rank in 0..<2 { job.send(SIGCONT, to: .rank(rank)) }
        let ended = try job.end(within: 60)
        XCTAssertEqual(ended.code, 0, ended.errors)
        XCTAssertEqual(try XCTUnwrap(file("p/metrics.json")), try whole(.supervised).files["metrics.json"])
    }
}
