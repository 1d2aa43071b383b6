import Foundation
import RandomStreams
import XCTest

/// Random faults over short jobs: each job ends within bounded time with the right message, each resume reaches the bits of the uninterrupted run, no
/// file is lost or half-written.
///
/// A fault that fails does not end the series: the figures at the end say how many did.
///
/// `launch/faults [COUNT] [SEED]` runs many and prints figures (`KAIROS_FAULTS`, `KAIROS_FAULT_SEED`); without them a few run.
final class RandomFaultTests: FaultTestCase {
    override var stallSeconds: Int { 2 }

    private enum Fault: String, CaseIterable {
        case kill, killSeveral, stop, signal, killLauncher, truncate, flip, empty, halfLine
    }

    private struct Figures {
        var count = 0, late = 0
        var longest = 0.0, total = 0.0
        /// Of the jobs that the fault ended: those that said and returned what they must.
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
            let named = name.padding(toLength: 13, withPad: " ", startingAt: 0), ended = one.count - one.late
            return named + String(
                format: "%5d %9d %9.1f %8.1f %12d of %3d %11d of %3d %14d", one.count, one.late, one.total / Double(max(1, ended)), one.longest, one.right,
                ended, one.equal, one.count, one.spoilt)
        }
        var lines = ["\(done) of \(count) faults", "             count  too late  end: mean  longest  right messages  resumed equal  files spoilt"]
        for (name, one) in figures.sorted(by: { $0.key < $1.key }) {
            lines.append(line(name, one))
            all.count += one.count
            all.late += one.late
            all.total += one.total
            all.longest = max(all.longest, one.longest)
            all.right += one.right
            all.equal += one.equal
            all.spoilt += one.spoilt
        }
        FileHandle.standardError.write(Data((lines + [line("all", all)]).joined(separator: "\n").utf8 + [10]))
    }

    /// One run with faults until it is done.
    private func inject(_ fault: Fault, _ number: Int, _ figures: inout [String: Figures]) throws {
        let method: Method = draw([.supervised, .apl, .apl]), ranks = draw([2, 4]), run = "f\(number)", step = 1 + draw(method.steps - 1)
        let what = "fault \(number): \(fault) of \(method) on \(ranks) ranks at step \(step)"
        let job = try start(method, ranks, run)
        job.wait(forStep: step)
        usleep(UInt32(draw(30_000)))
        let victim = draw(ranks)
        var victims = [victim]
        switch fault {
        case .killSeveral:
            victims.append(draw((0..<ranks).filter { $0 != victim }))
            let found = victims.map { job.find(.rank($0)) }
            for process in found { process.map { _ = kill($0, SIGKILL) } }
        case .stop: job.send(SIGSTOP, to: .rank(victim))
        case .signal: job.send(draw([SIGTERM, SIGUSR1]), to: .rank(victim))
        case .killLauncher: job.send(SIGKILL, to: .mpirun)
        // A damaged file is found after a crash.
        case .kill, .truncate, .flip, .empty, .halfLine: job.send(SIGKILL, to: .rank(victim))
        }
        let ended = try job.end(within: fault == .stop ? 14 : 10)
        for _ in 0..<200 where job.isLeft { usleep(50_000) }
        XCTAssertFalse(job.isLeft, what)
        let isLate = ended.code == 0
        var one = figures[fault.rawValue] ?? Figures()
        defer { figures[fault.rawValue] = one }
        one.count += 1
        if isLate {
            one.late += 1
        } else {
            one.total += ended.seconds
            one.longest = max(one.longest, ended.seconds)
            if passes({ try requireMessage(fault, victims, ended.code, ended.errors, run, method, what) }) { one.right += 1 }
        }
        if !passes({ try requireWholeFiles(run, what) }) { one.spoilt += 1 }
        let damaged = isLate ? nil : try damage(fault, run)
        let resumed = try mpirun(
            draw([1, 2, 4]),
            ["train", folder + "/run.yaml", "--output", folder + "/" + run, "--set", "method.name=\(method.rawValue)", "--json", "--resume"])
        let whole = try whole(method)
        let isEqual = passes {
            XCTAssertEqual(try object(resumed)["digest"] as? String, whole.digest, what)
            for (name, bytes) in whole.files { XCTAssertEqual(try file("\(run)/\(name)"), bytes, "\(what): \(name)") }
            XCTAssertEqual(unfinished(run), [], what)
        }
        if isEqual { one.equal += 1 }
        if let damaged {
            let path = "FOLDER/\(run)/checkpoints/\(damaged)"
            let warning = "warning: passed over the checkpoint '\(path)', now '\(path).damaged': "
            XCTAssertTrue(resumed.errors.contains(warning), "\(what): \(resumed.errors)")
        }
    }

    private func requireMessage(
        _ fault: Fault, _ victims: [Int], _ code: Int32, _ errors: String, _ run: String, _ method: Method, _ what: String
    ) throws {
        let host = ProcessInfo.processInfo.hostName, victim = victims[0]
        switch fault {
        case .signal:
            XCTAssertEqual(code, 75, "\(what): \(errors)")
            XCTAssertTrue(errors.contains("interrupted: SIG"), "\(what): \(errors)")
            let kept = steps(run).last ?? 0
            let place = "; the run is kept at step \(kept) of \(method.steps)\n  where: file 'FOLDER/\(run)/checkpoints/\(checkpoint(kept))'\n"
            XCTAssertTrue(errors.contains(place), "\(what): \(errors)")
        case .stop:
            XCTAssertEqual(code, 1, what)
            XCTAssertTrue(errors.contains("error: rank \(victim) on host '\(host)' (process "), "\(what): \(errors)")
            XCTAssertTrue(errors.contains(") has made no progress for 2 s; "), "\(what): \(errors)")
        case .killLauncher:
            XCTAssertNotEqual(code, 0, what)
        case .kill, .killSeveral, .truncate, .flip, .empty, .halfLine:
            XCTAssertFalse([0, 75].contains(code), what)
            // Rank 0 names all, rank 1 names rank 0; when both are dead mpirun ends the others before they speak.
            if victims.contains(0), victims.contains(1) { break }
            for rank in victims.contains(0) ? [0] : victims {
                let text = "rank \(rank) on host '\(host)' \\(process [0-9]+\\) has gone without a word; [0-9.]+ s before it was in '"
                XCTAssertNotNil(errors.range(of: text, options: .regularExpression), "\(what): \(errors)")
            }
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
