import XCTest

/// TemporalMaxer as a user trains it.
final class TemporalMaxerCommandTests: DetectorCommandTestCase {
    override var tinyModel: [String] {
        [
            "model={name: temporalmaxer, backbone_arch: [1, 0, 2], embd_dim: 16, fpn_dim: 16, head_dim: 8, assigner_keep_percent: 0.6, "
                + "assigner_confuse_weight: 0.25, regression_range: [[0, 4], [4, 16], [16, 10000]]}"
        ].flatMap { ["--set", $0] }
    }

    func testSupervised() throws { try checkSupervised(ranks: [2, 4]) }

    /// Plain and with MixUp.
    func testAdaptivePseudoLabels() throws {
        for (name, options) in [("plain", []), ("mixup", ["--set", "apl.mixup_alpha=0.5"])] { try checkAdaptivePseudoLabels(name, options) }
    }

    func testWeakSupervision() throws { try checkWeakSupervision() }

    func testAStemIsRefused() throws {
        let ended = try start(
            executable,
            ["train", folder + "/supervised.yaml", "--output", folder + "/r"] + tinyModel + ["--set", "model.backbone_arch=[1, 2, 2]"])
        XCTAssertEqual(ended.code, 2)
        XCTAssertEqual(
            ended.errors,
            """
            error: backbone_arch has 2 stem blocks, and TemporalMaxer has none
              where: key '--set model.backbone_arch'
              do: write 0 in the middle: [1, 0, 2]

            """)
    }
}
