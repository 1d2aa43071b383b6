import XCTest

/// Targets made from the outputs, with weights that are no whole numbers: runs by all ranks of this job and by one rank alone end in the same bits,
/// uninterrupted and gone on with by the other number of ranks.
final class TemporalMaxerDigestTests: StoreTestCase {
    override var recordings: Int { 24 }

    private let yaml = """
        data: {store: "FOLDER/store.h5", virtual_shards: 4, batch_size: 4, max_rows: 100, labeled_fraction: 0.4}
        model: {name: temporalmaxer, backbone_arch: [1, 0, 2], embd_dim: 8, fpn_dim: 8, head_dim: 8, assigner_keep_percent: 0.6, \
        assigner_confuse_weight: 0.3, regression_range: [[0, 4], [4, 16], [16, 10000]]}
        training: {iterations: 5, warmup_iterations: 2, learning_rate: 0.01, threads: 1, stall_seconds: null, bucket_elements: 64}
        test: {max_seg_num: 20, pre_nms_thresh: 0.0, min_score: 0.0}
        apl: {pretraining_iterations: 2, round_iterations: 2, rounds: 2, unlabeled_batch_size: 4, selection_floor: 0.0}
        icd: {hidden: 8, learning_rate: 0.05, eap_threshold: 0.4, mpp_threshold: 0.6}
        acp: {frames: 16}
        """

    func testAllRanksAndOneAloneEndInTheSameBits() throws {
        for method in ["supervised", "apl"] { try requireSameBits(yaml, method, ["method.name=\(method)"], stopAfter: 3) }
    }
}
