import Foundation
import XCTest

/// Two jobs with one output: one of them does its work, the other is refused and touches nothing.
final class OutputLockCommandTests: FaultTestCase {
    private func refusal(_ path: String, _ words: String, process: Int32) throws -> NSRegularExpression {
        let start = NSRegularExpression.escapedPattern(for: "another job \(words): process \(process) on host '")
        let place = NSRegularExpression.escapedPattern(for: "file '\(path)'\n  do: wait until it ends, or choose another output\n")
        return try NSRegularExpression(
            pattern: "error: " + start + "[^']+', since [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC\n  where: (rank 0, )?" + place)
    }

    private func requireRefused(_ ended: Ended, _ path: String, _ words: String, by process: Int32, line: UInt = #line) throws {
        XCTAssertEqual(ended.code, 1, ended.errors, line: line)
        let pattern = try refusal(path, words, process: process)
        XCTAssertEqual(
            pattern.numberOfMatches(in: ended.errors, range: NSRange(ended.errors.startIndex..., in: ended.errors)), 1, ended.errors, line: line)
    }

    /// Runs `body` while a job of two ranks is held within its work.
    private func whileHeld(_ job: Job, _ body: (Int32) throws -> Void) throws {
        XCTAssertTrue(job.waitUntilHeld(0), job.said)
        defer { job.release() }
        try body(try XCTUnwrap(job.find(.rank(0))))
    }

    func testASecondRunIsRefusedAndTheFirstGoesOn() throws {
        let job = try start(.supervised, 2, "r", ["--set", "training.stall_seconds=3600"], holds: [(.step, 0, 9)])
        try whileHeld(job) { process in
            for more in [["--resume"], [], ["--seed", "9", "--timeline"]] {
                let arguments = ["train", folder + "/run.yaml", "--output", folder + "/r", "--set", "method.name=supervised"] + more
                try requireRefused(try start(executable, arguments), "FOLDER/r", "works in this folder", by: process)
                try requireRefused(try mpirun(2, arguments), "FOLDER/r", "works in this folder", by: process)
            }
            // What the run writes is not another's either; beside it there is room.
            let newest = "\(folder)/r/checkpoints/\(checkpoint(6))"
            for (name, isFree) in [("r/predictions.json", false), ("r/own.json", true)] {
                let ended = try kairos("detect", "--checkpoint", newest, "--store", folder + "/store.h5", "--output", "\(folder)/\(name)")
                if isFree {
                    XCTAssertEqual(ended.code, 0, ended.errors)
                } else {
                    try requireRefused(ended, "FOLDER/" + name, "is writing this file", by: process)
                }
            }
        }
        let ended = try job.end()
        XCTAssertEqual(ended.code, 0, ended.errors)
        XCTAssertEqual(try file("r/metrics.json"), try whole(.supervised).files["metrics.json"])
        let left = try FileManager.default.subpathsOfDirectory(atPath: folder + "/r").filter { $0.hasSuffix(".lock") || $0.hasSuffix(".part") }
        XCTAssertEqual(left, [])
    }

    func testAKilledRunsFolderIsTakenOver() throws {
        let job = try start(.supervised, 2, "k", holds: [(.step, 0, 9)])
        XCTAssertTrue(job.waitUntilHeld(0), job.said)
        XCTAssertTrue(job.send(SIGKILL, to: .rank(0)))
        _ = try job.end()
        XCTAssertTrue(FileManager.default.fileExists(atPath: folder + "/k/run.lock"))
        try write("half", "k/checkpoints/\(checkpoint(12)).0123456789abcdef.part")
        try requireResumes(.supervised, 1, "k", "after a kill")
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/k/run.lock"))
    }

    /// Started at once, where a dead job's lock stands: they must not take it away from each other.
    func testOfSeveralRunsAtOnceOneIsDone() throws {
        let job = try start(.supervised, 2, "m", holds: [(.step, 0, 3)])
        XCTAssertTrue(job.waitUntilHeld(0), job.said)
        XCTAssertTrue(job.send(SIGKILL, to: .rank(0)))
        _ = try job.end()
        let jobs = try (0..<3).map { _ in try start(.supervised, 1, "m", ["--resume"]) }
        let ended = try jobs.map { try $0.end() }
        XCTAssertTrue(ended.contains { $0.code == 0 }, "\(ended)")
        // One that comes when the others have ended finds a run that is done.
        for one in ended where one.code != 0 {
            XCTAssertEqual(one.code, 1)
            XCTAssertTrue(one.errors.contains("error: another job works in this folder: process "), one.errors)
        }
        XCTAssertEqual(try file("m/metrics.json"), try whole(.supervised).files["metrics.json"])
        XCTAssertEqual(unfinished("m"), [])
    }

    func testTwoWritersOfOneStore() throws {
        let process = Process()
        process.executableURL = executable
        process.arguments = ["synthesize", "--output", folder + "/a.h5", "--videos", "6", "--dimension", "4"]
        process.environment = ProcessInfo.processInfo.environment
            .merging(["KAIROS_TEST_HOLD": "writing rows:0", "KAIROS_TEST_HOLD_FOLDER": folder]) { $1 }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
            XCTAssertEqual(try? FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("a.") }, [])
        }
        while process.isRunning, !FileManager.default.fileExists(atPath: folder + "/held-0") { usleep(2_000) }
        let small = ["synthesize", "--output", folder + "/a.h5", "--videos", "3", "--dimension", "4"]
        for ended in [try start(executable, small), try mpirun(2, small)] {
            try requireRefused(ended, "FOLDER/a.h5", "is writing this file", by: process.processIdentifier)
        }
        let annotations = try kairos("synthesize", "--output", folder + "/b.h5", "--videos", "3", "--annotations-output", folder + "/a.h5")
        try requireRefused(annotations, "FOLDER/a.h5", "is writing this file", by: process.processIdentifier)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/b.h5"))
    }
}
