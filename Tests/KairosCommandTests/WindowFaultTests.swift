import Diagnostics
import Foundation
import XCTest

/// A rank that is stopped, killed or sent a signal in every window of every command of several ranks: the job ends with the right message, and leaves
/// whole outputs or none.
///
/// Under `launch/faults` with 100 faults or more (`KAIROS_FAULTS`) every rank and fault in every window, otherwise one each in turn.
final class WindowFaultTests: FaultTestCase {
    override var stallSeconds: Int { Self.shortStall }

    private enum Fault: CaseIterable { case stop, kill, signal }

    private struct Case {
        var command: RunWindow.Command
        var window: RunWindow
        var rank: Int
        var fault: Fault
        var method: Method { window == .labelling ? .apl : .supervised }
        var what: String { "\(fault) of rank \(rank) of '\(command.rawValue)' in '\(window.rawValue)'" }
    }

    private var cases: [Case] {
        let isThorough = (ProcessInfo.processInfo.environment["KAIROS_FAULTS"].flatMap { Int($0) } ?? 0) >= 100
        let commands = RunWindow.Command.allCases
        var result: [Case] = []
        for window in RunWindow.allCases {
            for command in window.commands {
                let ranks = window.isOfRootAlone ? [0] : [0, 1], faults = Fault.allCases
                // What commands share is tried with each of them in turn.
                let turn = result.count
                if isThorough {
                    for rank in ranks { result += faults.map { Case(command: command, window: window, rank: rank, fault: $0) } }
                } else if window.commands.count < commands.count || command == .train || window.isNearTheEnds {
                    result.append(Case(command: command, window: window, rank: ranks[turn % ranks.count], fault: faults[(turn / 2) % faults.count]))
                }
            }
        }
        return result
    }

    private func arguments(_ one: Case, _ name: String) -> [String] {
        switch one.command {
        case .train: return arguments(one.method, name)
        case .detect:
            return [
                "detect", "--checkpoint", folder + "/whole-supervised/checkpoints/" + checkpoint(30), "--store", folder + "/store.h5", "--output",
                "\(folder)/\(name).json", "--set", "training.stall_seconds=\(stallSeconds)",
            ]
        case .import:
            return [
                "import", "features", "--annotations", folder + "/i.json", "--features", folder + "/npy", "--output", "\(folder)/\(name).h5",
            ]
        case .synthesize:
            return ["synthesize", "--output", "\(folder)/\(name).h5", "--videos", "6", "--classes", "2", "--dimension", "4", "--seed", "3"]
        case .benchmark: return ["benchmark", "collectives", "--smallest", "4", "--largest", "16", "--repetitions", "1"]
        }
    }

    /// The files that a command leaves.
    private func outputs(_ one: Case, _ name: String) -> [String] {
        switch one.command {
        case .train: ["\(name)/predictions.json", "\(name)/metrics.json"]
        case .detect: ["\(name).json"]
        case .import, .synthesize: ["\(name).h5"]
        case .benchmark: []
        }
    }

    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder + "/" + name) }

    /// Two recordings of 10 s at 25 frames per second: 60 rows of two columns.
    private func makeFeatures() throws {
        try FileManager.default.createDirectory(atPath: folder + "/npy", withIntermediateDirectories: true)
        var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (60, 2), }"
        text += String(repeating: " ", count: 117 - text.utf8.count) + "\n"
        let values = (0..<120).map { Float($0) }
        let bytes = Data([0x93] + "NUMPY".utf8 + [1, 0, UInt8(text.utf8.count), 0] + text.utf8) + values.withUnsafeBytes { Data($0) }
        for name in ["a", "b"] { try bytes.write(to: URL(fileURLWithPath: "\(folder)/npy/\(name).npy")) }
        let video =
            "{\"subset\": \"Test\", \"duration\": 10, \"fps\": 25, "
            + "\"annotations\": [{\"label\": \"run\", \"label_id\": 0, \"segment\": [1, 2]}]}"
        try write("{\"version\": \"1\", \"database\": {\"a\": \(video), \"b\": \(video)}}", "i.json")
    }

    func testEveryWindow() throws {
        _ = try finish(.supervised, 1, "whole-supervised", resume: false)
        try makeFeatures()
        // What an undisturbed command of one rank leaves.
        var expected: [RunWindow.Command: [Data]] = [:]
        expected[.train] = [try file("whole-supervised/predictions.json"), try file("whole-supervised/metrics.json")]
        for command in [RunWindow.Command.detect, .import, .synthesize] {
            let one = Case(command: command, window: .finished, rank: 0, fault: .kill)
            let ended = try mpirun(1, arguments(one, "e-\(command)"))
            XCTAssertEqual(ended.code, 0, ended.errors)
            expected[command] = try outputs(one, "e-\(command)").map { try file($0) }
        }
        var waiting: [(one: Case, name: String, job: Job)] = []
        func judgeFirst() throws {
            let (one, name, job) = waiting.removeFirst()
            try judge(one, name, job, expected[one.command] ?? [])
        }
        for (number, one) in cases.enumerated() {
            let name = "w\(number)", job = try start(2, arguments(one, name), run: name, holds: [(one.window, one.rank, 1)])
            XCTAssertTrue(job.waitUntilHeld(one.rank), "\(one.what): \(job.said)")
            let signals: [Fault: Int32] = [.stop: SIGSTOP, .kill: SIGKILL, .signal: SIGTERM]
            XCTAssertTrue(job.send(signals[one.fault] ?? 0, to: .rank(one.rank)), one.what)
            waiting.append((one, name, job))
            // Stopped jobs wait together.
            if waiting.count == 16 { try judgeFirst() }
        }
        while !waiting.isEmpty { try judgeFirst() }
    }

    private func judge(_ one: Case, _ name: String, _ job: Job, _ expected: [Data]) throws {
        let ended = try job.end()
        XCTAssertFalse(job.isLeft, one.what)
        switch one.fault {
        case .stop: try requireStopMessage(one.window, one.rank, ended.code, ended.errors, one.what)
        case .kill: try requireDeathMessage(one.window, [one.rank], ended.code, ended.errors, one.what)
        case .signal:
            XCTAssertTrue([0, 75].contains(ended.code), "\(one.what): \(ended.errors)")
            XCTAssertEqual(ended.errors.contains("interrupted: SIGTERM came in"), ended.code == 75, "\(one.what): \(ended.errors)")
            XCTAssertFalse(ended.errors.contains("error: "), "\(one.what): \(ended.errors)")
            if one.command == .train { XCTAssertEqual(ended.code, one.window.isAfterLastResult ? 0 : 75, one.what) }
        }
        // Whole, or not there.
        for (output, bytes) in zip(outputs(one, name), expected) where exists(output) {
            XCTAssertEqual(try file(output), bytes, "\(one.what): \(output)")
        }
        if ended.code == 0 { XCTAssertTrue(outputs(one, name).allSatisfy { exists($0) }, one.what) }
        if one.fault == .signal { XCTAssertEqual(unfinished(name), [], one.what) }
    }
}

extension RunWindow {
    /// The windows before there is a watch and after MPI's end, which every command has for itself.
    fileprivate var isNearTheEnds: Bool { [.afterInit, .afterFinalize].contains(self) }
}
