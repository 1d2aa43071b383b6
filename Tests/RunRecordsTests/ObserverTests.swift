import DetectionMetrics
import Diagnostics
import Foundation
import RunRecords
import TemporalAnnotations
import XCTest

/// The observers that come with the program, told what `Training` tells them.
final class ObserverTests: XCTestCase {
    private var folder = RunFolder("")

    override func setUpWithError() throws {
        folder = RunFolder(NSTemporaryDirectory() + "kairos-observed-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder.path) }

    private func start(_ step: Int, of iterations: Int = 4) -> RunStart {
        RunStart(folder: folder, step: step, iterations: iterations, stages: [RunStage(name: "training", steps: 0..<iterations)])
    }

    private func record(_ step: Int, loss: Double = 0.5) -> StepRecord {
        StepRecord(
            step: step, epoch: 0.5, stage: "training", time: 1_700_000_000.125, loss: ["total": loss], learningRate: 1e-4, gradientNorm: .infinity,
            lossNormalizer: 100, videosPerSecond: 3, secondsCompute: 1, secondsWaitingData: 0.25, secondsWaitingMPI: 0.125)
    }

    func testTheLogReadsBackAsItWasTold() throws {
        let labels = [
            PseudoLabel(video: "a", segment: Segment(start: 0, end: 1), label: 0, score: 0.5, classScore: 0.5, fate: .positive),
            PseudoLabel(video: "a", segment: Segment(start: 1, end: 2), label: 0, score: 0.5, classScore: 0.5, fate: .promoted),
            PseudoLabel(video: "b", segment: Segment(start: 1, end: 2), label: 0, score: 0.5, classScore: 0.5, fate: .rejected),
        ]
        let quality = PseudoLabelQuality(classAccuracy: 0.5, averageTIoU: 0.25, positiveAccuracy: 0.125, count: 8)
        let round = PseudoLabelRoundRecord(step: 2, stage: "round 1", labels: labels, theta: nil, expectedActions: 4, quality: quality, previous: nil)
        XCTAssertEqual([round.recordings, round.positive, round.removed, round.promoted, round.rejected], [1, 1, 0, 1, 1])
        let other = StageRecord(step: 3, stage: "distillation")
        let observer = LogObserver()
        try observer.runBegins(start(0))
        try observer.recorded(record(2, loss: .nan))
        try observer.recorded(round)
        try observer.recorded(record(3))
        try observer.recorded(other)
        try observer.trainingEnds(step: 4)
        try observer.runEnds(RunEnd(step: 4, iterations: 4))
        let lines = try folder.readLog()
        guard lines.count == 4, case .steps(let first) = lines[0] else { return XCTFail("\(lines)") }
        XCTAssertEqual(first.loss["total"]?.isNaN, true)
        XCTAssertEqual(first.gradientNorm, .infinity)
        XCTAssertEqual(Array(lines[1...]), [.round(round), .steps(record(3)), .stage(other)])
        XCTAssertEqual(lines.map(\.stage), ["training", "round 1", "training", "distillation"])
        XCTAssertEqual(lines.map(\.step), [2, 2, 3, 3])
        // Now, in seconds since 1970, to the millisecond.
        let time = try XCTUnwrap(lines[1].time)
        XCTAssertEqual(time, Date().timeIntervalSince1970, accuracy: 600)
        XCTAssertEqual(time * 1000, (time * 1000).rounded(), accuracy: 1e-3)
        XCTAssertTrue(try String(contentsOfFile: folder.log, encoding: .utf8).contains(#""time":1700000000.125"#))
        XCTAssertEqual(try RunLog.read(folder.log).map(\.step), [2, 3])
    }

    /// What labels claim together: only those that are learnt from count.
    func testExpectedQualityOfARound() {
        func round(_ labels: [(Double, PseudoLabelFate)], _ expected: Double?) -> [Double?] {
            let labels = labels.map {
                PseudoLabel(video: "a", segment: Segment(start: 0, end: 1), label: 0, score: $0.0, classScore: 0.5, fate: $0.1)
            }
            let record = PseudoLabelRoundRecord(
                step: 2, stage: "round 1", labels: labels, theta: nil, expectedActions: expected, quality: nil, previous: nil)
            return [record.expectedPrecision, record.expectedRecall]
        }
        let labels: [(Double, PseudoLabelFate)] = [(0.75, .positive), (0.5, .promoted), (1, .removed), (1, .rejected)]
        XCTAssertEqual(round(labels, 5), [0.625, 0.25])
        XCTAssertEqual(round(labels, 0.5), [0.625, 1])
        XCTAssertEqual(round(labels, 0), [0.625, nil])
        XCTAssertEqual(round(labels, nil), [nil, nil])
        XCTAssertEqual(round([(1, .rejected)], 5), [nil, nil])
    }

    func testLogsOfOlderVersionsAndHalfLinesAreRead() throws {
        let old =
            #"{"epoch":1,"gradient_norm":2,"learning_rate":0.1,"loss":{"total":1},"loss_normalizer":9,"seconds_compute":1,"#
            + #""seconds_waiting_data":0,"seconds_waiting_mpi":0,"step":5,"videos_per_second":7}"#
        try Data((old + "\n\n" + old.prefix(60)).utf8).write(to: URL(fileURLWithPath: folder.log))
        let lines = try folder.readLog()
        XCTAssertEqual(lines.map(\.step), [5])
        XCTAssertNil(lines[0].stage)
        XCTAssertNil(lines[0].time)
        // Half a line within the log is no record.
        try Data((old + "\n" + old.prefix(60) + "\n" + old + "\n").utf8).write(to: URL(fileURLWithPath: folder.log))
        XCTAssertThrowsError(try folder.readLog()) {
            XCTAssertEqual(
                "\($0)", "error: the line is not a record of the log\n  where: file '\(folder.log)', line 2\n  do: remove the line")
        }
    }

    func testARunThatGoesOnCutsItsLogAndOneThatIsDoneKeepsIt() throws {
        let observer = LogObserver()
        try observer.runBegins(start(0))
        for step in 1...3 { try observer.recorded(record(step)) }
        try observer.trainingEnds(step: 3)
        try observer.runBegins(start(2))
        try observer.recorded(record(4))
        try observer.trainingEnds(step: 4)
        XCTAssertEqual(try folder.readLog().map(\.step), [1, 2, 4])
        let before = try Data(contentsOf: URL(fileURLWithPath: folder.log))
        try LogObserver().runBegins(start(4))
        XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: folder.log)), before)
    }

    func testProgressOfTraining() throws {
        var time = 0.0
        var written: [String] = []
        let observer = ProgressObserver {
            ProgressBar("training", total: $0, done: $1, isTerminal: true, now: { time }, write: { written.append($0) })
        }
        try observer.runBegins(start(2, of: 10))
        // What comes before the first stage does not count.
        time = 50
        try observer.stageBegins(RunStage(name: "a", steps: 0..<5), step: 2)
        time = 53
        try observer.stepEnds(StepEnd(step: 5, loss: ["total": 0.5, "regression": 0.25]))
        try observer.stageBegins(RunStage(name: "b", steps: 5..<10), step: 5)
        time = 58
        try observer.trainingEnds(step: 10)
        XCTAssertEqual(
            written,
            [
                "\r\u{1B}[Ktraining [============            ] 5/10 steps, 1.0/s, 5 s left, loss 0.5000",
                "\r\u{1B}[Ktraining [========================] 10/10 steps, 1.0/s, 0 s left", "\n",
            ])
        try observer.trainingEnds(step: 10)
        XCTAssertEqual(written.count, 3)
    }

    func testProgressNamesTheStageWhereThereAreSeveral() throws {
        var written: [String] = [], time = 0.0
        let observer = ProgressObserver {
            ProgressBar("training", total: $0, done: $1, isTerminal: true, now: { time }, write: { written.append($0) })
        }
        let stages = [RunStage(name: "burn-in", steps: 0..<5), RunStage(name: "round 1", steps: 5..<10)]
        try observer.runBegins(RunStart(folder: folder, step: 0, iterations: 10, stages: stages))
        try observer.stageBegins(stages[0], step: 0)
        time = 3
        try observer.stepEnds(StepEnd(step: 5, loss: ["total": 0.5]))
        try observer.stageBegins(stages[1], step: 5)
        time = 6
        try observer.stepEnds(StepEnd(step: 6, loss: ["total": 0.25]))
        XCTAssertTrue(written.contains { $0.hasSuffix("burn-in, loss 0.5000") }, "\(written)")
        XCTAssertTrue(written.contains { $0.hasSuffix("round 1, loss 0.2500") }, "\(written)")
    }

    func testObserversAreToldInTheirOrderAndOnRankZeroAlone() throws {
        final class Noting: RunObserver {
            var note: (String) -> Void = { _ in }
            var fails = false
            func trainingEnds(step: Int) throws {
                note("\(step)")
                if fails { throw Failure.failed("enough", advice: "go") }
            }
        }
        var told: [String] = []
        let one = Noting(), two = Noting()
        one.note = { told.append("one \($0)") }
        two.note = { told.append("two \($0)") }
        RunObservers([one, two], isRoot: false).tell { _ in XCTFail("another rank than 0") }
        try RunObservers([one, two], isRoot: true).tell { try $0.trainingEnds(step: 3) }
        XCTAssertEqual(told, ["one 3", "two 3"])
        // Events that an observer leaves out do nothing.
        try one.runEnds(RunEnd(step: 1, iterations: 2, failure: "x"))
        one.fails = true
        XCTAssertThrowsError(try RunObservers([one, two], isRoot: true).tell { try $0.trainingEnds(step: 4) })
        XCTAssertEqual(told.suffix(1), ["one 4"])
    }
}
