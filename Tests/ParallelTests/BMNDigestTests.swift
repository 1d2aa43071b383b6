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

    func testAllRanksAndOneAloneEndInTheSameBits() throws {
        for (name, overrides) in [
            ("rescaled", []), ("parts", ["training.accumulate=2"]), ("windows", [windows, "data.window_stride=16", "data.trunc_thresh=0.5"]),
        ] {
            try requireSameBits(yaml, name, overrides, stopAfter: 3)
        }
    }
}
