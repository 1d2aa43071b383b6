import Checkpoints
import FeatureStore
import Foundation
import RunRecords
import Training
import TrainingMethods
import XCTest

/// Evaluation while a run trains: its record, the best weights, the early end.
final class ValidationTests: ToyRunTestCase {
    private func records(_ name: String) throws -> [ValidationRecord] {
        try RunFolder("\(folder)/\(name)").readLog().compactMap { if case .validation(let record) = $0 { record } else { nil } }
    }

    func testEvaluationsAreOnRecordAndChangeNoWeight() throws {
        let plain = try run("plain").run()
        let outcome = try run("validated", ["training.evaluate_every=5"]).run()
        let records = try records("validated")
        XCTAssertEqual(records.map(\.step), [5, 10, 12], "the last step too")
        XCTAssertEqual(records.map(\.stage), ["training", "training", "training"])
        for record in records { XCTAssertEqual(record.tiouThresholds, [0.3, 0.4, 0.5, 0.6, 0.7]) }
        // The last one saw the weights and recordings of the evaluation at the end.
        let evaluation = try XCTUnwrap(outcome.evaluation)
        XCTAssertEqual(records[2].mAP, evaluation.mAP)
        XCTAssertEqual(records[2].averageMAP, evaluation.averageMAP)
        var best = -1.0, step = 0
        for record in records {
            if record.averageMAP > best { (best, step) = (record.averageMAP, record.step) }
            XCTAssertEqual(record.bestAverageMAP, best)
            XCTAssertEqual(record.bestStep, step)
        }
        let kept = try Checkpoint(path: "\(folder)/validated/checkpoints/best.h5")
        XCTAssertEqual(kept.header.step, step)
        let (a, b) = (try Checkpoint(path: plain.checkpoint), try Checkpoint(path: outcome.checkpoint))
        XCTAssertEqual(try a.published(.current)[0].values, try b.published(.current)[0].values)
        XCTAssertEqual(evaluation, plain.evaluation)
        // The best one is not among those that are kept by their number, nor gone on from.
        XCTAssertEqual(RunFolder("\(folder)/validated").checkpoints(keep: 2).steps, [10, 12])
    }

    /// The evaluation at the end takes the detections of the last evaluation before it, if recordings and weights are the same.
    func testTheLastStepIsDetectedOnce() throws {
        let recordings = 3
        for (name, overrides, passes) in [
            ("same", [], 3), ("other recordings", ["data.validation_subset=Validation"], 4), ("ends early", ["training.patience=1"], 2),
            // Of the first evaluation, since nothing is better.
            ("best weights", ["training.evaluate_checkpoint=best", "training.learning_rate=1e-12", "training.weight_decay=0"], 4),
        ] as [(String, [String], Int)] {
            var toy: ToyDetector?
            let training = try run(
                name, ["training.evaluate_every=5"] + overrides,
                toy: {
                    let made = ToyDetector(columns: $0.dimension)
                    toy = made
                    return made
                })
            let outcome = try training.run()
            let detected = try XCTUnwrap(toy?.detected), own = Set(detected.suffix(recordings))
            XCTAssertEqual(own.count, recordings, name)
            XCTAssertEqual(Double(detected.filter(own.contains).count) / Double(recordings), name == "other recordings" ? 1 : Double(passes), name)
            let metrics = try XCTUnwrap(outcome.evaluation), records = try records(name)
            XCTAssertEqual(records.count, name == "ends early" ? 2 : 3, name)
            if name != "other recordings" { XCTAssertEqual(records.last?.mAP, metrics.mAP, name) }
            XCTAssertTrue(FileManager.default.fileExists(atPath: "\(folder)/\(name)/predictions.json"), name)
        }
    }

    /// Classes of a classifier, and actions of one class: the evaluations while training count as the one at the end does.
    func testClassesOfAClassifierCountAlike() throws {
        let known = try FeatureStore(path: store), scores = folder + "/scores.json"
        let videos = known.videos.map { "\"\($0.id.name)\": [0.1, 0.9]" }.joined(separator: ", ")
        try "{\"results\": {\(videos)}, \"class\": [\"action_0\", \"action_1\"]}".write(toFile: scores, atomically: true, encoding: .utf8)
        for agnostic in ["true", "false"] {
            let overrides = [
                "training.evaluate_every=5", "test.class_scores=\(scores)", "data.class_agnostic=\(agnostic)", "test.tiou_thresholds=[0.01, 0.05]",
            ]
            let evaluation = try XCTUnwrap(try run("classified-\(agnostic)", overrides).run().evaluation)
            XCTAssertGreaterThan(evaluation.averageMAP, 0, agnostic)
            XCTAssertEqual(try records("classified-\(agnostic)").last?.mAP, evaluation.mAP, agnostic)
        }
    }

    func testRunsThatEvaluateGoOnAsTheyWere() throws {
        let overrides = ["training.evaluate_every=2", "training.checkpoint_every=1", "training.keep=20", "data.validation_subset=Validation"]
        let whole = try run("on", overrides).run(), log = try records("on")
        XCTAssertEqual(log.count, 6)
        let checkpoints = RunFolder("\(folder)/on").checkpoints(keep: 20)
        for step in [11, 7, 4, 3] {
            checkpoints.removeAll(after: step)
            XCTAssertEqual(try run("on", overrides, resume: true).run().digest, whole.digest, "after step \(step)")
            XCTAssertEqual(try records("on").map(\.mAP), log.map(\.mAP))
            XCTAssertEqual(try records("on").map(\.bestStep), log.map(\.bestStep))
        }
        // Begun anew, nothing of the old best one is left.
        checkpoints.removeAll(after: -1)
        XCTAssertFalse(FileManager.default.fileExists(atPath: checkpoints.best))
    }

    /// A rate of nearly nothing: no evaluation is better than the first.
    func testTheRunEndsWithoutAGain() throws {
        let overrides = [
            "training.evaluate_every=2", "training.patience=2", "training.learning_rate=1e-12", "training.weight_decay=0",
            "data.validation_subset=Validation",
        ]
        let training = try run("early", overrides), outcome = try training.run()
        XCTAssertEqual(try records("early").map(\.step), [2, 4, 6])
        XCTAssertEqual(outcome.step, 6)
        XCTAssertEqual(outcome.iterations, 12)
        XCTAssertNotNil(outcome.evaluation, "it is evaluated all the same")
        let best = try records("early")[0]
        XCTAssertEqual(
            training.notes.last { $0.hasPrefix("ended") },
            "ended at step 6 of 12: 2 evaluations without a gain over the average mAP of \(String(format: "%.2f", 100 * best.averageMAP)) % at step 2"
        )
        // It stays ended.
        let again = try run("early", overrides, resume: true).run()
        XCTAssertEqual(again.step, 6)
        XCTAssertEqual(again.digest, outcome.digest)
        XCTAssertEqual(again.evaluation, outcome.evaluation)
        // More patience: it goes on.
        XCTAssertEqual(try run("early", overrides + ["training.patience=100"], resume: true).run().step, 12)
    }

    func testTheBestWeightsAreEvaluatedWhenAskedFor() throws {
        for weights in ["current", "ema"] {
            var detector: ToyDetector?
            // The rate is so high that later weights are worse, or the same.
            let overrides = [
                "training.evaluate_every=3", "training.evaluate_checkpoint=best", "training.evaluate_weights=\(weights)", "training.ema_decay=0.5",
                "data.validation_subset=Validation",
            ]
            let training = try run("best-\(weights)", overrides) { store in
                let toy = ToyDetector(columns: store.dimension)
                detector = toy
                return toy
            }
            let outcome = try training.run(), toy = try XCTUnwrap(detector)
            let best = try Checkpoint(path: "\(folder)/best-\(weights)/checkpoints/best.h5")
            XCTAssertEqual(best.header.step, try XCTUnwrap(try records("best-\(weights)").last).bestStep)
            XCTAssertEqual(toy.weightsAtDetection, try best.published(weights == "ema" ? .ema : .current)[0].values)
            // The checkpoint of the last step keeps its own.
            let last = try Checkpoint(path: outcome.checkpoint)
            XCTAssertEqual(last.header.step, 12)
            try withExtendedLifetime(training) { XCTAssertEqual(try last.published(.current)[0].values, Array(toy.weight.values)) }
        }
    }

    func testSubsetThatTheChoiceFavours() throws {
        let warning =
            "warning: the best weights are chosen on subset 'Test', on which the run is evaluated too: its figures are too good; "
            + "name another data.validation_subset"
        XCTAssertTrue(try run("a", ["training.evaluate_every=5", "training.patience=3"]).notes.contains(warning))
        XCTAssertFalse(try run("b", ["training.evaluate_every=5"]).notes.contains(warning), "nothing is chosen")
        XCTAssertFalse(
            try run("c", ["training.evaluate_every=5", "training.patience=3", "data.validation_subset=Validation"]).notes.contains(warning))
    }

    func testRefusals() throws {
        for (key, value) in [("patience", "3"), ("evaluate_checkpoint", "best")] {
            refused(
                """
                error: \(key) needs evaluations while the run trains
                  where: key '--set training.\(key)'
                  do: set training.evaluate_every, or remove the key
                """
            ) { _ = try configuration(["training.\(key)=\(value)"]) }
        }
        refused(
            """
            error: there is no subset to evaluate on while the run trains
              where: key '--set training.evaluate_every'
              do: name data.validation_subset, or set training.evaluate_every to null
            """
        ) { _ = try configuration(["training.evaluate_every=5", "data.evaluation_subset=null"]) }
        XCTAssertThrowsError(try run("d", ["training.evaluate_every=5", "data.validation_subset=Nothing"])) {
            XCTAssertTrue("\($0)".contains("'data.validation_subset'"), "\($0)")
        }
    }
}
