import Diagnostics
import Foundation
import XCTest

/// `train`, `detect`, `export`, `import weights` and `inspect` as a user starts them, alone and under mpirun.
final class TrainCommandTests: CommandTestCase {
    override func setUpWithError() throws {
        try super.setUpWithError()
        try makeRun(shards: 4, training: "iterations: 6, warmup_iterations: 2, checkpoint_every: 2, log_every: 2")
    }
    /// The same bits for every number of ranks, for a run that was stopped, and for one resumed on another number of ranks.
    func testRanksAndResumingDoNotChangeABit() throws {
        let alone = try object(try kairos("train", folder + "/run.yaml", "--output", folder + "/r0", "--json"))
        let digest = try XCTUnwrap(alone["digest"] as? String)
        XCTAssertEqual(digest.count, 64)
        XCTAssertEqual(alone["step"] as? Int, 6)
        XCTAssertNotNil(alone["average_mAP"])
        for ranks in [1, 2, 4] {
            let ended = try object(try mpirun(ranks, "train", folder + "/run.yaml", "--output", folder + "/r\(ranks)", "--json"))
            XCTAssertEqual(ended["digest"] as? String, digest, "\(ranks) ranks")
            XCTAssertEqual((ended["peak_rss_mib"] as? [Int])?.count, ranks)
            XCTAssertEqual(try file("r\(ranks)/predictions.json"), try file("r0/predictions.json"), "\(ranks) ranks")
            XCTAssertEqual(try file("r\(ranks)/metrics.json"), try file("r0/metrics.json"), "\(ranks) ranks")
        }
        // Nor does the number of threads, at widths at which products and sums are shared out.
        let wide = [
            "--set", "model.embd_dim=128", "--set", "model.fpn_dim=128", "--set", "model.head_dim=128", "--set", "training.iterations=3", "--json",
        ]
        let digests = try [1, 2, 4].map { threads in
            try object(
                try mpirun(1, ["train", folder + "/run.yaml", "--output", folder + "/t\(threads)", "--set", "training.threads=\(threads)"] + wide))[
                    "digest"] as? String
        }
        XCTAssertNotNil(digests[0])
        XCTAssertEqual(Set(digests).count, 1, "\(digests)")
        let stopped = try object(try mpirun(2, "train", folder + "/run.yaml", "--output", folder + "/s", "--stop-after", "3", "--json"))
        XCTAssertEqual(stopped["step"] as? Int, 3)
        XCTAssertNil(stopped["average_mAP"])
        let resumed = try object(try mpirun(4, "train", folder + "/run.yaml", "--output", folder + "/s", "--resume", "--json"))
        XCTAssertEqual(resumed["digest"] as? String, digest)
        let inspected = try object(try kairos("inspect", folder + "/s/checkpoints/step-00000006.h5", "--json"))
        XCTAssertEqual(inspected["kind"] as? String, "checkpoint")
        XCTAssertEqual(inspected["digest"] as? String, digest)
        XCTAssertEqual(inspected["step"] as? Int, 6)
        XCTAssertGreaterThan(try XCTUnwrap(inspected["parameters"] as? Int), 1000)
        let other = try object(try kairos("train", folder + "/run.yaml", "--output", folder + "/seed", "--seed", "1", "--json"))
        XCTAssertNotEqual(other["digest"] as? String, digest)
    }

    /// The same in bfloat16, and detection with such a checkpoint is the run's own.
    func testRanksThreadsAndResumingDoNotChangeABitInBFloat16() throws {
        try XCTSkipUnless(Processor.present.contains("avx512_bf16"), "this processor does not multiply in bfloat16")
        let options = ["--set", "training.precision=bfloat16", "--set", "model.embd_dim=96", "--set", "model.fpn_dim=96", "--json"]
        func train(_ ranks: Int, _ name: String, _ more: String...) throws -> [String: Any] {
            try object(try mpirun(ranks, ["train", folder + "/run.yaml", "--output", "\(folder)/\(name)"] + options + more))
        }
        let digest = try XCTUnwrap(try train(1, "b1")["digest"] as? String)
        XCTAssertEqual(try train(2, "b2")["digest"] as? String, digest)
        XCTAssertEqual(try train(4, "b4", "--set", "training.threads=2")["digest"] as? String, digest)
        XCTAssertEqual(try train(1, "t3", "--set", "training.threads=3")["digest"] as? String, digest)
        XCTAssertEqual(try train(1, "again", "--set", "training.recompute_mlp=true")["digest"] as? String, digest)
        XCTAssertEqual(try train(2, "s", "--stop-after", "3")["step"] as? Int, 3)
        XCTAssertEqual(try train(1, "s", "--resume")["digest"] as? String, digest)
        XCTAssertEqual(try file("b4/predictions.json"), try file("b1/predictions.json"))
        XCTAssertNotEqual(try train(1, "f", "--set", "training.precision=float32")["digest"] as? String, digest)

        let detect = ["detect", "--checkpoint", folder + "/b1/checkpoints/step-00000006.h5", "--store", folder + "/store.h5", "--subset", "Test"]
        _ = try object(try mpirun(2, detect + ["--output", folder + "/p.json", "--json"]))
        XCTAssertEqual(try file("p.json"), try file("b1/predictions.json"))
        _ = try object(try mpirun(1, detect + ["--set", "training.precision=float32", "--output", folder + "/p.json", "--json"]))
        XCTAssertNotEqual(try file("p.json"), try file("b1/predictions.json"))
        let other = try kairos("train", folder + "/run.yaml", "--output", folder + "/s", "--resume")
        XCTAssertEqual(other.code, 2)
        XCTAssertTrue(other.errors.hasPrefix("error: the run was begun with model.embd_dim = 96, now it is 8\n"), other.errors)
    }

    /// Weights go out under published names and come back; detection with them is the run's own.
    func testExportImportDetect() throws {
        _ = try object(try kairos("train", folder + "/run.yaml", "--output", folder + "/r", "--json"))
        let checkpoint = folder + "/r/checkpoints/step-00000006.h5"
        let exported = try object(try kairos("export", "--checkpoint", checkpoint, "--output", folder + "/w.safetensors", "--json"))
        let imported = try object(
            try kairos(
                "import", "weights", "--source", folder + "/w.safetensors", "--config", folder + "/run.yaml", "--output", folder + "/w.h5", "--json"))
        XCTAssertEqual(exported["parameters"] as? Int, imported["parameters"] as? Int)
        for (ranks, source) in [(1, checkpoint), (2, folder + "/w.h5")] {
            let found = try object(
                try mpirun(
                    ranks, "detect", "--checkpoint", source, "--store", folder + "/store.h5", "--subset", "Test", "--output", folder + "/p.json",
                    "--json"))
            XCTAssertEqual(found["videos"] as? Int, 4)
            XCTAssertNotNil(found["detections"] as? Int)
            XCTAssertNotNil(found["seconds"] as? Double)
            XCTAssertEqual(try file("p.json"), try file("r/predictions.json"), source)
        }
        let weights = try object(try kairos("inspect", folder + "/w.safetensors", "--json"))
        XCTAssertEqual(weights["kind"] as? String, "weights")
        XCTAssertEqual(weights["parameters"] as? Int, exported["parameters"] as? Int)

        let wider = try kairos(
            "import", "weights", "--source", folder + "/w.safetensors", "--config", folder + "/run.yaml", "--output", folder + "/x.h5", "--set",
            "model.embd_dim=16", "--set", "model.fpn_dim=16")
        XCTAssertEqual(wider.code, 3)
        XCTAssertEqual(
            wider.errors,
            """
            error: the tensor has shape [8, 8, 3], the model wants [16, 8, 3]
              where: file 'FOLDER/w.safetensors', parameter 'backbone.embd.0.conv.weight'
              do: use the configuration the weights were trained with

            """)
        let made = try kairos("synthesize", "--output", folder + "/wide.h5", "--videos", "3", "--classes", "3", "--dimension", "9", "--seed", "5")
        XCTAssertEqual(made.code, 0)
        let unfit = try kairos("detect", "--checkpoint", checkpoint, "--store", folder + "/wide.h5", "--output", folder + "/p.json")
        XCTAssertEqual(unfit.code, 3)
        XCTAssertEqual(
            unfit.errors,
            """
            error: the store's features have 9 columns, the model was trained on 8
              where: file 'FOLDER/wide.h5', file 'FOLDER/r/checkpoints/step-00000006.h5'
              do: use a store made in the same way as the one of the training

            """)
    }

    func testErrorsAreSaidOnceAndEndEveryRank() throws {
        let cases: [(arguments: [String], code: Int32, error: String)] = [
            (
                ["--set", "training.iterations=none"], 2,
                """
                error: expected a whole number or null, from 1 to 1000000000, found the text 'none'
                  where: rank 0, key '--set training.iterations'
                  do: correct the value, or leave the key out for its default null
                """
            ),
            (
                ["--set", "data.store=\(folder)/nothing.h5"], 3,
                """
                error: the file does not exist
                  where: rank 0, file 'FOLDER/nothing.h5'
                  do: check the path
                """
            ),
            (
                ["--set", "data.virtual_shards=1"], 2,
                """
                error: 1 virtual shards cannot be shared out evenly over 2 ranks
                  where: rank 0, key 'data.virtual_shards'
                  do: start 1 rank or set data.virtual_shards to a multiple of 2
                """
            ),
        ]
        for (arguments, code, error) in cases {
            let ended = try start(
                root.appendingPathComponent("launch/mpirun"),
                ["2", executable.path, "train", folder + "/run.yaml", "--output", folder + "/e"] + arguments)
            XCTAssertEqual(ended.code, code, ended.errors)
            XCTAssertTrue(ended.errors.contains(error + "\n"), ended.errors)
            XCTAssertEqual(ended.errors.components(separatedBy: "error: ").count - 1, 1, ended.errors)
        }
        XCTAssertEqual(try kairos("train", folder + "/run.yaml").code, 2)
        XCTAssertEqual(try kairos("train", folder + "/run.yaml", "--output", folder + "/e", "--stop-after", "0").code, 2)
    }

    /// Where nobody watches the exit codes of ranks (`srun` without `--kill-on-bad-exit`), a failing rank must end the others itself.
    func testAFailureEndsTheRanksOfALauncherThatDoesNotWatch() throws {
        let careless = ["bash", "-c", "\"$@\"; sleep 300; exit 0", "launcher"]
        let ended = try start(
            root.appendingPathComponent("launch/mpirun"),
            ["2"] + careless + [executable.path, "train", folder + "/run.yaml", "--output", folder + "/e", "--set", "data.virtual_shards=1"])
        XCTAssertEqual(ended.code, 2, ended.errors)
        XCTAssertEqual(ended.errors.components(separatedBy: "error: ").count - 1, 1, ended.errors)
    }

    /// Rank 0 may write files of 12 KiB at most, which its log exceeds in the middle of the training; the other rank waits for it in a sum.
    func testAFailureOfOneRankAloneEndsTheOthers() throws {
        let limited = [
            "bash", "-c", "if [ \"$OMPI_COMM_WORLD_RANK\" = 0 ]; then trap '' XFSZ; ulimit -f 12; fi; \"$@\"; sleep 300; exit 0", "launcher",
        ]
        let ended = try start(
            root.appendingPathComponent("launch/mpirun"),
            ["2", "--mca", "btl", "self,tcp"] + limited + [executable.path, "train", folder + "/run.yaml", "--output", folder + "/e"]
                + ["training.iterations=1000", "training.checkpoint_every=1000", "training.log_every=1"].flatMap { ["--set", $0] })
        XCTAssertEqual(ended.code, 1, ended.errors)
        XCTAssertTrue(ended.errors.contains("error: the log could not be written: "), ended.errors)
        XCTAssertTrue(ended.errors.contains("  where: rank 0, file 'FOLDER/e/log.jsonl'\n  do: check the free space of the disk\n"), ended.errors)
        XCTAssertEqual(ended.errors.components(separatedBy: "error: ").count - 1, 1, ended.errors)
    }

    func testErrorsOfStoreCommandsAreSaidOnce() throws {
        try FileManager.default.createDirectory(atPath: folder + "/empty", withIntermediateDirectories: true)
        let cases: [(arguments: [String], code: Int32)] = [
            (["import", "sbhar", "--source", folder + "/empty", "--output", folder + "/o.h5"], 3),
            (["import", "features", "--annotations", folder + "/none.json", "--features", folder + "/empty", "--output", folder + "/o.h5"], 3),
            (["synthesize", "--output", folder + "/none/o.h5"], 1),
        ]
        for (arguments, code) in cases {
            let ended = try start(root.appendingPathComponent("launch/mpirun"), ["3", executable.path] + arguments)
            XCTAssertEqual(ended.code, code, ended.errors)
            XCTAssertEqual(ended.errors.components(separatedBy: "error: ").count - 1, 1, ended.errors)
            XCTAssertTrue(ended.errors.contains("  where: rank 0, file 'FOLDER/"), ended.errors)
        }
    }

    func testCommandsOfOneRankRefuseSeveral() throws {
        let cases = [
            ["import", "weights", "--source", "w", "--config", "c", "--output", "o"], ["export", "--checkpoint", "c", "--output", "o"],
            ["inspect", "f"], ["evaluate", "--annotations", "a", "--predictions", "p", "--subset", "Test"],
            ["ablation", "plan", "f", "d"], ["ablation", "table", "f", "d"],
        ]
        for arguments in cases {
            let ended = try start(root.appendingPathComponent("launch/mpirun"), ["3", executable.path] + arguments)
            let name = arguments.prefix { !$0.hasPrefix("-") && $0 != "f" }.joined(separator: " ")
            XCTAssertEqual(ended.code, 2, ended.errors)
            XCTAssertTrue(
                ended.errors.contains(
                    """
                    error: 'kairos \(name)' works on one rank, 3 were started
                      do: start it without mpirun, or with one rank

                    """), ended.errors)
            XCTAssertEqual(ended.errors.components(separatedBy: "error: ").count - 1, 1, ended.errors)
        }
        XCTAssertEqual(try mpirun(1, "inspect", folder + "/store.h5").code, 0)
    }

    func testARunWithoutMetricsSaysSo() throws {
        let made = try kairos(
            "synthesize", "--output", folder + "/again.h5", "--videos", "12", "--classes", "3", "--dimension", "8", "--seed", "5",
            "--annotations-output", folder + "/a.json")
        XCTAssertEqual(made.code, 0, made.errors)
        var set = try XCTUnwrap(JSONSerialization.jsonObject(with: file("a.json")) as? [String: Any])
        set["database"] = try XCTUnwrap(set["database"] as? [String: [String: Any]]).mapValues { $0.merging(["annotations": [Any]()]) { $1 } }
        try JSONSerialization.data(withJSONObject: set).write(to: URL(fileURLWithPath: folder + "/a.json"))
        let ended = try kairos("train", folder + "/run.yaml", "--output", folder + "/m", "--set", "data.annotations=\(folder)/a.json")
        XCTAssertEqual(ended.code, 0, ended.errors)
        let note = "subset 'Test' has no annotations: metrics.json was not written; the detections are in 'FOLDER/m/predictions.json'\n"
        XCTAssertTrue(ended.errors.contains(note), ended.errors)
        XCTAssertTrue(ended.output.contains("detections  \(folder)/m/predictions.json"), ended.output)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/m/metrics.json"))
        XCTAssertTrue(FileManager.default.fileExists(atPath: folder + "/m/predictions.json"))
    }

    /// A run that is done goes on for longer; standard error and the log say so.
    func testExtend() throws {
        try makeRun(shards: 1, training: "iterations: 3, warmup_iterations: 1")
        XCTAssertEqual(try kairos("train", folder + "/run.yaml", "--output", folder + "/run").code, 0)
        let longer = ["train", folder + "/run.yaml", "--output", folder + "/run", "--extend", "5"]
        let missing = try start(executable, longer)
        XCTAssertEqual(missing.code, 2)
        XCTAssertTrue(missing.errors.contains("--extend goes on with a run: add --resume"), missing.errors)
        let ended = try start(executable, longer + ["--resume", "--json"])
        XCTAssertTrue(
            ended.errors.contains(
                "the run is extended from 3 to 5 iterations: learning rates follow the schedule over the new length, step 4 is made at "),
            ended.errors)
        XCTAssertEqual(try object(ended)["iterations"] as? Int, 5)
        XCTAssertTrue(String(decoding: try file("run/log.jsonl"), as: UTF8.self).contains("\"extended_from\":3"))
        XCTAssertTrue(String(decoding: try file("run/config.yaml"), as: UTF8.self).contains("  iterations: 5\n"))
        let shorter = try start(executable, longer.dropLast() + ["4", "--resume"])
        XCTAssertEqual(shorter.code, 2)
        XCTAssertTrue(shorter.errors.contains("the run has 5 iterations, it cannot be extended to 4"), shorter.errors)
    }
}
