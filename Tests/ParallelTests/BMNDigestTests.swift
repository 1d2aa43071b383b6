import XCTest

/// Targets drawn after their counts are summed: runs by all ranks of this job and by one rank alone end in the same bits,
/// uninterrupted and gone on with by the other number of ranks.
final class BMNDigestTests: StoreTestCase {
    override var recordings: Int { 24 }

    private let yaml = """
        data: {store: "FOLDER/store.h5", virtual_shards: 4, batch_size: 8, labeled_fraction: 0.6, max_rows: 32}
        model: {name: bmn, temporal_scale: 16, samples: 4, base_dim: 8, proposal_dim: 8, sampled_dim: 8, map_dim: 8, conv_groups: 1}
        training: {iterations: 5, warmup_iterations: 2, learning_rate: 0.01, optimizer: adam, threads: 1, stall_seconds: null, bucket_elements: 64}
        test: {max_seg_num: 20}
        """
    private let windows = """
        model={name: bmn, grid: windows, temporal_scale: 32, window_stride: 16, proposal_layout: duration_start, max_duration: 12, samples: 4, \
        base_dim: 8, proposal_dim: 8, sampled_dim: 8, map_dim: 8, conv_groups: 1, boundary_filter: true, suppression: test}
        """

    private let apl = [
        "method.name=apl", "data.batch_size=4",
        "apl={pretraining_iterations: 2, round_iterations: 2, rounds: 2, unlabeled_batch_size: 4, selection_floor: 0.002}",
        "icd={hidden: 8, learning_rate: 0.05, eap_threshold: 0.4, mpp_threshold: 0.6}", "acp={frames: 16}",
    ]

    /// Pre-training of the base, burn-in, and rounds with labels that have weights or stretches that are ignored, on maps of whole recordings and on
    /// windows; stages end at steps 2, 7, 9 and 11.
    func testAdaptivePseudoLabelsEndInTheSameBits() throws {
        for (name, overrides, stop) in [
            ("soft", ["apl.alqa_score=class"], 8), ("ignore", ["apl.uncertain=ignore", "apl.alqa=tiou", windows], 10),
        ] {
            try requireSameBits(yaml, "apl-" + name, apl + overrides, stopAfter: stop)
            let labels = try String(contentsOfFile: "\(folder)/apl-\(name)/pseudo_labels/round-2.json", encoding: .utf8)
            for fate in ["positive", "rejected"] { XCTAssertTrue(labels.contains("\"\(fate)\""), "\(name): nothing is \(fate)") }
        }
    }

    /// A generator, a student of proposals, and its own averaged predictions with the classes that are known of their recordings.
    func testWeakSupervisionEndsInTheSameBits() throws {
        let fustal = [
            "method.name=fustal", "data.labeled_fraction=1.0", "data.batch_size=4",
            "fustal={generator_iterations: 2, generator_batch_size: 8, cross_video_recordings: 3, segments: 40, embedding_dim: 16, filter: none, "
                + "distill_after_iterations: 3, distill_score: 0.3}",
        ]
        for (name, overrides, stop) in [("own", [], 6), ("known", ["model.video_classifier=known"], 3)] {
            try requireSameBits(yaml, "fustal-" + name, fustal + overrides, stopAfter: stop)
            let labels = try String(contentsOfFile: "\(folder)/fustal-\(name)/pseudo_labels/round-2.json", encoding: .utf8)
            XCTAssertTrue(labels.contains("\"positive\""), "\(name): nothing is positive")
        }
    }

    func testAllRanksAndOneAloneEndInTheSameBits() throws {
        for (name, overrides) in [
            ("rescaled", []), ("parts", ["training.accumulate=2"]), ("windows", [windows, "data.window_stride=16", "data.trunc_thresh=0.5"]),
        ] {
            try requireSameBits(yaml, name, overrides, stopAfter: 3)
        }
    }
}
