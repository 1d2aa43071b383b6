import Foundation
import RunRecords
import TemporalAnnotations
import XCTest

/// Whole APL runs as a user starts them: pre-training, burn-in with the discriminator, two rounds.
final class AdaptivePseudoLabelCommandTests: CommandTestCase {
    private let text = """
        data: {store: FOLDER/store.h5, virtual_shards: 4, batch_size: 4, max_rows: 100, labeled_fraction: 0.4}
        \(CommandTestCase.tinyModel())
        training: {iterations: 30, warmup_iterations: 2, learning_rate: 0.01, checkpoint_every: 17, log_every: 5, threads: 1}
        test: {max_seg_num: 20, min_score: 0.001}
        method: {name: apl}
        \(CommandTestCase.tinyStages)
        """

    override func setUpWithError() throws {
        try super.setUpWithError()
        try makeStore(videos: 24)
        try write(text, "apl.yaml")
    }

    private func round(_ run: String, _ number: Int) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: try file("\(run)/pseudo_labels/round-\(number).json")) as? [String: Any])
    }

    private func notes(_ run: String) throws -> [[String: Any]] {
        try file("\(run)/log.jsonl").split(separator: UInt8(ascii: "\n"))
            .compactMap { try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any] }.filter { $0["loss"] == nil }
    }

    private func train(_ ranks: Int, _ run: String, _ more: [String] = []) throws -> Ended {
        try start(
            root.appendingPathComponent("launch/mpirun"),
            ["\(ranks)", executable.path, "train", folder + "/apl.yaml", "--output", folder + "/" + run, "--json"] + more)
    }

    /// The same bits for 1, 2 and 4 ranks, and for a run stopped within and at the end of each stage and resumed on another number of ranks.
    func testRanksAndResumingDoNotChangeABit() throws {
        let whole = try object(try train(1, "r1"))
        let digest = try XCTUnwrap(whole["digest"] as? String)
        XCTAssertEqual(whole["step"] as? Int, 44)
        XCTAssertNotNil(whole["average_mAP"])
        for ranks in [2, 4] {
            XCTAssertEqual(try object(try train(ranks, "r\(ranks)"))["digest"] as? String, digest, "\(ranks) ranks")
            for name in ["pseudo_labels/round-1.json", "pseudo_labels/round-2.json", "predictions.json", "metrics.json"] {
                XCTAssertEqual(try file("r\(ranks)/" + name), try file("r1/" + name), "\(ranks) ranks: \(name)")
            }
        }
        for stop in [2, 20, 34, 36, 43] {
            let ended = try object(try train(2, "s", ["--stop-after", "\(stop)"]))
            XCTAssertEqual(ended["step"] as? Int, stop)
            XCTAssertEqual(try object(try train(stop % 2 == 0 ? 4 : 1, "s", ["--resume"]))["digest"] as? String, digest, "stopped after \(stop)")
            XCTAssertEqual(try file("s/pseudo_labels/round-2.json"), try file("r1/pseudo_labels/round-2.json"), "stopped after \(stop)")
            XCTAssertEqual(try notes("s").map { $0["step"] as? Int }, [34, 39], "stopped after \(stop)")
            XCTAssertEqual(try RunLog.read(folder + "/s/log.jsonl").last?.step, 44)
            try FileManager.default.removeItem(atPath: folder + "/s")
        }

        // What the rounds have written agrees with what they noted.
        for (number, note) in try notes("r1").enumerated() {
            let written = try round("r1", number + 1)
            let results = try XCTUnwrap(written["results"] as? [String: [[String: Any]]])
            let outside = try XCTUnwrap(written["external_data"] as? [String: Any])
            XCTAssertEqual(note["stage"] as? String, "round \(number + 1)")
            XCTAssertEqual(results.count, 10, "every unlabelled recording is listed")
            XCTAssertEqual(note["theta"] as? Double, outside["theta"] as? Double)
            let theta = try XCTUnwrap(outside["theta"] as? Double)
            var counts: [String: Int] = [:]
            for entry in results.values.joined() {
                let fate = try XCTUnwrap(entry["fate"] as? String)
                counts[fate, default: 0] += 1
                let score = try XCTUnwrap(entry["score"] as? Double), similarity = try XCTUnwrap(entry["similarity"] as? Double)
                switch fate {
                case "positive": XCTAssertTrue(score >= theta && similarity >= Double(Float(0.4)), "\(entry)")
                case "removed": XCTAssertTrue(score >= theta && similarity < Double(Float(0.4)), "\(entry)")
                case "promoted": XCTAssertTrue(score < theta && similarity >= Double(Float(0.6)), "\(entry)")
                default: XCTAssertTrue(score < theta && similarity < Double(Float(0.6)), "\(entry)")
                }
                for key in ["P_cls", "P_tiou", "P_tnd"] { XCTAssertNotNil(entry[key] as? Double, key) }
            }
            for fate in ["positive", "removed", "promoted", "rejected"] { XCTAssertEqual(note[fate] as? Int, counts[fate] ?? 0, fate) }
            XCTAssertGreaterThan((counts["positive"] ?? 0) + (counts["promoted"] ?? 0), 0)
            XCTAssertGreaterThan((counts["removed"] ?? 0) + (counts["promoted"] ?? 0), 0, "the discriminator decides something")
            XCTAssertNotNil(outside["quality"] as? [String: Any])
            XCTAssertEqual(outside["previous_quality"] is [String: Any], number > 0)
        }
        try checkReadBack(RunFolder(folder + "/r1"), checkpoint: try XCTUnwrap(whole["checkpoint"] as? String))
    }

    /// Everything that the run has left reads back with `RunRecords` and fits together.
    private func checkReadBack(_ run: RunFolder, checkpoint: String) throws {
        let inspected = try object(try kairos("inspect", checkpoint, "--json"))
        let classes = ClassMap(names: try XCTUnwrap(inspected["classes"] as? [String]))
        XCTAssertEqual(run.checkpoints(keep: 2).newest, checkpoint)
        XCTAssertTrue(try run.readConfiguration().contains("name: apl"))
        XCTAssertEqual(try run.readMetrics().averageMAP, (inspected["metrics"] as? [String: Any])?["average_mAP"] as? Double)
        XCTAssertFalse(try run.readPredictions(classes: classes).isEmpty)
        let log = try run.readLog()
        XCTAssertEqual(log.map(\.step), [4, 5, 10, 15, 20, 25, 30, 34, 34, 35, 39, 39, 40, 44])
        XCTAssertEqual(
            log.map(\.stage),
            Array(repeating: "pre-training", count: 1) + Array(repeating: "burn-in", count: 7) + Array(repeating: "round 1", count: 3)
                + Array(repeating: "round 2", count: 3))
        let times = try log.map { try XCTUnwrap($0.time) }
        XCTAssertEqual(times, times.sorted())
        XCTAssertEqual(run.rounds, [1, 2])
        let rounds = log.compactMap { if case .round(let record) = $0 { record } else { nil } }
        for (number, record) in zip(run.rounds, rounds) {
            let file = try run.readPseudoLabels(round: number, classes: classes)
            XCTAssertEqual(file.labels.count { $0.fate.isLabel }, record.positive + record.promoted)
            XCTAssertEqual(file.thresholds.theta, record.theta)
            XCTAssertEqual(file.quality.map(PseudoLabelRoundRecord.Quality.init), record.quality)
        }
    }

    /// Without any of the parts, the burn-in is the supervised run, to the bit; with MixUp too, by either key.
    func testBurnInWithoutPartsIsTheSupervisedRun() throws {
        let off = ["apl.alqa=none", "apl.pretraining_iterations=0", "apl.rounds=0", "acp.coarse=false", "acp.fine=false"]
        var weights: [Data] = []
        for (name, mixup, apl) in [("plain", [], []), ("mixup", ["training.mixup_alpha=0.5"], ["apl.mixup_alpha=0.5"])] {
            let settings = [("supervised", 2, ["method.name=supervised"] + mixup), ("apl", 2, off + mixup), ("key", 4, off + apl)]
            let files = try settings.map { method, ranks, settings in
                let run = "\(name)-\(method)"
                _ = try object(try train(ranks, run, settings.flatMap { ["--set", $0] }))
                let exported = try kairos(
                    "export", "--checkpoint", folder + "/\(run)/checkpoints/step-00000030.h5", "--output", folder + "/\(run).safetensors")
                XCTAssertEqual(exported.code, 0, exported.errors)
                return try file("\(run).safetensors")
            }
            XCTAssertEqual(Set(files).count, 1, name)
            weights.append(files[0])
        }
        XCTAssertNotEqual(weights[0], weights[1])
    }

    /// Each part alone, and what the paper compares with, trains; settings matter; the bits do not depend on the ranks where they exchange something.
    func testEachPartCanBeSwitched() throws {
        let nothing = ["apl.alqa=none", "icd.eap=false", "icd.mpp=false", "acp.coarse=false", "acp.fine=false", "apl.pretraining_iterations=0"]
        let cases: [String: [String]] = [
            "baseline": nothing + ["apl.selection=fixed", "apl.fixed_threshold=0.01"],
            "mixup": nothing + ["training.mixup_alpha=0.4", "apl.selection=fixed", "apl.fixed_threshold=0.01"],
            "matched": nothing + ["apl.selection=matched"],
            "ignore": nothing + ["apl.uncertain=ignore", "training.mixup_alpha=0.4"],
            "ignore, contrast": ["apl.uncertain=ignore", "acp.coarse=true", "acp.fine=true"],
            "soft": nothing + ["apl.uncertain=soft"],
            "tiou": nothing + ["apl.alqa=tiou", "apl.teacher=ema", "training.ema_decay=0.9"],
            "diou": nothing + ["apl.alqa=diou", "apl.selection=adaptive_per_class"],
            "class score": nothing + ["apl.alqa=tiou_tnd", "apl.selection_score=class", "apl.alqa_score=class"],
            "eap": nothing + ["icd.eap=true"],
            "coarse": nothing + ["acp.coarse=true", "apl.pretraining_iterations=3"],
            "fine": nothing + ["acp.fine=true", "apl.pretraining_iterations=3", "acp.clusters=3"],
        ]
        var digests: [String: String] = [:]
        for (name, settings) in cases.sorted(by: { $0.key < $1.key }) {
            let options = (settings + ["training.iterations=12", "apl.round_iterations=3", "data.evaluation_subset=null"]).flatMap { ["--set", $0] }
            let ranks = ["diou", "eap", "fine", "mixup", "ignore", "ignore, contrast", "soft"].contains(name) ? [1, 2] : [1]
            let runs = try ranks.map { try object(try train($0, "\(name)\($0)", options))["digest"] as? String }
            XCTAssertEqual(Set(runs).count, 1, name)
            XCTAssertEqual(try notes("\(name)1").count, 2, name)
            digests[name] = runs[0]
        }
        XCTAssertEqual(Set(digests.values).count, cases.count)
    }

    func testErrors() throws {
        let cases: [(settings: [String], code: Int32, error: String)] = [
            (
                ["data.labeled_fraction=1"], 3,
                """
                error: 0 unlabelled training recordings are too few for 4 virtual shards
                  where: rank 0, key 'data.labeled_fraction'
                  do: label fewer recordings, use fewer virtual shards, or set apl.rounds to 0
                """
            ),
            (
                ["apl.unlabeled_batch_size=2"], 2,
                """
                error: unlabeled_batch_size 2 is not a multiple of virtual_shards 4
                  where: rank 0, key '--set apl.unlabeled_batch_size'
                  do: every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards
                """
            ),
        ]
        for (settings, code, error) in cases {
            let ended = try train(2, "e", settings.flatMap { ["--set", $0] })
            XCTAssertEqual(ended.code, code, ended.errors)
            XCTAssertTrue(ended.errors.contains(error + "\n"), ended.errors)
        }
        // Detections are learnt from, so they may not change.
        _ = try object(try train(1, "t", ["--stop-after", "1"]))
        let other = try train(1, "t", ["--resume", "--set", "test.nms_sigma=0.4"])
        XCTAssertEqual(other.code, 2)
        XCTAssertTrue(other.errors.hasPrefix("error: the run was begun with test.nms_sigma = 0.5, now it is 0.4\n"), other.errors)
    }
}
