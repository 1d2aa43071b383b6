import Foundation
import RunRecords
import XCTest

/// Whole FuSTAL runs as a user starts them: generator, student, distillation.
final class WeakSupervisionCommandTests: CommandTestCase {
    private let text = """
        data: {store: FOLDER/store.h5, virtual_shards: 4, batch_size: 4, max_rows: 100}
        \(CommandTestCase.tinyModel())
        training: {iterations: 12, warmup_iterations: 2, learning_rate: 0.01, checkpoint_every: 5, log_every: 5, threads: 1, ema_decay: 0.9}
        test: {max_seg_num: 500, pre_nms_thresh: 0.0, min_score: 0.0}
        method: {name: fustal}
        fustal: {segments: 40, embedding_dim: 16, generator_iterations: 10, generator_batch_size: 8, generator_learning_rate: 0.01,
          distill_after_iterations: 7, distill_score: 0.02, filter_score: 0.1}
        """

    override func setUpWithError() throws {
        try super.setUpWithError()
        try makeStore(videos: 24)
        try write(text, "fustal.yaml")
    }

    private func train(_ ranks: Int, _ run: String, _ more: [String] = []) throws -> Ended {
        try mpirun(ranks, ["train", folder + "/fustal.yaml", "--output", folder + "/" + run, "--json"] + more)
    }

    private func round(_ run: String, _ number: Int) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: try file("\(run)/pseudo_labels/round-\(number).json")) as? [String: Any])
    }

    private func notes(_ run: String) throws -> [[String: Any]] {
        try file("\(run)/log.jsonl").split(separator: UInt8(ascii: "\n"))
            .compactMap { try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any] }.filter { $0["loss"] == nil }
    }

    /// Two generators, their proposals fused, the places that they are divided about left out: the same bits for every number of ranks, and resumed in
    /// each stage.
    func testFusedGeneratorsDoNotChangeABit() throws {
        let more = ["generators=2", "fusion=ricker", "mask_disagreement=0.25"].flatMap { ["--set", "fustal." + $0] }
        let whole = try object(try train(1, "f1", more)), digest = try XCTUnwrap(whole["digest"] as? String)
        let names = ["pseudo_labels/round-1.json", "pseudo_labels/round-2.json", "predictions.json"]
        XCTAssertEqual(try object(try train(4, "f4", more))["digest"] as? String, digest)
        for name in names { XCTAssertEqual(try file("f4/" + name), try file("f1/" + name), name) }
        for stop in [3, 14] {
            XCTAssertEqual(try object(try train(2, "f", more + ["--stop-after", "\(stop)"]))["step"] as? Int, stop)
            let inspected = try object(try kairos("inspect", folder + "/f/checkpoints/step-000000\(stop < 10 ? "0" : "")\(stop).h5", "--json"))
            XCTAssertEqual(inspected["step"] as? Int, stop)
            XCTAssertEqual(try object(try train(stop % 2 == 0 ? 4 : 1, "f", more + ["--resume"]))["digest"] as? String, digest, "after \(stop)")
            for name in names { XCTAssertEqual(try file("f/" + name), try file("f1/" + name), "stopped after \(stop): \(name)") }
            try FileManager.default.removeItem(atPath: folder + "/f")
        }
        // Each of the three keys changes the student.
        var digests: Set = [digest]
        for changed in [0, 2, 4].map({ place in Array(more[..<place] + more[(place + 2)...]) }) + [[]] {
            let run = "v\(digests.count)"
            digests.insert(try XCTUnwrap(try object(try train(2, run, changed))["digest"] as? String))
        }
        XCTAssertEqual(digests.count, 5)
        // Fused proposals of a class are apart.
        let fused = try XCTUnwrap(try round("f1", 1)["results"] as? [String: [[String: Any]]])
        var count = 0
        for (video, list) in fused {
            for (label, entries) in Dictionary(grouping: list, by: { $0["label"] as? String ?? "" }) {
                let segments = entries.compactMap { $0["segment"] as? [Double] }.sorted { $0[0] < $1[0] }
                count += segments.count
                for (one, next) in zip(segments, segments.dropFirst()) { XCTAssertLessThan(one[1], next[0], "\(video), \(label)") }
            }
        }
        XCTAssertGreaterThan(count, 0)
    }

    /// The same bits for 1, 2 and 4 ranks, and for a run stopped within and at the end of each stage and resumed on another number of ranks.
    func testRanksAndResumingDoNotChangeABit() throws {
        let whole = try object(try train(1, "r1"))
        let digest = try XCTUnwrap(whole["digest"] as? String)
        XCTAssertEqual(whole["step"] as? Int, 22)
        XCTAssertNotNil(whole["average_mAP"])
        let names = ["pseudo_labels/round-1.json", "pseudo_labels/round-2.json", "predictions.json", "metrics.json"]
        for ranks in [2, 4] {
            XCTAssertEqual(try object(try train(ranks, "r\(ranks)"))["digest"] as? String, digest, "\(ranks) ranks")
            for name in names { XCTAssertEqual(try file("r\(ranks)/" + name), try file("r1/" + name), "\(ranks) ranks: \(name)") }
        }
        for stop in [3, 10, 14, 17, 21] {
            XCTAssertEqual(try object(try train(2, "s", ["--stop-after", "\(stop)"]))["step"] as? Int, stop)
            let ranks = stop % 2 == 0 ? 4 : 1
            XCTAssertEqual(try object(try train(ranks, "s", ["--resume"]))["digest"] as? String, digest, "stopped after \(stop)")
            for name in names { XCTAssertEqual(try file("s/" + name), try file("r1/" + name), "stopped after \(stop): \(name)") }
            XCTAssertEqual(try notes("s").map { $0["step"] as? Int }, [10, 17], "stopped after \(stop)")
            try FileManager.default.removeItem(atPath: folder + "/s")
        }

        let records = try RunLog.read(folder + "/r1/log.jsonl")
        XCTAssertEqual(records.map(\.step), [5, 10, 15, 17, 20, 22])
        XCTAssertEqual(Set(records[0].loss.keys), ["classification", "contrast", "cross_video", "total"])
        XCTAssertTrue(records[0].loss["cross_video"]! > 0 && records[0].gradientNorm > 0, "\(records[0])")
        for record in records.dropFirst(2) { XCTAssertEqual(Set(record.loss.keys), ["classification", "regression", "video", "total"]) }

        // Round 1: the filter's rule, on classes that the recordings have.
        XCTAssertEqual(try notes("r1").map { $0["stage"] as? String }, ["student", "distillation"])
        let first = try XCTUnwrap(try round("r1", 1)["results"] as? [String: [[String: Any]]])
        var counts: [String: Int] = [:]
        for entry in first.values.joined() {
            let fate = try XCTUnwrap(entry["fate"] as? String)
            counts[fate, default: 0] += 1
            if fate == "positive" { XCTAssertGreaterThan(try XCTUnwrap(entry["score"] as? Double), 0.1) }
        }
        XCTAssertGreaterThan(counts["positive"] ?? 0, 0)
        XCTAssertGreaterThan(counts["rejected"] ?? 0, 0)
        let quality = try XCTUnwrap((try round("r1", 1)["external_data"] as? [String: Any])?["quality"] as? [String: Any])
        XCTAssertEqual(quality["count"] as? Int, counts["positive"])
        // Round 2: every recording has a label.
        let second = try XCTUnwrap(try round("r1", 2)["results"] as? [String: [[String: Any]]])
        XCTAssertEqual(second.count, first.count)
        for (video, list) in second { XCTAssertTrue(list.contains { $0["fate"] as? String == "positive" }, video) }
    }

    /// The steps of the ablation: each is a run of its own, and each number of ranks gives its bits.
    func testAblation() throws {
        let cases: [String: [String]] = [
            "generator": ["fustal.student=false", "training.iterations=null"],
            "unfiltered": ["fustal.filter=none", "fustal.distill_after_iterations=null"],
            "score": ["fustal.filter=score", "fustal.distill_after_iterations=null"],
            "prior": ["fustal.distill_after_iterations=null"],
            "predicted classes": ["fustal.known_classes=false"],
            "without video loss": ["fustal.video_loss_weight=0", "fustal.input_noise=0"],
            "MixUp": ["training.mixup_alpha=0.5"],
            "without contrast": ["fustal.contrast_weight=0"],
        ]
        var digests: [String: String] = [:], learnt: [String: Int] = [:]
        for (name, settings) in cases.sorted(by: { $0.key < $1.key }) {
            let options = settings.flatMap { ["--set", $0] }
            let ranks = ["generator", "predicted classes", "MixUp"].contains(name) ? [1, 2] : [2]
            let runs = try ranks.map { try object(try train($0, "\(name)\($0)", options)) }
            XCTAssertEqual(Set(runs.map { $0["digest"] as? String }).count, 1, name)
            XCTAssertNotNil(runs[0]["average_mAP"], name)
            digests[name] = runs[0]["digest"] as? String
            learnt[name] = try notes("\(name)\(ranks[0])").first?["positive"] as? Int
        }
        XCTAssertEqual(Set(digests.values).count, cases.count)
        XCTAssertGreaterThan(try XCTUnwrap(learnt["unfiltered"]), try XCTUnwrap(learnt["score"]))
        XCTAssertGreaterThanOrEqual(try XCTUnwrap(learnt["score"]), try XCTUnwrap(learnt["prior"]))
        XCTAssertNil(learnt["generator"])
        XCTAssertEqual(try file("generator1/predictions.json"), try file("generator2/predictions.json"))
        // The generator's proposals are many and overlap; the student's detections are at most max_seg_num.
        let results = try XCTUnwrap(JSONSerialization.jsonObject(with: try file("generator1/predictions.json")) as? [String: Any])["results"]
        XCTAssertGreaterThan(try XCTUnwrap(results as? [String: [[String: Any]]]).values.map(\.count).max() ?? 0, 5)

        // A checkpoint without a trained detector is not taken for one.
        let checkpoint = folder + "/generator1/checkpoints/step-00000010.h5"
        let detected = try kairos(
            "detect", "--checkpoint", checkpoint, "--store", folder + "/store.h5", "--output", folder + "/p.json")
        XCTAssertEqual(detected.code, 3)
        XCTAssertTrue(
            detected.errors.contains(
                """
                error: the checkpoint holds no trained detector: up to step 10 the run has trained a generator of proposals alone
                """), detected.errors)
        XCTAssertEqual(try kairos("export", "--checkpoint", checkpoint, "--output", folder + "/w.safetensors").code, 3)
    }

    func testErrors() throws {
        let cases: [(settings: [String], code: Int32, error: String)] = [
            (
                ["fustal.generator_batch_size=6"], 2,
                """
                error: generator_batch_size 6 is not a multiple of virtual_shards 4
                  where: rank 0, key '--set fustal.generator_batch_size'
                  do: every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards
                """
            ),
            (
                ["fustal.distill_after_iterations=12"], 2,
                """
                error: distillation would begin after iteration 12 of the student's 12
                  where: rank 0, key 'fustal.distill_after_iterations'
                  do: choose a smaller number, or null for no distillation
                """
            ),
            (
                ["fustal.distill_after_epochs=1"], 2,
                """
                error: both distill_after_iterations and distill_after_epochs are given
                  where: rank 0, key '--set fustal.distill_after_epochs'
                  do: keep one of fustal.distill_after_iterations and fustal.distill_after_epochs
                """
            ),
            (
                ["fustal.cas_thresholds=[]", "fustal.actionness_thresholds=[]"], 2,
                """
                error: there are no thresholds to make proposals with
                  where: rank 0, key '--set fustal.cas_thresholds'
                  do: give thresholds, or leave the keys out
                """
            ),
            (
                ["fustal.filter_score=9"], 1,
                """
                error: the filter leaves none of the generator's proposals
                  where: rank 0, key 'fustal.filter_score'
                  do: lower the thresholds of the filter, or train the generator longer
                """
            ),
        ]
        // Only what is far shorter than a row could be positive; the generator proposes longer actions.
        let short = try train(2, "short", ["--set", "model.regression_range=[[0, 0.04], [5000, 10000], [5000, 10000]]"])
        XCTAssertEqual(short.code, 3, short.errors)
        let wanted =
            "error: student: there is nothing to learn: none of the [0-9]+ proposals that the filter leaves can ever be positive: "
            + "(they|[0-9]+ of them) have lengths that no pyramid level is responsible for, for example 'action_[0-2]' at .* rows from its farther end\n"
            + "  where: .*key 'model.regression_range', video 'synthetic_[0-9]+'\n"
            + "  do: widen model.regression_range until a level covers such lengths\n"
        XCTAssertNotNil(short.errors.range(of: wanted, options: .regularExpression), short.errors)
        for (number, (settings, code, error)) in cases.enumerated() {
            let ended = try train(2, "e\(number)", settings.flatMap { ["--set", $0] })
            XCTAssertEqual(ended.code, code, ended.errors)
            XCTAssertTrue(ended.errors.contains(error + "\n"), ended.errors)
        }
    }
}
