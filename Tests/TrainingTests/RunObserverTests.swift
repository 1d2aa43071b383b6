import Collectives
import DetectionMetrics
import Diagnostics
import FeatureStore
import Foundation
import RunRecords
import StandardRegistry
import Training
import TrainingMethods
import XCTest

/// What observers are told of whole runs of a toy detector.
final class RunObserverTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-observers-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let annotations = try SyntheticFeatures.annotations(videos: 9, classes: 2, seed: 4)
        try FeatureStoreWriter().write(
            try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4), to: folder + "/store.h5")
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    /// Writes down what it is told.
    private final class Noting: RunObserver {
        var notes: [String] = []
        var records: [StepRecord] = []
        var evaluation: EvaluationResult?
        /// A note at which it throws.
        var refused: String?

        private func add(_ text: String) throws {
            notes.append(text)
            if text == refused { throw Failure.failed("'\(text)' was refused", advice: "none") }
        }
        func runBegins(_ run: RunStart) throws { try add("run \(run.step)/\(run.iterations) \(run.stages.map { "\($0.name) \($0.steps)" })") }
        func stageBegins(_ stage: RunStage, step: Int) throws { try add("stage \(stage.name) at \(step)") }
        func stepEnds(_ step: StepEnd) throws { try add("step \(step.step)") }
        func recorded(_ record: StepRecord) throws {
            records.append(record)
            try add("record \(record.step)")
        }
        func recorded(_ record: any MethodRecord) throws { try add("record of \(record.stage)") }
        func checkpointSaved(_ path: String, step: Int) throws {
            XCTAssertTrue(FileManager.default.fileExists(atPath: path))
            try add("checkpoint \(step)")
        }
        func trainingEnds(step: Int) throws { try add("training ends at \(step)") }
        func detected(_ scores: DetectionScores) throws { try add("detected at \(scores.step)\(scores.isAtEnd ? ", the end" : "")") }
        func evaluated(_ result: EvaluationResult) throws {
            evaluation = result
            try add("evaluated")
        }
        func runEnds(_ end: RunEnd) throws {
            try add("end \(end.step)/\(end.iterations)" + (end.failure.map { ": \($0.split(separator: "\n")[0])" } ?? ""))
        }
    }

    private func run(_ observers: [any RunObserver], resume: Bool = false, healthyCalls: Int = .max) throws -> TrainingRun {
        let configuration = try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/store.h5", virtual_shards: 2, batch_size: 4}
                training: {iterations: 5, warmup_iterations: 2, learning_rate: 0.01, checkpoint_every: 3, log_every: 2, threads: 1}
                """, file: "run.yaml")
        return try TrainingRun(
            configuration, folder: folder + "/run", resume: resume, communicator: try Communicator.world(), observers: observers,
            makeDetector: { _, store, _ in
                let toy = ToyDetector(columns: store.dimension)
                toy.healthyCalls = healthyCalls
                return toy
            })
    }

    func testTheEventsOfARunInTheirOrder() throws {
        let noting = Noting()
        _ = try run([LogObserver(), noting]).run(stopAfter: 3)
        XCTAssertEqual(
            noting.notes,
            [
                "run 0/5 [\"training 0..<5\"]", "stage training at 0", "step 1", "step 2", "record 2", "step 3", "record 3", "checkpoint 3",
                "training ends at 3", "end 3/5",
            ])
        noting.notes = []
        let outcome = try run([LogObserver(), noting], resume: true).run()
        XCTAssertEqual(
            noting.notes,
            [
                "run 3/5 [\"training 0..<5\"]", "stage training at 3", "step 4", "record 4", "step 5", "record 5", "checkpoint 5",
                "training ends at 5", "detected at 5, the end", "checkpoint 5", "evaluated", "end 5/5",
            ])
        XCTAssertEqual(noting.evaluation, outcome.evaluation)
        // The folder holds what the observer was told.
        let files = RunFolder(folder + "/run")
        XCTAssertEqual(try files.readLog(), noting.records.map(LogLine.steps))
        XCTAssertEqual(noting.records.map(\.stage), Array(repeating: "training", count: 4))
        XCTAssertEqual(try files.readMetrics(), outcome.evaluation)
        XCTAssertEqual(files.checkpoints(keep: 2).steps, [3, 5])
        XCTAssertEqual(try RunConfiguration(yaml: try files.readConfiguration(), file: files.configuration).training.iterations, 5)
        // A run that is done is evaluated again; nothing is trained.
        noting.notes = []
        _ = try run([noting], resume: true).run()
        XCTAssertEqual(noting.notes, ["run 5/5 [\"training 0..<5\"]", "detected at 5, the end", "evaluated", "end 5/5"])
    }

    func testAFailedRunIsSaidAndLeavesItsLog() throws {
        let noting = Noting()
        let training = try run([LogObserver(), noting], healthyCalls: 5)
        XCTAssertThrowsError(try training.run())
        XCTAssertEqual(noting.notes.suffix(2), ["record 2", "end 2/5: error: the regression loss is nan"])
        XCTAssertEqual(try RunFolder(folder + "/run").readLog().map(\.step), [2])
    }

    func testAnObserverThatThrowsEndsTheRun() throws {
        for refused in ["run 0/5 [\"training 0..<5\"]", "step 2", "evaluated", "end 5/5"] {
            try? FileManager.default.removeItem(atPath: folder + "/run")
            let noting = Noting()
            noting.refused = refused
            let training = try run([noting])
            XCTAssertThrowsError(try training.run(), refused) {
                XCTAssertEqual(($0 as? Failure)?.what, "'\(refused)' was refused")
            }
            XCTAssertEqual(noting.notes.filter { $0.hasPrefix("end ") }.count, 1, refused)
        }
    }
}
