import Collectives
import FeatureStore
import Foundation
import RunRecords
import TestSupport
import Training
import XCTest

/// Rounds that are undone when held-out recordings speak against them, and selection by what these show.
extension StagesTests {
    func guardedRun(_ overrides: [String], folder: String, resume: Bool = false) throws -> String {
        let overrides =
            [
                "data.max_rows=50", "data.evaluation_subset=null", "data.labeled_fraction=0.4", "training.warmup_iterations=0",
                "training.checkpoint_every=1", "training.keep=100", "training.iterations=6", "apl.round_iterations=2", "apl.rounds=2",
                "apl.selection_floor=0", "training.threads=1", "apl.pretraining_iterations=0", "apl.held_out_fraction=0.3",
                "test.tiou_thresholds=[0.1, 0.3]",
            ] + overrides
        return try TrainingRun(
            try configuration(overrides), folder: folder, resume: resume, communicator: try Communicator.world(), observers: [LogObserver()]
        ).run().digest
    }

    private func guardRecords(_ folder: String) throws -> [GuardRecord] {
        try RunFolder(folder).readLog().compactMap { if case .judged(let record) = $0 { record } else { nil } }
    }

    func testHeldOutRecordingsAreNotTrainedOn() throws {
        let (method, recordings, _) = try method(["apl.held_out_fraction=0.3", "apl.guard=true"], labeled: 6)
        XCTAssertEqual(method.heldOut, recordings.labeled.suffix(2).sorted())
        XCTAssertEqual(method.recordings.labeled, Array(recordings.labeled.prefix(4)))
        XCTAssertEqual(method.recordings.unlabeled, recordings.unlabeled)
        XCTAssertEqual(try self.method(["apl.held_out_fraction=0.01"], labeled: 4).0.heldOut.count, 1, "at least one")
        XCTAssertEqual(try self.method(["apl.held_out_fraction=0.5", "apl.rounds=0"], labeled: 4).0.heldOut, [], "nobody asks for them")
        XCTAssertThrowsError(try self.method(["apl.held_out_fraction=0.8"], labeled: 4)) {
            XCTAssertEqual(
                "\($0)",
                """
                error: 1 labelled recording is left to train on, of 4, for 2 virtual shards
                  where: key 'apl.held_out_fraction'
                  do: hold out fewer recordings, label more, or use fewer virtual shards
                """)
        }
        for (change, what, key, other) in [
            ("apl.guard=true", "the guard of the rounds", "apl.guard", "false"),
            ("apl.selection=precision", "selection by precision", "apl.selection", "adaptive"),
        ] {
            XCTAssertThrowsError(try configuration([change])) {
                XCTAssertEqual(
                    "\($0)",
                    """
                    error: \(what) needs labelled recordings that are not trained on
                      where: key '--set \(key)'
                      do: set apl.held_out_fraction, for example to 0.25, or \(key) to \(other)
                    """)
            }
        }
    }

    /// Other actions in a held-out recording end in the same weights, also where the classes are weighed by how many actions they have.
    func testNothingIsLearntFromHeldOutRecordings() throws {
        let order = path + ".json"
        try #"["a", "b", "c"]"#.write(toFile: order, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: order) }
        func digest(_ shown: Int, heldOut: Int) throws -> String {
            var made = MadeRecordings()
            for name in ["a", "b"] { made.add(name, duration: 20, rows: 39, actions: [(2, 6, 0), (9, 12, shown)]) }
            made.add("c", duration: 20, rows: 39, actions: [(3, 7, heldOut), (10, 15, heldOut)])
            for name in ["d", "e"] { made.add(name, duration: 20, rows: 39, actions: []) }
            _ = try made.store(path)
            let folder = NSTemporaryDirectory() + "kairos-held-out-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            return try guardedRun(
                [
                    "data.virtual_shards=1", "data.batch_size=1", "apl.unlabeled_batch_size=1", "data.labeled_order=\(order)",
                    "data.labeled_fraction=0.6", "training.class_weights=balanced",
                ], folder: folder)
        }
        let seen = try digest(1, heldOut: 0)
        XCTAssertEqual(try digest(1, heldOut: 1), seen)
        XCTAssertNotEqual(try digest(0, heldOut: 1), seen)
    }

    /// A round that ruins the detector leaves no trace in the weights; one that cannot change them is kept.
    func testRoundsThatLoseAreUndone() throws {
        let folder = NSTemporaryDirectory() + "kairos-guard-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let overrides = ["apl.guard=true", "training.iterations=60", "training.learning_rate=0.02", "apl.round_learning_rate=5"]
        _ = try guardedRun(overrides, folder: folder)
        let records = try guardRecords(folder)
        XCTAssertEqual(records.map(\.stage), ["burn-in", "round 1", "round 2"])
        XCTAssertGreaterThan(records[0].averageMAP, 0)
        XCTAssertEqual(records.map(\.isKept), [true, false, false])
        XCTAssertEqual(Set(records.map(\.bestAverageMAP)), [records[0].averageMAP])
        for record in records[1...] { XCTAssertLessThan(record.averageMAP, records[0].averageMAP) }
        let first = try weights(folder, step: 60)
        XCTAssertEqual(try weights(folder, step: 62), first)
        XCTAssertEqual(try weights(folder, step: 64), first)
        XCTAssertNotEqual(try weights(folder, step: 61), first)
    }

    func testGuardedRunsGoOnAsTheyWere() throws {
        for overrides in [
            ["apl.guard=true", "apl.selection=precision", "apl.precision_target=0.3"],
            [
                "apl.guard=true", "apl.student=restarted", "apl.selection=mixture", "apl.teacher_views=3", "icd.pooling=context",
                "apl.score_power=0.5",
            ],
        ] {
            let folder = NSTemporaryDirectory() + "kairos-guard-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let whole = try guardedRun(overrides, folder: folder), checkpoints = RunFolder(folder).checkpoints(keep: 100)
            XCTAssertEqual(checkpoints.steps.count, 10)
            for step in [9, 8, 7, 6, 5] {
                checkpoints.removeAll(after: step)
                XCTAssertEqual(try guardedRun(overrides, folder: folder, resume: true), whole, "after step \(step)")
            }
        }
    }

    func testStateOfTheGuardIsChecked() throws {
        let folder = NSTemporaryDirectory() + "kairos-guard-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try guardedRun(["apl.guard=true"], folder: folder)
        let state = try RunFolder(folder).readCheckpoint(step: 10).header.methodState
        let (method, _, _) = try method(["apl.guard=true", "apl.held_out_fraction=0.3"], labeled: 6)
        for key in ["apl_guard", "apl_guard_weights", "apl_guard_average"] {
            var damaged = state
            damaged[key] = [UInt8](repeating: 0, count: 20)
            XCTAssertThrowsError(try method.restore(damaged)) { XCTAssertTrue("\($0)".contains("'\(key)' has 20 bytes"), "\($0)") }
        }
    }
}
