import RunRecords
import XCTest

/// TriDet as a user trains it.
final class TriDetCommandTests: DetectorCommandTestCase {
    override var tinyModel: [String] {
        [
            "model={name: tridet, backbone_arch: [1, 1, 2], n_sgp_win_size: 3, sgp_mlp_dim: 16, init_conv_vars: 0.3, input_noise: 0.01, num_bins: 6, "
                + "embd_dim: 16, fpn_dim: 16, head_dim: 8, regression_range: [[0, 4], [4, 16], [16, 10000]]}"
        ].flatMap { ["--set", $0] }
    }

    func testSupervised() throws { try checkSupervised(ranks: [2], withoutConsequence: ["--set", "training.recompute_mlp=true"]) }

    func testAdaptivePseudoLabels() throws {
        XCTAssertEqual(try checkAdaptivePseudoLabels().count, 10, "every unlabelled recording is listed")
    }

    func testWeakSupervision() throws {
        try checkWeakSupervision()
        let last = try XCTUnwrap(RunLog.read(folder + "/r1/log.jsonl").last)
        XCTAssertEqual(Set(last.loss.keys), ["classification", "regression", "video", "total"])
    }

    func testKeysOfTheOtherDetectorAreRefused() throws {
        let ended = try start(
            executable,
            ["train", folder + "/supervised.yaml", "--output", folder + "/r"] + tinyModel + ["--set", "model.n_head=2"])
        XCTAssertEqual(ended.code, 2)
        XCTAssertEqual(
            ended.errors,
            """
            error: 'n_head' belongs to the detector actionformer, but model.name is tridet
              where: key '--set model.n_head'
              do: remove the key, or set model.name to actionformer

            """)
    }
}
