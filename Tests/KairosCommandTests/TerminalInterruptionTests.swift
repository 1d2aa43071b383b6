import Foundation
import XCTest

/// Ctrl-C: once for a checkpoint, twice for the end.
final class TerminalInterruptionTests: FaultTestCase {
    /// Starts a command on a terminal of its own and types Ctrl-C when rank 0 is held at a step.
    private func typeAtTerminal(_ command: [String], run: String, step: Int) throws -> (code: Int32, output: String) {
        let process = Process(), input = Pipe(), output = folder + "/terminal"
        process.executableURL = URL(fileURLWithPath: "/usr/bin/script")
        process.arguments = ["-qec", "exec " + command.map { "'\($0)'" }.joined(separator: " "), "/dev/null"]
        let marks = ["OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_"]
        process.environment = ProcessInfo.processInfo.environment.filter { variable in !marks.contains { variable.key.hasPrefix($0) } }
            .merging(["SHELL": "/bin/bash", "KAIROS_TEST_HOLD": "step:0:\(step)", "KAIROS_TEST_HOLD_FOLDER": folder]) { $1 }
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        process.standardInput = input
        process.standardOutput = FileHandle(forWritingAtPath: output)
        process.standardError = process.standardOutput
        try process.run()
        unlink(folder + "/held-0")
        while process.isRunning, !FileManager.default.fileExists(atPath: folder + "/held-0") { usleep(2_000) }
        try input.fileHandleForWriting.write(contentsOf: Data([3]))
        process.waitUntilExit()
        unlink(folder + "/held-0")
        let text = try String(contentsOfFile: output, encoding: .utf8).replacingOccurrences(of: folder, with: "FOLDER")
        return (process.terminationStatus, text)
    }

    func testCtrlCOnATerminalLeavesACheckpoint() throws {
        let launcher = [root.appendingPathComponent("launch/mpirun").path, "2"]
        for (run, before, signal) in [("alone", [], "SIGINT"), ("ranks", launcher, "SIGUSR1")] {
            let train = [executable.path, "train", folder + "/run.yaml", "--output", folder + "/" + run, "--set", "method.name=supervised"]
            let ended = try typeAtTerminal(before + train, run: run, step: 3)
            XCTAssertEqual(ended.code, 75, ended.output)
            let words = "interrupted: \(signal) came in training; the run is kept at step \(try XCTUnwrap(steps(run).last)) of 30"
            XCTAssertTrue(ended.output.contains(words), ended.output)
            // What is said last is the program's.
            XCTAssertEqual(
                ended.output.split(whereSeparator: \.isNewline).last,
                "  do: start the same command with --resume; the number of ranks may be another that divides data.virtual_shards", ended.output)
            try requireResumes(.supervised, 2, run, run)
        }
    }

    func testTheSecondEndsAtOnce() throws {
        let job = try start(.supervised, 2, "twice", holds: [(.step, 1, 3)])
        XCTAssertTrue(job.waitUntilHeld(1), job.said)
        // Rank 0 waits for it, and cannot come to the end of its step.
        XCTAssertTrue(job.send(SIGSTOP, to: .rank(1)))
        let first = try XCTUnwrap(job.find(.rank(0)))
        // Within a moment it is the same one, by another way.
        for _ in 0..<2 { XCTAssertEqual(kill(first, SIGINT), 0) }
        usleep(300_000)
        XCTAssertNotNil(job.find(.rank(0)), "the first SIGINT ends nothing")
        XCTAssertTrue(job.send(SIGINT, to: .rank(0)))
        let ended = try job.end()
        XCTAssertNotEqual(ended.code, 0, ended.errors)
        XCTAssertNotEqual(ended.code, 75, ended.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/twice/run.lock"))
        XCTAssertEqual(unfinished("twice"), [])
        try requireResumes(.supervised, 1, "twice", "after the second")
    }
}
