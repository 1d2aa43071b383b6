import FeatureStore
import Foundation
import XCTest

/// P-GCN's roots and trees are drawn and its counts summed over ranks: any number of them ends in the same bits.
final class PGCNDigestTests: StoreTestCase {
    override var recordings: Int { 24 }

    private let yaml = """
        data: {store: "FOLDER/store.h5", virtual_shards: 4, batch_size: 8, labeled_fraction: 0.6}
        model: {name: pgcn, proposals: ["FOLDER/proposals.json"], hidden_dim: 8}
        training: {iterations: 5, warmup_iterations: 2, learning_rate: 0.01, optimizer: sgd, threads: 1, stall_seconds: null, bucket_elements: 64}
        test: {max_seg_num: 20}
        """

    /// Around every action proposals that are moved and stretched, and some anywhere.
    override func setUpWithError() throws {
        try super.setUpWithError()
        try world.throwTogether {
            guard world.isRoot else { return }
            let entries = try SyntheticFeatures.annotations(videos: recordings, classes: 2, seed: 4).videos.map { video in
                let actions = video.instances.map { ($0.segment.start, $0.segment.end) }
                let moved = actions.flatMap { start, end in
                    [(0.02, 0.05), (0.3, 0.1), (-0.8, -0.7), (0.0, -0.9)].map { (start + $0 * (end - start), end + $1 * (end - start)) }
                }
                let list = (moved + [(0, 0.1 * video.duration), (0.5 * video.duration, 0.6 * video.duration)]).enumerated().map { place, ends in
                    "{\"label\": \"any\", \"segment\": [\(max(0, ends.0)), \(max(0, ends.1))], \"score\": \(1 / Double(place + 1))}"
                }
                return "\"\(video.id.name)\": [\(list.joined(separator: ", "))]"
            }
            try "{\"results\": {\(entries.joined(separator: ",\n"))}}".write(
                toFile: folder + "/proposals.json", atomically: true, encoding: .utf8)
        }
        try world.barrier()
    }

    private let apl = [
        "method.name=apl", "data.batch_size=4", "acp.weight=0", "training.optimizer=adamw", "model.background_coverage=0",
        "apl={round_iterations: 2, rounds: 2, unlabeled_batch_size: 4, selection_floor: 0}",
        "icd={hidden: 8, learning_rate: 0.05, eap_threshold: 0.45, mpp_threshold: 0.55}",
    ]

    private let contrast = ["apl.pretraining_iterations=2", "acp={frames: 6, weight: 0.1}", "model.foreground_samples=2"]

    /// Burn-in, and rounds with labels that have weights or stretches that are ignored, continued and restarted; stages end at steps 5, 7 and 9.
    /// Pre-training and contrast of proposals: at 2, 7, 9 and 11.
    func testAdaptivePseudoLabelsEndInTheSameBits() throws {
        for (name, overrides, stop) in [
            ("soft", ["apl.student=restarted"], 6), ("ignore", ["apl.uncertain=ignore", "apl.alqa=tiou", "apl.alqa_score=class"], 8),
            ("contrast", contrast + ["apl.student=restarted"], 10), ("contrast-few", contrast + ["acp.global_frames=20"], 1),
        ] {
            try requireSameBits(yaml, "apl-" + name, apl + overrides, stopAfter: stop)
            let labels = try String(contentsOfFile: "\(folder)/apl-\(name)/pseudo_labels/round-2.json", encoding: .utf8)
            for fate in ["positive", "rejected"] { XCTAssertTrue(labels.contains("\"\(fate)\""), "\(name): nothing is \(fate)") }
        }
    }

    func testAllRanksAndOneAloneEndInTheSameBits() throws {
        for (name, overrides) in [("sgd", []), ("adamw", ["training.optimizer=adamw", "model.proposals_per_recording=6"])] {
            try requireSameBits(yaml, name, overrides, stopAfter: 3)
        }
    }
}
