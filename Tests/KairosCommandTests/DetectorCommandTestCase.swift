import Foundation
import XCTest

/// A detector as a user trains it: supervised, under APL, as the student of FuSTAL.
class DetectorCommandTestCase: CommandTestCase {
    /// Options that set a tiny model of the detector.
    var tinyModel: [String] { [] }

    override func setUpWithError() throws {
        try super.setUpWithError()
        try makeStore(videos: 24)
        let common = """
            data: {store: FOLDER/store.h5, virtual_shards: 4, batch_size: 4, max_rows: 100, labeled_fraction: 0.4}
            training: {iterations: 30, warmup_iterations: 2, learning_rate: 0.01, checkpoint_every: 17, log_every: 5, threads: 1}
            test: {max_seg_num: 20, min_score: 0.001}

            """
        try write(common, "supervised.yaml")
        try write(common + "method: {name: apl}\n" + Self.tinyStages, "apl.yaml")
        try write(
            common + """
                method: {name: fustal}
                fustal: {segments: 40, embedding_dim: 16, generator_iterations: 6, generator_batch_size: 8, generator_learning_rate: 0.01,
                  distill_after_iterations: 15, distill_score: 0.02, filter_score: 0.1}
                """, "fustal.yaml")
    }

    func train(_ ranks: Int, _ configuration: String, _ run: String, _ more: [String] = []) throws -> [String: Any] {
        try object(
            try mpirun(ranks, ["train", "\(folder)/\(configuration).yaml", "--output", "\(folder)/\(run)", "--json"] + tinyModel + more))
    }

    /// The same bits for every number of ranks and threads, and for a run stopped and resumed; detection and weights that went out and came back are
    /// the run's own.
    ///
    /// - Parameters:
    ///   - ranks: numbers of ranks besides 1.
    ///   - withoutConsequence: further options of the run on two threads.
    func checkSupervised(ranks: [Int], withoutConsequence: [String] = []) throws {
        let alone = try train(1, "supervised", "r1"), digest = try XCTUnwrap(alone["digest"] as? String)
        XCTAssertNotNil(alone["average_mAP"])
        for ranks in ranks {
            XCTAssertEqual(try train(ranks, "supervised", "r\(ranks)")["digest"] as? String, digest)
            XCTAssertEqual(try file("r\(ranks)/predictions.json"), try file("r1/predictions.json"))
        }
        XCTAssertEqual(try train(1, "supervised", "t", ["--set", "training.threads=2"] + withoutConsequence)["digest"] as? String, digest)
        _ = try train(2, "supervised", "s", ["--stop-after", "7"])
        XCTAssertEqual(try train(1, "supervised", "s", ["--resume"])["digest"] as? String, digest)

        let checkpoint = folder + "/r1/checkpoints/step-00000030.h5"
        let exported = try object(try kairos("export", "--checkpoint", checkpoint, "--output", folder + "/w.safetensors", "--json"))
        let imported = try object(
            try start(
                executable,
                [
                    "import", "weights", "--source", folder + "/w.safetensors", "--config", folder + "/supervised.yaml", "--output", folder + "/w.h5",
                    "--json",
                ] + tinyModel))
        XCTAssertEqual(exported["parameters"] as? Int, imported["parameters"] as? Int)
        for source in [checkpoint, folder + "/w.h5"] {
            _ = try object(
                try mpirun(
                    2, "detect", "--checkpoint", source, "--store", folder + "/store.h5", "--subset", "Test", "--output", folder + "/p.json",
                    "--json"))
            XCTAssertEqual(try file("p.json"), try file("r1/predictions.json"), source)
        }
    }

    /// Pre-training, burn-in and two rounds: the same bits for 1 and 2 ranks.
    ///
    /// - Parameters:
    ///   - name: begins the names of the runs.
    ///   - options: of both.
    ///   - steps: of all stages.
    /// - Returns: the predictions of the second round, per recording.
    @discardableResult
    func checkAdaptivePseudoLabels(_ name: String = "r", _ options: [String] = [], steps: Int = 44) throws -> [String: [[String: Any]]] {
        let alone = try train(1, "apl", name + "1", options)
        XCTAssertEqual(alone["step"] as? Int, steps)
        XCTAssertNotNil(alone["average_mAP"])
        XCTAssertEqual(try train(2, "apl", name + "2", options)["digest"] as? String, try XCTUnwrap(alone["digest"] as? String))
        for path in ["pseudo_labels/round-1.json", "pseudo_labels/round-2.json", "predictions.json", "metrics.json"] {
            XCTAssertEqual(try file("\(name)2/\(path)"), try file("\(name)1/\(path)"), path)
        }
        let round = try XCTUnwrap(JSONSerialization.jsonObject(with: try file(name + "1/pseudo_labels/round-2.json")) as? [String: Any])
        let results = try XCTUnwrap(round["results"] as? [String: [[String: Any]]])
        XCTAssertFalse(results.values.joined().isEmpty)
        for entry in results.values.joined() {
            for key in ["P_cls", "P_tiou", "P_tnd"] { XCTAssertNotNil(entry[key] as? Double, key) }
        }
        return results
    }

    /// Generator, student and distillation: the same bits for 1 and 2 ranks.
    func checkWeakSupervision() throws {
        let alone = try train(1, "fustal", "r1")
        XCTAssertEqual(alone["step"] as? Int, 36)
        XCTAssertNotNil(alone["average_mAP"])
        XCTAssertEqual(try train(2, "fustal", "r2")["digest"] as? String, try XCTUnwrap(alone["digest"] as? String))
        for name in ["pseudo_labels/round-1.json", "pseudo_labels/round-2.json", "predictions.json"] {
            XCTAssertEqual(try file("r2/" + name), try file("r1/" + name), name)
        }
    }
}
