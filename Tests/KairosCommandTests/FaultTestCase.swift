import Diagnostics
import Foundation
import XCTest

/// Short jobs of several ranks that are signalled, killed and stopped at named places (`RunWindow`): nothing here depends on how fast the machine is.
class FaultTestCase: CommandTestCase {
    enum Method: String {
        case supervised, apl

        /// Of the whole run. Stages of `apl` end at steps 4, 34, 39 and 44.
        var steps: Int { self == .apl ? 44 : 30 }
    }

    /// How many times longer than on an idle machine of today a short job of two ranks takes; at least 1.
    static let slowness: Double = {
        let test = FaultTestCase(name: "slowness", testClosure: { _ in })
        guard (try? test.makeFolder()) != nil else { return 1 }
        defer { test.removeFolder() }
        let began = Date()
        _ = try? test.mpirun(2, "synthesize", "--output", test.folder + "/s.h5", "--videos", "2", "--dimension", "2")
        return max(1, Date().timeIntervalSince(began) / 0.6)
    }()

    /// Read from the test, as is the number of recordings. Only a rank that is stopped may reach it.
    var stallSeconds: Int { 60 }
    /// For tests that wait for it.
    static let shortStall = Int(8 * max(1, slowness / 4))
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

        private let stallSeconds: Int

        /// A rank that is held at a place where it comes for the nth time.
        typealias Hold = (window: RunWindow, rank: Int, occurrence: Int)

        fileprivate init(_ test: FaultTestCase, ranks: Int, run: String, arguments: [String], options: [String], holds: [Hold]) throws {
            folder = test.folder
            self.run = run
            stallSeconds = test.stallSeconds
            output = "\(folder)/\(mark)"
            process.executableURL = test.root.appendingPathComponent("launch/mpirun")
            process.arguments = ["\(ranks)"] + options + [test.executable.path] + arguments
            let marks = ["OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_"]
            process.environment = ProcessInfo.processInfo.environment.filter { variable in !marks.contains { variable.key.hasPrefix($0) } }
                .merging(["KAIROS_FAULT_JOB": mark, "KAIROS_STALL_SECONDS": "\(stallSeconds)"]) { $1 }
            if !holds.isEmpty {
                let text = holds.map { "\($0.window.rawValue):\($0.rank):\($0.occurrence)" }.joined(separator: ";")
                process.environment?.merge(["KAIROS_TEST_HOLD": text, "KAIROS_TEST_HOLD_FOLDER": output + "-held"]) { $1 }
                try FileManager.default.createDirectory(atPath: output + "-held", withIntermediateDirectories: true)
            }
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

        /// Returns when a rank is held, or the job has ended.
        ///
        /// - Returns: whether it is held.
        func waitUntilHeld(_ rank: Int) -> Bool {
            while process.isRunning {
                if FileManager.default.fileExists(atPath: output + "-held/held-\(rank)") { return true }
                usleep(2_000)
            }
            return false
        }

        /// Lets all that are held go on.
        func release() { try? FileManager.default.removeItem(atPath: output + "-held") }

        /// Waits for the end; a job that takes minutes fails the test and is killed.
        func end(line: UInt = #line) throws -> (code: Int32, errors: String, seconds: Double) {
            let began = Date(), limit = Double(stallSeconds) + 120 * FaultTestCase.slowness
            while process.isRunning, Date().timeIntervalSince(began) < limit { usleep(5_000) }
            let taken = Date().timeIntervalSince(began)
            if process.isRunning {
                XCTFail("the job has not ended within \(limit) s: \(said)", line: line)
                for one in processes("kairos") + processes("mpirun") { kill(one.process, SIGKILL) }
            }
            process.waitUntilExit()
            return (process.terminationStatus, said.replacingOccurrences(of: folder, with: "FOLDER"), taken)
        }

        /// What the job has said on standard error.
        var said: String { (try? String(contentsOfFile: output + "e", encoding: .utf8)) ?? "" }

        /// Whether a process of the job is left, a while after its end.
        var isLeft: Bool {
            for _ in 0..<Int(200 * FaultTestCase.slowness) where isThere { usleep(50_000) }
            return isThere
        }

        private var isThere: Bool { !(processes("kairos") + processes("mpirun")).isEmpty }
    }

    func arguments(_ method: Method, _ run: String) -> [String] {
        ["train", folder + "/run.yaml", "--output", folder + "/" + run, "--set", "method.name=\(method.rawValue)"]
    }

    /// Starts a training.
    func start(
        _ method: Method, _ ranks: Int, _ run: String, _ more: [String] = [], options: [String] = [], holds: [Job.Hold] = []
    ) throws -> Job {
        try start(ranks, arguments(method, run) + more, run: run, options: options, holds: holds)
    }

    /// Starts a command.
    func start(_ ranks: Int, _ arguments: [String], run: String, options: [String] = [], holds: [Job.Hold] = []) throws -> Job {
        // Ranks that wait for a held one leave the processor to the others.
        try Job(
            self, ranks: ranks, run: run, arguments: arguments, options: ["--mca", "mpi_yield_when_idle", "1"] + options, holds: holds)
    }

    /// A message with process numbers and times put as N, and operations as 'OPERATION'.
    func plain(_ text: String) -> String {
        text.replacingOccurrences(of: "process [0-9]+", with: "process N", options: .regularExpression)
            .replacingOccurrences(of: "[0-9]+\\.[0-9] s before", with: "N s before", options: .regularExpression)
            .replacingOccurrences(of: "'[a-z0-9: -]+(, step [0-9]+)?: [A-Za-z_ ]+[0-9]*'", with: "'OPERATION'", options: .regularExpression)
    }

    var host: String { ProcessInfo.processInfo.hostName }

    /// What an uninterrupted run leaves: the digest of its last checkpoint, and its files.
    struct Whole {
        var digest: String
        var files: [String: Data]
    }
    // Safe: XCTest runs one test after another.
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
        let ended = try mpirun(ranks, arguments(method, run) + ["--json"] + (resume ? ["--resume"] : []))
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

    /// Starts the program alone, waits until it holds at a named place (see `RunWindow`), and sends it SIGTERM.
    ///
    /// - Returns: its exit code, and what it said on standard error.
    func terminated(_ arguments: [String], heldAt place: String) throws -> (code: Int32, errors: String) {
        let process = Process(), errors = Pipe()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .merging(["KAIROS_TEST_HOLD": place, "KAIROS_TEST_HOLD_FOLDER": folder]) { $1 }
        process.standardError = errors
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        while process.isRunning, !FileManager.default.fileExists(atPath: folder + "/held-0") { usleep(1_000) }
        process.terminate()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}
