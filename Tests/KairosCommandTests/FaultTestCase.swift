import Foundation
import XCTest

/// Short jobs of several ranks that are signalled, killed and stopped while they run.
class FaultTestCase: CommandTestCase {
    enum Method: String {
        case supervised, apl

        /// Of the whole run. Stages of `apl` end at steps 4, 34, 39 and 44.
        var steps: Int { self == .apl ? 44 : 30 }
    }

    /// Reads `stall_seconds` and the number of recordings from the test.
    var stallSeconds: Int { 30 }
    var recordings: Int { 24 }

    override func setUpWithError() throws {
        try super.setUpWithError()
        try makeStore(videos: recordings)
        try write(
            """
            data: {store: FOLDER/store.h5, virtual_shards: 4, batch_size: 4, max_rows: 100, labeled_fraction: 0.4}
            \(Self.tinyModel())
            training:
              iterations: 30
              warmup_iterations: 2
              learning_rate: 0.01
              checkpoint_every: 6
              keep: 3
              log_every: 1
              threads: 1
              stall_seconds: \(stallSeconds)
            test: {max_seg_num: 20, min_score: 0.001}
            \(Self.tinyStages)
            """, "run.yaml")
    }

    /// A job under `launch/mpirun`.
    final class Job {
        enum Target: Equatable { case launcher, mpirun, rank(Int) }

        let process = Process()
        let folder: String
        let run: String
        private let mark = UUID().uuidString
        private let output: String

        fileprivate init(_ test: FaultTestCase, ranks: Int, run: String, arguments: [String], options: [String]) throws {
            folder = test.folder
            self.run = run
            output = "\(folder)/\(mark)"
            process.executableURL = test.root.appendingPathComponent("launch/mpirun")
            process.arguments = ["\(ranks)"] + options + [test.executable.path] + arguments
            let marks = ["OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_"]
            process.environment = ProcessInfo.processInfo.environment.filter { variable in !marks.contains { variable.key.hasPrefix($0) } }
                .merging(["KAIROS_FAULT_JOB": mark]) { $1 }
            for path in [output, output + "e"] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
            process.standardOutput = FileHandle(forWritingAtPath: output)
            process.standardError = FileHandle(forWritingAtPath: output + "e")
            try process.run()
        }

        /// Processes of the job, by their name and mark.
        private func processes(_ name: String) -> [(process: Int32, environment: String)] {
            ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { entry in
                guard let number = Int32(entry), (try? String(contentsOfFile: "/proc/\(entry)/comm", encoding: .utf8)) == name + "\n",
                    let bytes = FileManager.default.contents(atPath: "/proc/\(entry)/environ")
                else { return nil }
                let environment = String(decoding: bytes, as: UTF8.self)
                return environment.contains(mark) ? (number, environment) : nil
            }
        }

        func find(_ target: Target) -> Int32? {
            switch target {
            case .launcher: process.processIdentifier
            case .mpirun: processes("mpirun").first?.process
            case .rank(let rank): processes("kairos").first { $0.environment.contains("OMPI_COMM_WORLD_RANK=\(rank)\0") }?.process
            }
        }

        /// - Returns: whether there was such a process.
        @discardableResult
        func send(_ signal: Int32, to target: Target) -> Bool { find(target).map { kill($0, signal) == 0 } ?? false }

        /// Steps that the log holds.
        var logged: Int {
            let text = FileManager.default.contents(atPath: "\(folder)/\(run)/log.jsonl") ?? Data()
            return text.split(separator: UInt8(ascii: "\n")).last.flatMap {
                (try? JSONSerialization.jsonObject(with: Data($0)) as? [String: Any])?["step"] as? Int
            } ?? 0
        }

        /// Returns when the log has come to a step, or the job has ended.
        func wait(forStep step: Int) {
            while logged < step, process.isRunning { usleep(2_000) }
        }

        func wait(forFile name: String) {
            while !FileManager.default.fileExists(atPath: "\(folder)/\(run)/\(name)"), process.isRunning { usleep(2_000) }
        }

        /// Waits for the end; a job that takes longer fails the test and is killed.
        func end(within seconds: Double, line: UInt = #line) throws -> (code: Int32, errors: String, seconds: Double) {
            let began = Date()
            while process.isRunning, Date().timeIntervalSince(began) < seconds { usleep(5_000) }
            let taken = Date().timeIntervalSince(began)
            if process.isRunning {
                let said = (try? String(contentsOfFile: output + "e", encoding: .utf8)) ?? ""
                XCTFail("the job has not ended within \(seconds) s: \(said)", line: line)
                for one in processes("kairos") + processes("mpirun") { kill(one.process, SIGKILL) }
            }
            process.waitUntilExit()
            let errors = try String(contentsOfFile: output + "e", encoding: .utf8).replacingOccurrences(of: folder, with: "FOLDER")
            return (process.terminationStatus, errors, taken)
        }

        /// Whether a process of the job is left.
        var isLeft: Bool { !(processes("kairos") + processes("mpirun")).isEmpty }
    }

    func start(_ method: Method, _ ranks: Int, _ run: String, _ more: [String] = [], options: [String] = []) throws -> Job {
        try Job(
            self, ranks: ranks, run: run,
            arguments: ["train", folder + "/run.yaml", "--output", folder + "/" + run, "--set", "method.name=\(method.rawValue)"] + more,
            options: options)
    }

    /// What an uninterrupted run leaves: the digest of its last checkpoint, and its files.
    struct Whole {
        var digest: String
        var files: [String: Data]
    }
    nonisolated(unsafe) private static var wholes: [String: Whole] = [:]

    private func names(_ method: Method) -> [String] {
        ["predictions.json", "metrics.json"] + (method == .apl ? ["pseudo_labels/round-1.json", "pseudo_labels/round-2.json"] : [])
    }

    func whole(_ method: Method) throws -> Whole {
        let key = "\(method) \(recordings)"
        if let known = Self.wholes[key] { return known }
        let run = "whole-\(method)"
        let digest = try finish(method, 1, run, resume: false)
        let whole = Whole(digest: digest, files: try Dictionary(uniqueKeysWithValues: names(method).map { ($0, try file("\(run)/\($0)")) }))
        Self.wholes[key] = whole
        return whole
    }

    /// Trains to the end and returns the digest.
    func finish(_ method: Method, _ ranks: Int, _ run: String, resume: Bool = true, line: UInt = #line) throws -> String {
        let ended = try mpirun(
            ranks,
            ["train", folder + "/run.yaml", "--output", folder + "/" + run, "--set", "method.name=\(method.rawValue)", "--json"]
                + (resume ? ["--resume"] : []))
        return try XCTUnwrap(try object(ended, line: line)["digest"] as? String, line: line)
    }

    /// Resumes a run and checks that it ends as the uninterrupted one.
    func requireResumes(_ method: Method, _ ranks: Int, _ run: String, _ what: String, line: UInt = #line) throws {
        let whole = try whole(method)
        XCTAssertEqual(try finish(method, ranks, run, line: line), whole.digest, what, line: line)
        for (name, bytes) in whole.files { XCTAssertEqual(try file("\(run)/\(name)"), bytes, "\(what): \(name)", line: line) }
        XCTAssertEqual(unfinished(run), [], what, line: line)
    }

    /// Files that were being written.
    func unfinished(_ run: String) -> [String] {
        (FileManager.default.enumerator(atPath: folder + "/" + run)?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".part") }
    }

    /// Steps of the checkpoints.
    func steps(_ run: String) -> [Int] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(run)/checkpoints")) ?? [])
            .compactMap { $0.hasSuffix(".h5") ? Int($0.dropFirst(5).dropLast(3)) : nil }.sorted()
    }

    func checkpoint(_ step: Int) -> String { String(format: "step-%08ld.h5", step) }
}
