import Diagnostics
import Foundation
import RandomStreams
import XCTest

/// Random faults in random windows (`RunWindow`) of short trainings: each job ends within `stall_seconds` + 10 s with the right message, each resume
/// reaches the bits of the uninterrupted run, no file is lost or half-written.
///
/// A fault that fails does not end the series: the figures at the end say how many did.
///
/// `launch/faults [COUNT] [SEED]` runs many and prints figures (`KAIROS_FAULTS`, `KAIROS_FAULT_SEED`); without them a few run.
final class RandomFaultTests: FaultTestCase {
    override var stallSeconds: Int { Self.shortStall }

    private enum Fault: String, CaseIterable {
        case kill, killSeveral, stop, signal, killLauncher, truncate, flip, empty, halfLine
    }

    private struct Figures {
        var count = 0
        var longest = 0.0, total = 0.0
        /// Jobs that said and returned what they must, in time.
        var right = 0
        /// Resumes that reached the bits and files of the uninterrupted run.
        var equal = 0
        /// Jobs after which a file was lost or half-written.
        var spoilt = 0
    }

    private var random = RandomStream(seed: 1, "faults")
    private func draw(_ count: Int) -> Int { random.uniformIndex(below: count) }
    private func draw<Element>(_ all: [Element]) -> Element { all[draw(all.count)] }

    func testRandomFaults() throws {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["KAIROS_FAULTS"].flatMap { Int($0) } ?? 9
        let seed = environment["KAIROS_FAULT_SEED"].flatMap { UInt64($0) } ?? 1
        var figures: [String: Figures] = [:]
        for number in 0..<count {
            random = RandomStream(seed: seed, "faults", number)
            // Each kind comes up, however few there are.
            let fault = number < Fault.allCases.count ? Fault.allCases[number] : draw(Fault.allCases)
            let passed = passes { try inject(fault, number, &figures) }
            if !passed { XCTFail("fault \(number) of seed \(seed): \(fault)") }
            try? FileManager.default.removeItem(atPath: "\(folder)/f\(number)")
            if environment["KAIROS_FAULTS"] != nil, (number + 1) % 10 == 0 || number + 1 == count { report(figures, number + 1, of: count) }
        }
    }

    /// Whether no check in `body` failed.
    private func passes(_ body: () throws -> Void) -> Bool {
        let before = testRun?.totalFailureCount ?? 0
        XCTAssertNoThrow(try body())
        return testRun?.totalFailureCount == before
    }

    private func report(_ figures: [String: Figures], _ done: Int, of count: Int) {
        var all = Figures()
        func line(_ name: String, _ one: Figures) -> String {
            name.padding(toLength: 26, withPad: " ", startingAt: 0)
                + String(
                    format: "%5d %9.1f %8.1f %15d %14d %13d", one.count, one.total / Double(max(1, one.count)), one.longest, one.right, one.equal,
                    one.spoilt)
        }
        var lines = [
            "\(done) of \(count) faults, stall_seconds \(stallSeconds)",
            "                          count  end: mean  longest  right messages  resumed equal  files spoilt",
        ]
        let faults = Fault.allCases.map(\.rawValue), windows = RunWindow.allCases.map { "  " + $0.rawValue }
        for name in faults + windows {
            guard let one = figures[name] else { continue }
            lines.append(line(name, one))
            guard faults.contains(name) else { continue }
            all.count += one.count
            all.total += one.total
            all.longest = max(all.longest, one.longest)
            all.right += one.right
            all.equal += one.equal
            all.spoilt += one.spoilt
        }
        FileHandle.standardError.write(Data((lines + [line("all", all)]).joined(separator: "\n").utf8 + [10]))
    }

    /// A window of a training, and how often the rank comes there before it is held.
    private func drawWindow(_ method: Method, ofAllRanks: Bool) -> (window: RunWindow, occurrence: Int) {
        let windows = RunWindow.allCases.filter {
            // Rank 0 leaves when the others are gone: it cannot be held there while another is.
            $0.commands.contains(.train) && !(ofAllRanks && ($0.isOfRootAlone || $0 == .leaving)) && ($0 != .labelling || method == .apl)
        }
        let window = draw(windows)
        switch window {
        case .step: return (window, 1 + draw(method.steps - 1))
        // Every step makes one at least.
        case .collective: return (window, 1 + draw(method.steps - 1))
        case .writingCheckpoint: return (window, 1 + draw(4))
        default: return (window, 1)
        }
    }

    /// One run with a fault, then what it was to become.
    private func inject(_ fault: Fault, _ number: Int, _ figures: inout [String: Figures]) throws {
        let method: Method = draw([.supervised, .apl, .apl]), ranks = draw([2, 4]), run = "f\(number)"
        let (window, occurrence) = drawWindow(method, ofAllRanks: fault == .killSeveral)
        var victims = [window.isOfRootAlone ? 0 : draw(ranks)]
        if fault == .killSeveral { victims.append(draw((0..<ranks).filter { $0 != victims[0] })) }
        let what = "fault \(number): \(fault) of ranks \(victims) of \(method) on \(ranks) ranks in '\(window.rawValue)', time \(occurrence)"
        let job = try start(method, ranks, run, holds: victims.map { (window, $0, occurrence) })
        for victim in victims { XCTAssertTrue(job.waitUntilHeld(victim), "\(what): \(job.said)") }
        switch fault {
        case .killSeveral:
            let found = victims.map { job.find(.rank($0)) }
            for process in found { process.map { _ = kill($0, SIGKILL) } }
        case .stop: job.send(SIGSTOP, to: .rank(victims[0]))
        case .signal: job.send(draw([SIGTERM, SIGUSR1]), to: .rank(victims[0]))
        case .killLauncher:
            job.send(SIGKILL, to: .mpirun)
            job.release()
        // A damaged file is found after a crash.
        case .kill, .truncate, .flip, .empty, .halfLine: job.send(SIGKILL, to: .rank(victims[0]))
        }
        let ended = try job.end()
        var one = Figures()
        defer {
            for name in [fault.rawValue, "  " + window.rawValue] {
                var sum = figures[name] ?? Figures()
                sum.count += 1
                sum.total += ended.seconds
                sum.longest = max(sum.longest, ended.seconds)
                sum.right += one.right
                sum.equal += one.equal
                sum.spoilt += one.spoilt
                figures[name] = sum
            }
        }
        let isRight = passes {
            XCTAssertFalse(job.isLeft, what)
            XCTAssertLessThan(ended.seconds, (fault == .stop ? Double(stallSeconds) : 0) + 10 * Self.slowness, what)
            try requireMessage(fault, window, victims, ended.code, ended.errors, run, method, what)
        }
        one.right = isRight ? 1 : 0
        if !passes({ try requireWholeFiles(run, what) }) { one.spoilt = 1 }
        let damaged = try damage(fault, run)
        let resumed = try mpirun(draw([1, 2, 4]), arguments(method, run) + ["--json", "--resume"])
        let whole = try whole(method)
        let isEqual = passes {
            XCTAssertEqual(try object(resumed)["digest"] as? String, whole.digest, what)
            for (name, bytes) in whole.files { XCTAssertEqual(try file("\(run)/\(name)"), bytes, "\(what): \(name)") }
            XCTAssertEqual(unfinished(run), [], what)
        }
        if isEqual { one.equal = 1 }
        if let damaged {
            let path = "FOLDER/\(run)/checkpoints/\(damaged)"
            let warning = "warning: passed over the checkpoint '\(path)', now '\(path).damaged': "
            XCTAssertTrue(resumed.errors.contains(warning), "\(what): \(resumed.errors)")
        }
    }

    private func requireMessage(
        _ fault: Fault, _ window: RunWindow, _ victims: [Int], _ code: Int32, _ errors: String, _ run: String, _ method: Method, _ what: String
    ) throws {
        switch fault {
        case .signal where window.isAfterLastResult:
            XCTAssertEqual(code, 0, "\(what): \(errors)")
        case .signal:
            XCTAssertEqual(code, 75, "\(what): \(errors)")
            XCTAssertTrue(errors.contains("interrupted: SIG"), "\(what): \(errors)")
            let place =
                steps(run).last.map {
                    "; the run is kept at step \($0) of \(method.steps)\n  where: file 'FOLDER/\(run)/checkpoints/\(checkpoint($0))'\n"
                }
                ?? "; no step was done\n  where: file 'FOLDER/\(run)'\n"
            XCTAssertTrue(errors.contains(place), "\(what): \(errors)")
        case .stop:
            try requireStopMessage(window, victims[0], code, errors, what)
        case .killLauncher:
            XCTAssertNotEqual(code, 0, what)
        case .kill, .killSeveral, .truncate, .flip, .empty, .halfLine:
            try requireDeathMessage(window, victims, code, errors, what)
        }
    }

    /// Under their own names only whole files stand, at whatever moment the run ended.
    private func requireWholeFiles(_ run: String, _ what: String) throws {
        for step in steps(run) {
            let found = try kairos("inspect", "\(folder)/\(run)/checkpoints/\(checkpoint(step))", "--json")
            XCTAssertEqual(found.code, 0, "\(what): \(found.errors)")
        }
        for name in ["predictions.json", "metrics.json", "pseudo_labels/round-1.json", "pseudo_labels/round-2.json"] {
            guard let bytes = FileManager.default.contents(atPath: "\(folder)/\(run)/\(name)") else { continue }
            XCTAssertNoThrow(try JSONSerialization.jsonObject(with: bytes), "\(what): \(name)")
        }
    }

    /// - Returns: the checkpoint that was damaged, nil for none (there must be one before it).
    private func damage(_ fault: Fault, _ run: String) throws -> String? {
        if fault == .halfLine, let handle = FileHandle(forWritingAtPath: "\(folder)/\(run)/log.jsonl") {
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("{\"step\": 3, \"lo".utf8))
            try handle.close()
        }
        guard [.truncate, .flip, .empty].contains(fault), steps(run).count > 1, let newest = steps(run).last else { return nil }
        let path = "\(folder)/\(run)/checkpoints/\(checkpoint(newest))"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        switch fault {
        case .truncate: bytes = bytes.prefix(draw(bytes.count - 1))
        case .empty: bytes = Data()
        default:
            // A weight.
            let values = Self.withinValues(bytes)
            bytes[values.lowerBound + draw(max(1, values.count))] ^= 1 << UInt8(draw(8))
        }
        try bytes.write(to: URL(fileURLWithPath: path))
        return checkpoint(newest)
    }
}
