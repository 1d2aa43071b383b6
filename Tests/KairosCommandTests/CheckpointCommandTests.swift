import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// What a checkpoint and a weight file say of their training, and their use on stores of other videos, as a user does it.
final class CheckpointCommandTests: CommandTestCase {
    private var checkpoint: String { folder + "/r/checkpoints/step-00000006.h5" }

    override func setUpWithError() throws {
        try super.setUpWithError()
        try makeRun(shards: 4, training: "iterations: 6, warmup_iterations: 2, checkpoint_every: 6, log_every: 6")
    }

    /// A store of new videos without classes, whose rows are `seconds` apart.
    private func writeNewVideos(_ name: String, secondsPerRow seconds: Double) throws {
        var features = MemoryFeatures(dimension: 8)
        for (number, rows) in [40, 60, 25].enumerated() { features.add("new\(number)", rows: rows, stride: 30 * seconds, window: 30) }
        try FeatureStoreWriter().write(features, to: folder + "/" + name)
    }

    func testVersion() throws {
        let said = try kairos("--version")
        XCTAssertEqual(said.code, 0)
        XCTAssertNotNil(said.output.range(of: "^kairos 0\\.1\\.0 \\(build [0-9a-f]{12}\\)\\n$", options: .regularExpression), said.output)
        XCTAssertEqual(try kairos("train", "--version").output, said.output)
    }

    /// A run's folder says how far the run has come.
    func testInspectionOfARun() throws {
        let run = folder + "/r"
        let stopped = try object(try kairos("train", folder + "/run.yaml", "--output", run, "--stop-after", "3", "--json"))
        var inspected = try object(try kairos("inspect", run, "--json"))
        XCTAssertEqual(inspected["kind"] as? String, "run")
        XCTAssertEqual(inspected["digest"] as? String, stopped["digest"] as? String)
        XCTAssertEqual(inspected["step"] as? Int, 3)
        XCTAssertEqual(inspected["checkpoints"] as? [Int], [3])
        XCTAssertEqual(inspected["stage"] as? String, "training")
        XCTAssertGreaterThan(try XCTUnwrap((inspected["loss"] as? [String: Double])?["total"]), 0)
        XCTAssertGreaterThanOrEqual(try XCTUnwrap(inspected["seconds"] as? Double), 0)
        XCTAssertNil(inspected["metrics"])
        XCTAssertNil(inspected["best_step"])
        let ended = try object(
            try kairos("train", folder + "/run.yaml", "--output", run, "--resume", "--json", "--set", "training.evaluate_every=2"))
        inspected = try object(try kairos("inspect", run, "--json"))
        XCTAssertEqual(inspected["step"] as? Int, ended["step"] as? Int)
        XCTAssertEqual((inspected["metrics"] as? [String: Any])?["average_mAP"] as? Double, ended["average_mAP"] as? Double)
        let best = try XCTUnwrap(inspected["best_step"] as? Int), average = try XCTUnwrap(inspected["best_average_mAP"] as? Double)
        XCTAssertGreaterThanOrEqual(average, try XCTUnwrap(ended["average_mAP"] as? Double), "the last evaluation is one of them")
        let text = try kairos("inspect", run)
        XCTAssertTrue(text.output.contains("  best        \(String(format: "%.2f", 100 * average)) % while training, at step \(best)\n"), text.output)
        XCTAssertEqual(text.code, 0, text.errors)
        for line in ["\(run): run\n", "  average mAP ", "  checkpoints 3, ", "  digest      \(try XCTUnwrap(ended["digest"] as? String))\n"] {
            XCTAssertTrue(text.output.contains(line), text.output)
        }
        XCTAssertFalse(text.output.contains("rounds"), text.output)
        // Other folders are no runs.
        let other = try kairos("inspect", folder)
        XCTAssertEqual(other.code, 3, other.errors)
    }

    func testNewVideos() throws {
        let trained = try object(try kairos("train", folder + "/run.yaml", "--output", folder + "/r", "--json"))
        let inspected = try object(try kairos("inspect", checkpoint, "--json"))
        let classes = try XCTUnwrap(inspected["classes"] as? [String])
        XCTAssertEqual(classes.count, 3)
        let rate = try XCTUnwrap(inspected["feature_rate"] as? [String: Any])
        XCTAssertEqual(rate["seconds_per_row"] as? [String: Double], ["least": 0.5, "median": 0.5, "greatest": 0.5])
        XCTAssertEqual(rate["seconds_per_window"] as? [String: Double], ["least": 1, "median": 1, "greatest": 1])
        XCTAssertEqual([rate["frames_per_row"] as? Double, rate["frames_per_window"] as? Double], [15, 30])
        XCTAssertEqual((inspected["metrics"] as? [String: Any])?["average_mAP"] as? Double, trained["average_mAP"] as? Double)
        XCTAssertNotNil(trained["average_mAP"] as? Double)
        let text = try kairos("inspect", checkpoint).output
        let build = try XCTUnwrap(inspected["program_digest"] as? String).prefix(12)
        XCTAssertEqual(try kairos("--version").output, "kairos 0.1.0 (build \(build))\n")
        for line in [
            "  classes     \(classes.joined(separator: ", "))\n", "  rate        rows 0.5 s apart, windows of 1 s\n",
            "  written by  kairos 0.1.0 (build \(build))\n", "  average mAP ",
        ] { XCTAssertTrue(text.contains(line), text) }

        // New videos have no classes; their detections have the checkpoint's.
        try writeNewVideos("new.h5", secondsPerRow: 0.5)
        let detect = ["detect", "--checkpoint", checkpoint, "--output", folder + "/p.json", "--json", "--store"]
        let found = try mpirun(2, detect + [folder + "/new.h5"])
        XCTAssertFalse(found.errors.contains("warning"), found.errors)
        XCTAssertEqual(try object(found)["videos"] as? Int, 3)
        let predictions = String(decoding: try file("p.json"), as: UTF8.self)
        XCTAssertTrue(classes.contains { predictions.contains("{\"label\": \"\($0)\"") }, predictions)

        // Rows twice as far apart.
        try writeNewVideos("coarse.h5", secondsPerRow: 1)
        let refused = try mpirun(2, detect + [folder + "/coarse.h5"])
        XCTAssertEqual(refused.code, 3)
        XCTAssertTrue(
            refused.errors.contains(
                """
                error: the rows of 3 of 3 videos are 1 s apart, the model was trained on rows 0.5 s apart
                  where: rank 0, file 'FOLDER/coarse.h5', file 'FOLDER/r/checkpoints/step-00000006.h5', video 'new0'
                  do: use features of the training's extractor settings, or add --resample to interpolate the rows to 0.5 s apart

                """), refused.errors)
        var bytes: [Data] = []
        for ranks in [1, 2] {
            let ended = try mpirun(ranks, detect + [folder + "/coarse.h5", "--resample"])
            XCTAssertTrue(ended.errors.contains("the rows of 3 of 3 videos are interpolated to 0.5 s apart\n"), ended.errors)
            XCTAssertEqual(try object(ended)["resampled"] as? Int, 3)
            bytes.append(try file("p.json"))
        }
        XCTAssertEqual(bytes[0], bytes[1])
        XCTAssertNotEqual(String(decoding: bytes[0], as: UTF8.self), predictions)
    }

    func testWeightsForNewVideos() throws {
        _ = try object(try kairos("train", folder + "/run.yaml", "--output", folder + "/r", "--json"))
        _ = try object(try kairos("export", "--checkpoint", checkpoint, "--output", folder + "/w.safetensors", "--json"))
        let classes = try XCTUnwrap(try object(try kairos("inspect", folder + "/w.safetensors", "--json"))["classes"] as? [String])
        XCTAssertTrue(try kairos("inspect", folder + "/w.safetensors").output.contains("  rate        rows 0.5 s apart, windows of 1 s\n"))
        try writeNewVideos("new.h5", secondsPerRow: 0.5)
        let take = [
            "import", "weights", "--source", folder + "/w.safetensors", "--config", folder + "/run.yaml", "--set", "data.store=\(folder)/new.h5",
            "--output", folder + "/c.h5",
        ]
        let taken = try start(executable, take + ["--json"])
        XCTAssertEqual(taken.errors, "")
        XCTAssertEqual(try object(taken)["classes"] as? [String], classes)
        let named = try object(try start(executable, take + ["--json", "--classes", "a,b c,d"]))
        XCTAssertEqual(named["classes"] as? [String], ["a", "b c", "d"])
        XCTAssertEqual(try object(try kairos("inspect", folder + "/c.h5", "--json"))["classes"] as? [String], ["a", "b c", "d"])
        let both = try start(executable, take + ["--classes", "a,b,c", "--classes-from", "a.json"])
        XCTAssertEqual(both.code, 2)
        XCTAssertTrue(both.errors.hasPrefix("Error: --classes and --classes-from were both given: leave one of them out\n"), both.errors)
    }
}
