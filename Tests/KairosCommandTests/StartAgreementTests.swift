import Foundation
import XCTest

/// Ranks that were started with something different each.
final class StartAgreementTests: FaultTestCase {
    /// Starts two ranks; `script` may look at OMPI_COMM_WORLD_RANK and runs the command as "$@".
    private func end(_ run: String, _ script: String, _ more: [String] = []) throws -> (code: Int32, errors: String) {
        let job = try start(.supervised, 2, run, more, options: ["bash", "-c", script, "launcher"])
        let ended = try job.end()
        XCTAssertEqual(ended.errors.components(separatedBy: "error: ").count - 1, 1, ended.errors)
        XCTAssertFalse(job.isLeft)
        return (ended.code, ended.errors.replacingOccurrences(of: "'[0-9a-f]{64}'", with: "'DIGEST'", options: .regularExpression))
    }

    private let advice = "  do: start the same program with the same configuration on every rank\n"

    /// Another build of the program on one rank, whatever the command: a byte more makes another file.
    func testPrograms() throws {
        let other = folder + "/other"
        try FileManager.default.copyItem(atPath: executable.path, toPath: other)
        let handle = try XCTUnwrap(FileHandle(forWritingAtPath: other))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data([0]))
        try handle.close()
        let text = "error: the program differs between ranks: rank 0 has '0.1.0 (build X)'; rank 1 has '0.1.0 (build X)'\n  where: rank 1\n" + advice
        func check(_ ended: (code: Int32, errors: String), line: UInt = #line) {
            XCTAssertEqual(ended.code, 1, ended.errors, line: line)
            let said = ended.errors.replacingOccurrences(of: "build [0-9a-f]{12}", with: "build X", options: .regularExpression)
            XCTAssertTrue(said.contains(text), ended.errors, line: line)
        }
        check(try end("p", "[ $OMPI_COMM_WORLD_RANK = 0 ] || { shift; set -- '\(other)' \"$@\"; }; exec \"$@\""))
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/p"))
        let made = try mpirun(
            2, ["synthesize", "--output", folder + "/new.h5", "--videos", "4", "--classes", "2", "--dimension", "4", "--seed", "1"],
            program: ["bash", "-c", "[ $OMPI_COMM_WORLD_RANK = 0 ] && exec \"$0\" \"$@\"; exec '\(other)' \"$@\"", executable.path])
        check((made.code, made.errors))
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/new.h5"))
    }

    func testConfigurations() throws {
        let ended = try end("c", "[ $OMPI_COMM_WORLD_RANK = 0 ] || set -- \"$@\" --set training.seed=9; exec \"$@\"")
        XCTAssertEqual(ended.code, 1, ended.errors)
        let text = "error: the configuration's digest differs between ranks: rank 0 has 'DIGEST'; rank 1 has 'DIGEST'\n  where: rank 1\n" + advice
        XCTAssertTrue(ended.errors.contains(text), ended.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/c"))
    }

    /// One rank would go on when the others have ended.
    func testOptionsOfOneRankAlone() throws {
        for (option, text) in [
            ("--stop-after 3", "--stop-after differs between ranks: rank 0 has 'no number'; rank 1 has '3'"),
            ("--timeline", "--timeline differs between ranks: rank 0 has 'off'; rank 1 has 'on'"),
        ] {
            let ended = try end("o", "[ $OMPI_COMM_WORLD_RANK = 0 ] || set -- \"$@\" \(option); exec \"$@\"")
            XCTAssertEqual(ended.code, 1, ended.errors)
            XCTAssertTrue(ended.errors.contains("error: \(text)\n"), ended.errors)
        }
    }

    /// The same path leads to different checkpoints.
    func testCheckpointsToDetectWith() throws {
        for (number, step) in ["6", "12"].enumerated() {
            let run = "d\(number)"
            let ended = try kairos("train", folder + "/run.yaml", "--output", folder + "/" + run, "--stop-after", step)
            XCTAssertEqual(ended.code, 0, ended.errors)
            try FileManager.default.copyItem(
                atPath: "\(folder)/\(run)/checkpoints/\(checkpoint(steps(run).last ?? 0))", toPath: "\(folder)/\(run)/it.h5")
        }
        let detect = ["detect", "--checkpoint", "it.h5", "--store", folder + "/store.h5", "--output", folder + "/found.json"]
        let script = "cd '\(folder)/d'$OMPI_COMM_WORLD_RANK; exec \"$0\" \"$@\""
        let ended = try mpirun(2, detect, program: ["bash", "-c", script, executable.path])
        XCTAssertEqual(ended.code, 1, ended.errors)
        let said = ended.errors.replacingOccurrences(of: "'[0-9a-f]{64}'", with: "'DIGEST'", options: .regularExpression)
        let text = "error: the checkpoint's digest differs between ranks: rank 0 has 'DIGEST'; rank 1 has 'DIGEST'\n  where: rank 1\n" + advice
        XCTAssertTrue(said.contains(text), said)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/found.json"))
    }

    /// The same path leads to different stores, as on hosts with disks of their own.
    func testStores() throws {
        for (number, seed) in ["5", "6"].enumerated() {
            try FileManager.default.createDirectory(atPath: "\(folder)/h\(number)", withIntermediateDirectories: true)
            let made = try kairos(
                "synthesize", "--output", folder + "/h\(number)/store.h5", "--videos", "24", "--classes", "3", "--dimension", "8", "--seed", seed)
            XCTAssertEqual(made.code, 0, made.errors)
        }
        let ended = try end("s", "cd '\(folder)/h'$OMPI_COMM_WORLD_RANK; exec \"$@\"", ["--set", "data.store=store.h5"])
        XCTAssertEqual(ended.code, 1, ended.errors)
        let text = "error: the feature store's digest differs between ranks: rank 0 has 'DIGEST'; rank 1 has 'DIGEST'\n  where: rank 1\n" + advice
        XCTAssertTrue(ended.errors.contains(text), ended.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/s"))
    }
}
