import Collectives
import Diagnostics
import FeatureStore
import Foundation
import StandardRegistry
import TemporalAnnotations
import TestSupport
import Training
import TrainingMethods
import XCTest

/// What a run says before its first step of its recordings, classes, length and learning rates.
final class RunReviewTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "/kairos-review-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    /// Recordings with a "run" each, of the subsets named.
    private func made(_ subsets: [(name: Subset, count: Int)], label: Int = 0) -> MadeRecordings {
        var made = MadeRecordings(classes: ["run", "jump", "sit"])
        for (name, count) in subsets {
            for i in 0..<count { made.add("\(name)-\(i)", subset: name, duration: 20, rows: 39, actions: [(2, 6, label)]) }
        }
        return made
    }

    /// The notes after the two of rank 0 on recordings and threads, up to the one on matrix products.
    private func notes(
        _ made: MadeRecordings, _ overrides: [String] = [], data: String = "training_subset: Validation, evaluation_subset: Test"
    ) throws -> [String] {
        try? FileManager.default.removeItem(atPath: folder + "/run")
        _ = try made.store(folder + "/s.h5")
        let configuration = try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/s.h5", virtual_shards: 1, batch_size: 1\(data.isEmpty ? "" : ", " + data)}
                training: {iterations: 10, threads: 1}
                """, file: "run.yaml", overrides: overrides)
        let run = try TrainingRun(
            configuration, folder: "\(folder)/run", resume: false, communicator: try Communicator.world(),
            makeDetector: { _, store, _ in ToyDetector(columns: store.dimension) })
        return Array(run.notes.dropFirst(2).dropLast())
    }

    private func warnings(
        _ made: MadeRecordings, _ overrides: [String] = [], data: String = "training_subset: Validation, evaluation_subset: Test"
    ) throws -> [String] {
        try notes(made, overrides, data: data).filter { $0.hasPrefix("warning: ") && !$0.contains("cannot be learnt") }
    }

    func testSubsetsAndClasses() throws {
        var one = made([("Validation", 2), ("Test", 1)])
        one.add("quiet", duration: 20, rows: 39, actions: [])
        XCTAssertEqual(
            try notes(one),
            [
                "trains on the subset 'Validation': 3 recordings, 3 labelled, with 2 actions of 1 of the 3 classes; 1 labelled without any action",
                "evaluates on the subset 'Test': 1 recording",
                "warning: 2 of the 3 classes have no labelled action and cannot be learnt: 'jump', 'sit'",
            ])
        XCTAssertEqual(
            try notes(one, ["training.head_empty_cls=[0, 1]", "data.evaluation_subset=null", "data.labeled_fraction=0.34"]).dropFirst(),
            [
                "warning: 1 of the 3 classes has no labelled action and cannot be learnt: 'sit'",
                "warning: training.head_empty_cls names 1 class with labelled actions: 'run'",
            ])
    }

    func testTheSameSubsetTwice() throws {
        XCTAssertEqual(
            try warnings(made([("Validation", 2)]), ["data.evaluation_subset=validation"]),
            [
                "warning: training and evaluation subset are the same, 'Validation': the metrics say nothing of other recordings; "
                    + "set data.evaluation_subset"
            ])
    }

    func testSubsetsThatDifferInCase() throws {
        let twins = made([("Validation", 2), ("validation", 1), ("Test", 1)])
        let warning =
            "warning: the subsets 'Validation' (2 recordings) and 'validation' (1 recording) differ in case alone; each is taken by its own name"
        XCTAssertEqual(try warnings(twins), [warning])
        XCTAssertEqual(try warnings(twins, ["data.training_subset=validation"]), [warning])
        XCTAssertThrowsError(try notes(twins, ["data.training_subset=VALIDATION"])) { error in
            XCTAssertEqual(
                "\(error)".replacingOccurrences(of: folder, with: "FOLDER"),
                """
                error: the subset 'VALIDATION' may be any of 'Validation' (2 videos), 'validation' (1 videos), which differ in case alone
                  where: file 'FOLDER/s.h5', key 'data.training_subset'
                  do: write the name as one of them is spelt
                """)
        }
    }

    /// The default name fits a small subset, and the key was not set.
    func testDefaultSubset() throws {
        let three = made([("training", 4), ("validation", 2), ("test", 5)])
        XCTAssertEqual(
            try warnings(three, data: ""),
            [
                "warning: data.training_subset is not set, and its default 'Validation' is the subset 'validation' of 2 recordings, while "
                    + "'training' has 4; "
                    + "set data.training_subset"
            ])
        XCTAssertEqual(try warnings(three, data: "training_subset: Validation"), [])
        XCTAssertEqual(try warnings(three, ["data.training_subset=validation"], data: ""), [])
        XCTAssertEqual(try warnings(made([("Validation", 2), ("test", 5)]), data: ""), [], "what is evaluated is no subset to learn from")
        XCTAssertEqual(try warnings(made([("other", 1), ("Validation", 2), ("Test", 5)]), data: ""), [])
        XCTAssertEqual(
            try warnings(made([("Train", 1), ("Validation", 2), ("other", 3)]), ["data.evaluation_subset=null"], data: ""),
            [
                "warning: data.training_subset is not set, and its default 'Validation' is the subset 'Validation' of 2 recordings, while "
                    + "'Train' has 1; "
                    + "set data.training_subset"
            ])
    }

    func testWarmUp() throws {
        let some = made([("Validation", 2), ("Test", 1)])
        XCTAssertEqual(try warnings(some, ["training.warmup_iterations=9"]), [])
        XCTAssertEqual(
            try warnings(some, ["training.warmup_iterations=10"]),
            [
                "warning: the warm-up of 10 iterations is as long as 'training' (10) or longer: the learning rate only rises; "
                    + "lower training.warmup_iterations"
            ])
        XCTAssertEqual(
            try warnings(some, ["training.iterations=null", "training.epochs=3", "training.warmup_epochs=5"]),
            [
                "warning: the warm-up of 10 iterations is as long as 'training' (6) or longer: the learning rate only rises; "
                    + "lower training.warmup_epochs"
            ])
    }

    func testScheduleSteps() throws {
        let some = made([("Validation", 2), ("Test", 1)]), multistep = ["training.schedule=multistep", "training.warmup_iterations=2"]
        XCTAssertEqual(try warnings(some, multistep + ["training.schedule_steps=[3, 7]"]), [])
        XCTAssertEqual(
            try warnings(some, multistep + ["training.schedule_steps=[3, 8, 20]"]),
            [
                "warning: 2 of the 3 steps in training.schedule_steps, the first 8 iterations after the warm-up, lie beyond the end of 'training' "
                    + "(10 iterations, 2 of warm-up): the learning rate does not fall there"
            ])
        XCTAssertEqual(
            try warnings(some, ["training.iterations=null", "training.epochs=3", "training.schedule=multistep", "training.schedule_steps=[3]"]),
            [
                "warning: 1 of the 1 step in training.schedule_steps, the first 6 iterations after the warm-up, lies beyond the end of 'training' "
                    + "(6 iterations, 0 of warm-up): the learning rate does not fall there"
            ])
        XCTAssertEqual(
            try warnings(some, multistep),
            ["warning: training.schedule is multistep, but training.schedule_steps is empty: the learning rate stays constant"])
    }

    func testLessThanAnEpoch() throws {
        let some = made([("Validation", 12), ("Test", 1)])
        XCTAssertEqual(
            try notes(some).filter { $0.contains("epoch") }, ["'training' has 10 iterations, less than an epoch (12): some recordings are not seen"])
        XCTAssertEqual(try notes(some, ["training.iterations=12"]).filter { $0.contains("epoch") }, [])
    }
}
