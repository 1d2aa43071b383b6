import Collectives
import Foundation
import StandardRegistry
import Training
import TrainingMethods
import XCTest

/// Runs from initial weights, with frozen parts, factors, class weights and accumulation, by all ranks of this job and by one alone: the same bits,
/// uninterrupted, and gone on with by the other number of ranks.
final class FineTuningDigestTests: StoreTestCase {
    override var recordings: Int { 24 }

    private let yaml = """
        data: {store: "FOLDER/store.h5", virtual_shards: 4, batch_size: 8, max_rows: 100, labeled_fraction: LABELLED}
        model: {backbone_arch: [1, 1, 2], n_mha_win_size: 5, embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 4], [4, 16], \
        [16, 10000]]}
        training: {iterations: 4, warmup_iterations: 1, learning_rate: 0.01, threads: 1, stall_seconds: null, bucket_elements: 64, class_weights: balanced}
        test: {max_seg_num: 20, pre_nms_thresh: 0.0, min_score: 0.0}
        apl: {pretraining_iterations: 2, round_iterations: 2, rounds: 2, unlabeled_batch_size: 4, selection_floor: 0.0, student: restarted}
        icd: {hidden: 8, learning_rate: 0.05, eap_threshold: 0.4, mpp_threshold: 0.6}
        acp: {frames: 16, global_frames: 40}
        fustal: {generator_iterations: 2, generator_batch_size: 8, cross_video_recordings: 3}
        """

    private let tuned = [
        "training.initial_weights=FOLDER/begin.h5", "training.frozen=[\"backbone.embd*\", \"cls_head.*.bias\"]",
        "training.learning_rate_factors={\"backbone.*\": 0.1}",
    ]

    /// - Returns: the digest, on all ranks the same.
    private func run(
        _ name: String, alone: Bool, _ method: String, _ overrides: [String], resume: Bool = false, stopAfter: Int? = nil
    ) throws -> String {
        let configuration = try RunConfiguration(
            yaml: yaml.replacingOccurrences(of: "FOLDER", with: folder).replacingOccurrences(of: "LABELLED", with: method == "apl" ? "0.5" : "1.0"),
            file: "run.yaml", overrides: ["method.name=\(method)"] + overrides.map { $0.replacingOccurrences(of: "FOLDER", with: folder) })
        func train(_ ranks: Communicator) throws -> String {
            let run = try TrainingRun(configuration, folder: "\(folder)/\(name)", resume: resume, communicator: ranks)
            let outcome = try run.run(stopAfter: stopAfter)
            return outcome.digest + (stopAfter == nil ? " \(outcome.checkpoint.suffix(11))" : "")
        }
        // Rank 0 alone reads the checkpoint's digest.
        guard alone else { return try world.broadcast(try train(world)) }
        var digest = ""
        try world.throwTogether { if world.isRoot { digest = try train(try Communicator.alone()) } }
        return try world.broadcast(digest)
    }

    private func makeWeights() throws {
        _ = try run("first", alone: true, "supervised", ["training.iterations=3", "training.seed=9"])
        try world.throwTogether {
            guard world.isRoot else { return }
            try FileManager.default.copyItem(atPath: folder + "/first/checkpoints/step-00000003.h5", toPath: folder + "/begin.h5")
        }
    }

    func testAllMethodsEndInTheSameBits() throws {
        try makeWeights()
        for (method, stop) in [("supervised", 2), ("apl", 3), ("apl", 7), ("fustal", 4)] {
            let plain = try run("\(method)-\(stop)-plain", alone: true, method, [])
            let whole = try run("\(method)-\(stop)-alone", alone: true, method, tuned)
            XCTAssertNotEqual(whole, plain, method)
            XCTAssertEqual(try run("\(method)-\(stop)-all", alone: false, method, tuned), whole, "\(method), \(world.size) ranks")
            for alone in [true, false] {
                let name = "\(method)-\(stop)-part-\(alone)"
                _ = try run(name, alone: alone, method, tuned, stopAfter: stop)
                XCTAssertEqual(try run(name, alone: !alone, method, tuned, resume: true), whole, "\(name), \(world.size) ranks")
            }
        }
    }

    func testPartsOfAStep() throws {
        try makeWeights()
        for overlap in [true, false] {
            let set = tuned + ["training.accumulate=2", "training.overlap=\(overlap)"]
            let whole = try run("parts-\(overlap)-alone", alone: true, "supervised", set)
            XCTAssertEqual(try run("parts-\(overlap)-all", alone: false, "supervised", set), whole, "\(world.size) ranks")
            _ = try run("parts-\(overlap)-stopped", alone: false, "supervised", set, stopAfter: 1)
            XCTAssertEqual(try run("parts-\(overlap)-stopped", alone: true, "supervised", set, resume: true), whole, "\(world.size) ranks")
        }
    }
}
