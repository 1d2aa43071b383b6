import Foundation
import XCTest

/// What is left when the disk is full, stood for by a limit on the size of files (`ulimit -f`, in KiB): whole files or none, exit code 1, no crash.
/// And what is left when a signal ends the program.
final class FullDiskTests: CommandTestCase {
    /// Starts a program, with files of at most `limit` KiB when that is given.
    private func start(limit: Int? = nil, _ arguments: [String]) throws -> (code: Int32, errors: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", (limit.map { "trap '' XFSZ; ulimit -f \($0); " } ?? "") + "exec \"$@\"", "bash"] + arguments
        let marks = ["OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_"]
        process.environment = ProcessInfo.processInfo.environment.filter { variable in !marks.contains { variable.key.hasPrefix($0) } }
        let errors = Pipe()
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        XCTAssertEqual(process.terminationReason, .exit, text)
        return (process.terminationStatus, text.replacingOccurrences(of: folder, with: "FOLDER"))
    }

    private func files(_ path: String = "") throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder + path).sorted() }

    private func synthesize(_ name: String, _ options: String...) -> [String] {
        [executable.path, "synthesize", "--output", "\(folder)/\(name)"] + options
    }

    private func message(_ file: String) -> String {
        """
        error: the file could not be written whole: File too large
          where: file 'FOLDER/\(file)'
          do: free space on the disk, then start again

        """
    }

    func testAStoreThatDoesNotFit() throws {
        let small = ["--videos", "3", "--dimension", "4"], large = ["--videos", "40", "--dimension", "64"]
        let first = try start([executable.path, "synthesize", "--output", folder + "/a.h5"] + small)
        XCTAssertEqual(first.code, 0, first.errors)
        let before = try Data(contentsOf: URL(fileURLWithPath: folder + "/a.h5"))
        let ended = try start(limit: 60, [executable.path, "synthesize", "--output", folder + "/a.h5"] + large)
        XCTAssertEqual(ended.code, 1)
        XCTAssertEqual(ended.errors, message("a.h5"))
        XCTAssertEqual(try files(), ["a.h5"])
        XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: folder + "/a.h5")), before)
    }

    func testSeveralRanksLeaveNoPartOfAStoreThatDoesNotFit() throws {
        // mpirun gives its processes the usual signals back.
        let limited = ["/bin/bash", "-c", "trap '' XFSZ; ulimit -f 100000; exec \"$@\"", "bash"]
        let ended = try start(
            [root.appendingPathComponent("launch/mpirun").path, "2"] + limited + synthesize("a.h5", "--videos", "200", "--dimension", "4096"))
        XCTAssertEqual(ended.code, 1, ended.errors)
        XCTAssertTrue(ended.errors.contains("error: the file could not be written whole: File too large\n"), ended.errors)
        XCTAssertTrue(ended.errors.contains("file 'FOLDER/a.h5'\n  do: free space on the disk, then start again\n"), ended.errors)
        XCTAssertEqual(try files(), [])
    }

    func testSignalsLeaveNoPart() throws {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            let process = Process()
            process.executableURL = executable
            process.arguments = Array(synthesize("a.h5", "--videos", "3", "--dimension", "4").dropFirst())
            let marks = ["OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_"]
            process.environment = ProcessInfo.processInfo.environment.filter { variable in !marks.contains { variable.key.hasPrefix($0) } }
                .merging(["KAIROS_TEST_HOLD": "writing rows:0", "KAIROS_TEST_HOLD_FOLDER": folder]) { $1 }
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            while process.isRunning, try !files().contains("held-0") { usleep(5_000) }
            // The lock, and the store under a name of its writer's own.
            let there = try files()
            XCTAssertEqual(there.count, 3, "\(there)")
            XCTAssertNotNil(there.first { $0.range(of: "^a\\.h5\\.[0-9a-f]{16}\\.part$", options: .regularExpression) != nil }, "\(there)")
            XCTAssertTrue(there.contains("a.h5.lock"), "\(there)")
            kill(process.processIdentifier, number)
            process.waitUntilExit()
            XCTAssertEqual(process.terminationReason, .uncaughtSignal)
            XCTAssertEqual(process.terminationStatus, number)
            unlink(folder + "/held-0")
            XCTAssertEqual(try files(), [])
        }
    }

    func testALogThatDoesNotFit() throws {
        let made = try start(synthesize("store.h5", "--videos", "12", "--classes", "3", "--dimension", "8"))
        XCTAssertEqual(made.code, 0, made.errors)
        try write(
            """
            data: {store: FOLDER/store.h5, virtual_shards: 2, batch_size: 2, max_rows: 100}
            \(Self.tinyModel())
            training: {iterations: 60, warmup_iterations: 2, checkpoint_every: 60, log_every: 1, threads: 1}
            """, "run.yaml")
        let ended = try start(limit: 8, [executable.path, "train", folder + "/run.yaml", "--output", folder + "/run"])
        XCTAssertEqual(ended.code, 1)
        XCTAssertTrue(
            ended.errors.hasSuffix(
                """
                error: the log could not be written: File too large
                  where: file 'FOLDER/run/log.jsonl'
                  do: check the free space of the disk

                """), ended.errors)
        XCTAssertEqual(try files("/run"), ["checkpoints", "config.yaml", "log.jsonl", "truth.json"])
        // The file's own text as soon as that is too long.
        let first = try start(limit: 1, [executable.path, "train", folder + "/run.yaml", "--output", folder + "/other"])
        XCTAssertEqual(first.code, 1)
        XCTAssertTrue(
            first.errors.hasSuffix(
                """
                error: the file could not be written: File too large
                  where: file 'FOLDER/other/config.yaml'
                  do: check the folder's permissions and free space

                """), first.errors)
        XCTAssertEqual(try files("/other"), ["checkpoints"])
    }

    func testACheckpointThatDoesNotFitLeavesTheOneBefore() throws {
        let made = try start(synthesize("store.h5", "--videos", "12", "--classes", "3", "--dimension", "8"))
        XCTAssertEqual(made.code, 0, made.errors)
        try write(
            """
            data: {store: FOLDER/store.h5, virtual_shards: 2, batch_size: 2, max_rows: 100}
            \(Self.tinyModel(width: 32))
            training: {iterations: 4, warmup_iterations: 2, checkpoint_every: 2, keep: 1, threads: 1}
            """, "run.yaml")
        let train = [executable.path, "train", folder + "/run.yaml", "--output", folder + "/run"]
        let first = try start(train + ["--stop-after", "2"])
        XCTAssertEqual(first.code, 0, first.errors)
        let name = "step-00000002.h5"
        let before = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/run/checkpoints/\(name)"))
        // The last pages alone, which go to the disk on closing, and all of it.
        for limit in [before.count / 1_024 - 1, before.count / 2_048] {
            let ended = try start(limit: limit, train + ["--resume"])
            XCTAssertEqual(ended.code, 1)
            XCTAssertTrue(ended.errors.hasSuffix(message("run/checkpoints/step-00000004.h5")), ended.errors)
            XCTAssertEqual(try files("/run/checkpoints"), [name])
            XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/run/checkpoints/\(name)")), before)
        }
        let whole = try start(train + ["--resume"])
        XCTAssertEqual(whole.code, 0, whole.errors)
        XCTAssertEqual(try files("/run/checkpoints"), ["step-00000004.h5"])
    }
}
