import Diagnostics
import Foundation
import RunRecords
import XCTest

final class RecordsTests: XCTestCase {
    func testProgressOnATerminal() {
        var time = 0.0
        var written: [String] = []
        let bar = ProgressBar("training", total: 100, done: 10, isTerminal: true, now: { time }, write: { written.append($0) })
        time = 1.9
        bar.update(11)
        XCTAssertEqual(written, [], "nothing in the first two seconds")
        time = 10
        bar.update(60, detail: "loss 0.5")
        time = 10.05
        bar.update(61)
        XCTAssertEqual(written, ["\r\u{1B}[Ktraining [==============          ] 60/100 steps, 5.0/s, 8 s left, loss 0.5"])
        time = 18
        bar.finish()
        XCTAssertEqual(written.suffix(2), ["\r\u{1B}[Ktraining [========================] 100/100 steps, 5.0/s, 0 s left", "\n"])
    }

    func testProgressElsewhereIsALineNowAndThen() {
        var time = 0.0
        var written: [String] = []
        let bar = ProgressBar("detecting", total: 4000, unit: "recordings", isTerminal: false, now: { time }, write: { written.append($0) })
        for second in 1...60 {
            time = Double(second)
            bar.update(second)
        }
        XCTAssertEqual(written, ["detecting: 30/4000 recordings, 1.0/s, 1 h 6 min left\n", "detecting: 60/4000 recordings, 1.0/s, 1 h 5 min left\n"])
    }

    func testOtherRanksAreSilent() {
        var time = 0.0
        let bar = ProgressBar("training", total: 10, isSilent: true, isTerminal: true, now: { time }, write: { XCTFail($0) })
        time = 100
        bar.update(5)
        bar.finish()
    }

    func testLogReadsBackWhatWasWritten() throws {
        let path = NSTemporaryDirectory() + "kairos-log-\(UUID().uuidString).jsonl"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func record(_ step: Int) -> StepRecord {
            StepRecord(
                step: step, epoch: 0.5, loss: ["total": 0.1], learningRate: 1e-4, gradientNorm: 2, lossNormalizer: 100, videosPerSecond: 3,
                secondsCompute: 1,
                secondsWaitingData: 0.25, secondsWaitingMPI: 0.125)
        }
        var log: RunLog? = try RunLog(path: path, cutBackTo: 0)
        for step in [10, 20, 30] { try log?.append(record(step)) }
        XCTAssertEqual(try RunLog.read(path), [record(10), record(20), record(30)])
        log = try RunLog(path: path, cutBackTo: 20)
        try log?.append(record(25))
        XCTAssertEqual(try RunLog.read(path).map(\.step), [10, 20, 25])
        // What a stage noted before its first step is cut off when the run goes on from just there, since it is noted again.
        struct Note: Encodable {
            var step: Int
            var stage: String
        }
        try log?.append(note: Note(step: 25, stage: "round 1"))
        try log?.append(record(26))
        func lines() throws -> [String] { try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init) }
        XCTAssertEqual(try RunLog.read(path).map(\.step), [10, 20, 25, 26])
        XCTAssertEqual(try lines()[3], #"{"stage":"round 1","step":25}"#)
        log = try RunLog(path: path, cutBackTo: 26)
        XCTAssertEqual(try lines().count, 5)
        log = try RunLog(path: path, cutBackTo: 25)
        XCTAssertEqual(try lines().count, 3)
        // A run that was made longer at the step stays so in the log, unless it is made longer there once more.
        func extended(to length: Int) -> ExtensionRecord {
            ExtensionRecord(step: 25, stage: "training", from: 30, to: length, rate: 0.1, rateBefore: 0.2, time: nil)
        }
        try log?.append(note: extended(to: 40))
        let line40 = #"{"extended_from":30,"extended_to":40,"learning_rate":0.1,"learning_rate_before":0.2,"stage":"training","step":25}"#
        XCTAssertEqual(try lines().last, line40)
        for step in [25, 26] {
            log = try RunLog(path: path, cutBackTo: step)
            XCTAssertEqual(try lines().count, 4)
            XCTAssertEqual(try lines().last, line40)
        }
        log = try RunLog(path: path, cutBackTo: 26, isExtended: true)
        XCTAssertEqual(try lines().last, line40)
        log = try RunLog(path: path, cutBackTo: 25, isExtended: true)
        try log?.append(note: extended(to: 50))
        XCTAssertEqual(try lines().count, 4)
        XCTAssertEqual(try lines().last, line40.replacingOccurrences(of: "40", with: "50"))
        log = try RunLog(path: path, cutBackTo: 24)
        XCTAssertEqual(try lines().count, 2)
        log = try RunLog(path: path, cutBackTo: 0)
        XCTAssertEqual(try RunLog.read(path), [])
        log = nil
        let line = String(decoding: try JSONEncoder().encode(record(1)), as: UTF8.self)
        for key in [
            "step", "epoch", "loss", "learning_rate", "gradient_norm", "loss_normalizer", "videos_per_second", "seconds_compute",
            "seconds_waiting_data", "seconds_waiting_mpi",
        ] {
            XCTAssertTrue(line.contains("\"\(key)\":"), key)
        }
    }

    private struct Note: Encodable {
        var step = 3
        var stage = "x"
    }

    func testLinesGoToTheEndOfTheLogWhereverItIs() throws {
        let path = NSTemporaryDirectory() + "kairos-log-\(UUID().uuidString).jsonl"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try RunLog(path: path, cutBackTo: 0)
        try log.append(note: Note())
        XCTAssertEqual(truncate(path, 0), 0)
        try log.append(note: Note())
        XCTAssertEqual(try String(contentsOfFile: path, encoding: .utf8), "{\"stage\":\"x\",\"step\":3}\n")
        try log.close()
        try log.close()
        XCTAssertThrowsError(try log.append(note: Note())) {
            XCTAssertEqual("\($0)".split(separator: "\n").first, "error: the log could not be written: Bad file descriptor")
        }
    }

    /// A folder stands for what cannot be read: it used to become an empty log.
    func testALogThatCannotBeReadIsNotReplaced() throws {
        let path = NSTemporaryDirectory() + "kairos-log-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        XCTAssertThrowsError(try RunLog(path: path, cutBackTo: 5)) {
            XCTAssertEqual(
                "\($0)",
                """
                error: the log of the run so far cannot be read
                  where: file '\(path)'
                  do: check its permissions, or move it away to begin a new one
                """)
        }
    }
}
