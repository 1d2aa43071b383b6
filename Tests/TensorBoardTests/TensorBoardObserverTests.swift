import DetectionMetrics
import Diagnostics
import Foundation
import RunRecords
import TemporalAnnotations
import TensorBoard
import XCTest

/// The observer, told what `Training` tells it.
final class TensorBoardObserverTests: XCTestCase {
    private var folder = RunFolder("")
    private var events: EventFolder { EventFolder(path: folder.tensorBoard) }

    override func setUpWithError() throws {
        folder = RunFolder(NSTemporaryDirectory() + "kairos-board-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        try folder.write(configuration: "data:\n  store: it's \"a\" `b`.h5\n")
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder.path) }

    private func start(_ step: Int) -> RunStart {
        RunStart(folder: folder, step: step, iterations: 4, stages: [RunStage(name: "training", steps: 0..<4)])
    }

    private func record(_ step: Int, _ loss: [String: Double] = ["total": 0.5]) -> StepRecord {
        StepRecord(
            step: step, epoch: 0.5, stage: "training", time: 100.5, loss: loss, learningRate: 1e-4, gradientNorm: .infinity,
            lossNormalizer: 100, videosPerSecond: 3, secondsCompute: 1, secondsWaitingData: 0.25, secondsWaitingMPI: 0.125)
    }

    private func round(_ step: Int) -> PseudoLabelRoundRecord {
        let label = PseudoLabel(video: "a", segment: Segment(start: 0, end: 1), label: 0, score: 0.5, classScore: 0.5, fate: .positive)
        var quality = PseudoLabelQuality(classAccuracy: 0.5, averageTIoU: 0.25, positiveAccuracy: 0.125, count: 8)
        quality.recall = 0.75
        return PseudoLabelRoundRecord(
            step: step, stage: "round 1", time: 101, labels: [label], theta: nil, expectedActions: 2, quality: quality, previous: nil)
    }

    private let result = EvaluationResult(tiouThresholds: [0.3, 0.55], mAP: [0.5, 0.25], averageMAP: 0.375, apPerClass: [:], recallAt: [:])

    private func validation(_ step: Int) -> ValidationRecord {
        ValidationRecord(
            step: step, stage: "training", tiouThresholds: [0.5], mAP: [0.125], averageMAP: 0.125, bestAverageMAP: 0.125, bestStep: step, time: 102)
    }

    /// The newest file's events, a value on a line: step, time, tag, value.
    private func lines() throws -> [String] {
        let number = try XCTUnwrap(events.numbers.last)
        return try EventFile.read(events.file(number)).flatMap { event -> [String] in
            let place = "\(event.step) \(event.time)"
            switch event.content {
            case .version(let version): return ["\(place) \(version)"]
            case .sessionStart: return ["\(place) start"]
            case .other: return ["\(place) other"]
            case .summary(let values):
                return values.map { value in
                    switch value.content {
                    case .scalar(let number): "\(place) \(value.tag) \(number)"
                    case .histogram(let histogram): "\(place) \(value.tag) \(Int(histogram.count)) scores"
                    case .text(let text): "\(place) \(value.tag) \(text)"
                    case .other: "\(place) \(value.tag) other"
                    }
                }
            }
        }
    }

    private let beginning = ["0 7.0 brain.Event:2", "0 7.0 start"]
    private func configuration(_ step: Int) -> String { "\(step) 7.0 configuration ```yaml\ndata:\n  store: it's \"a\" `b`.h5\n```\n" }

    func testEverythingThatIsToldIsThere() throws {
        let observer = TensorBoardObserver { 7 }
        try observer.runBegins(start(0))
        try observer.recorded(round(0))
        try observer.stepEnds(StepEnd(step: 2, loss: [:]))
        try observer.recorded(record(2, ["total": .nan, "a/b \"c\"": 0.1]))
        try observer.detected(DetectionScores(step: 2, isAtEnd: false, scores: []))
        try observer.recorded(validation(2))
        try observer.recorded(GuardRecord(step: 2, stage: "round 1", averageMAP: 0.5, bestAverageMAP: 0.75, isKept: false, time: 103))
        try observer.recorded(StageRecord(step: 2, stage: "distillation"))
        // What is written stands in the file at once.
        XCTAssertEqual(try lines().suffix(1), ["2 103.0 held_out/average_mAP 0.5"])
        try observer.trainingEnds(step: 2)
        try observer.detected(DetectionScores(step: 2, isAtEnd: true, scores: [0.5, 0.25, 0.125]))
        try observer.evaluated(result)
        try observer.runEnds(RunEnd(step: 2, iterations: 2))
        let labels = [
            "recordings 1.0", "positive 1.0", "removed 0.0", "promoted 0.0", "rejected 0.0", "expected_precision 0.5", "expected_recall 0.25",
            "class_accuracy 0.5", "average_tIoU 0.25", "positive_accuracy 0.125", "recall 0.75",
        ]
        XCTAssertEqual(
            try lines(),
            beginning + [configuration(0)] + labels.map { "0 101.0 pseudo_labels/\($0)" } + [
                "2 100.5 loss/a/b \"c\" 0.1", "2 100.5 loss/total nan", "2 100.5 training/learning_rate 0.0001", "2 100.5 training/gradient_norm inf",
                "2 7.0 validation/detection_scores 0 scores", "2 102.0 validation/average_mAP 0.125", "2 102.0 validation/mAP@0.5 0.125",
                "2 103.0 held_out/average_mAP 0.5",
                "2 7.0 evaluation/detection_scores 3 scores", "2 7.0 evaluation/average_mAP 0.375", "2 7.0 evaluation/mAP@0.3 0.5",
                "2 7.0 evaluation/mAP@0.55 0.25",
            ])
        XCTAssertEqual(events.numbers, [1])
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.tensorBoard), ["events.out.tfevents.0000000001.kairos"])
    }

    /// A run to step 3, killed while it wrote.
    private func killedRun() throws {
        let observer = TensorBoardObserver { 7 }
        try observer.runBegins(start(0))
        for step in 1...3 {
            try observer.recorded(round(step))
            try observer.recorded(record(step))
            try observer.recorded(validation(step))
        }
        let file = try XCTUnwrap(FileHandle(forWritingAtPath: events.file(1)))
        try file.seekToEnd()
        try file.write(contentsOf: RecordFraming.frame(BoardEvent(time: 1, step: 3, content: .sessionStart).encoded).dropLast(2))
        try file.close()
    }

    /// Steps of a tag.
    private func steps(_ tag: String) throws -> [Int] {
        try lines().compactMap { line in
            let parts = line.split(separator: " ")
            return parts[2] == tag ? Int(parts[0]) : nil
        }
    }

    func testARunThatGoesOnHasNothingTwice() throws {
        try killedRun()
        // Foreign files stay.
        try Data("x".utf8).write(to: URL(fileURLWithPath: folder.tensorBoard + "/events.out.tfevents.1.other"))
        let observer = TensorBoardObserver { 8 }
        try observer.runBegins(start(2))
        XCTAssertEqual(events.numbers, [1, 2])
        // A reader that looks on finds its file empty, not gone.
        XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: events.file(1))).count, 0)
        XCTAssertEqual(try lines().prefix(2), ["0 8.0 brain.Event:2", "0 8.0 start"])
        // A round that began at step 2 is told again, step 2 itself is not.
        XCTAssertEqual(try steps("pseudo_labels/positive"), [1])
        XCTAssertEqual(try steps("loss/total"), [1, 2])
        XCTAssertEqual(try steps("validation/average_mAP"), [1, 2])
        XCTAssertEqual(try steps("configuration"), [0, 2])
        for step in 2...4 {
            try observer.recorded(round(step))
            if step > 2 { try observer.recorded(record(step)) }
        }
        try observer.stepEnds(StepEnd(step: 4, loss: [:]))
        try observer.evaluated(result)
        try observer.runEnds(RunEnd(step: 4, iterations: 4))
        XCTAssertEqual(try steps("loss/total"), [1, 2, 3, 4])
        XCTAssertEqual(try steps("pseudo_labels/positive"), [1, 2, 3, 4])
        // A run that is done is evaluated again.
        let last = TensorBoardObserver { 9 }
        try last.runBegins(start(4))
        XCTAssertEqual(try steps("evaluation/average_mAP"), [])
        try last.evaluated(result)
        XCTAssertEqual(try steps("evaluation/average_mAP"), [4])
        XCTAssertEqual(try steps("loss/total"), [1, 2, 3, 4])
        XCTAssertEqual(
            try FileManager.default.contentsOfDirectory(atPath: folder.tensorBoard).sorted(),
            ["events.out.tfevents.0000000002.kairos", "events.out.tfevents.0000000003.kairos", "events.out.tfevents.1.other"])
    }

    func testARunThatBeginsAnewKeepsNothing() throws {
        try killedRun()
        try TensorBoardObserver { 7 }.runBegins(start(0))
        XCTAssertEqual(try lines(), beginning + [configuration(0)])
        XCTAssertEqual(events.numbers, [1, 2])
    }

    /// Killed between the new file and the removal of the old one: the new one holds all.
    func testTwoFilesOfOneRun() throws {
        try killedRun()
        let old = try Data(contentsOf: URL(fileURLWithPath: events.file(1)))
        try TensorBoardObserver { 7 }.runBegins(start(3))
        try old.write(to: URL(fileURLWithPath: events.file(1)))
        XCTAssertEqual(events.numbers, [1, 2])
        try TensorBoardObserver { 7 }.runBegins(start(3))
        XCTAssertEqual(events.numbers, [2, 3])
        XCTAssertEqual(try steps("loss/total"), [1, 2, 3])
    }

    func testDamageEndsWhatIsKept() throws {
        try killedRun()
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: events.file(1))))
        let frames = RecordFraming.records(bytes).records
        // Within the losses of step 2.
        bytes[frames[7].startIndex + 3] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: events.file(1)))
        try TensorBoardObserver { 7 }.runBegins(start(3))
        XCTAssertEqual(try steps("loss/total"), [1])
    }

    func testAFolderThatCannotBeMadeIsSaid() throws {
        try Data().write(to: URL(fileURLWithPath: folder.tensorBoard))
        XCTAssertThrowsError(try TensorBoardObserver().runBegins(start(0))) { error in
            let failure = error as? Failure
            XCTAssertEqual(failure?.what.hasPrefix("the folder cannot be made: "), true, "\(error)")
            XCTAssertEqual(failure?.places, [.file(folder.tensorBoard)])
            XCTAssertEqual(failure?.advice, "check the run's folder")
        }
    }
}
