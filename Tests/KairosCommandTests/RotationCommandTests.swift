import XCTest

/// Rotation of inertial features as a user trains with it.
final class RotationCommandTests: CommandTestCase {
    /// The same bits on 1, 2 and 4 ranks, and over an interruption; other bits than without rotation. APL with MixUp: pre-training, burn-in and rounds.
    func testRanksAndResumption() throws {
        let made = try kairos(
            "synthesize", "--output", folder + "/store.h5", "--videos", "12", "--classes", "3", "--dimension", "6", "--seed", "5")
        XCTAssertEqual(made.code, 0, made.errors)
        try write(
            """
            data: {store: FOLDER/store.h5, virtual_shards: 4, batch_size: 4, max_rows: 100, labeled_fraction: 0.5, evaluation_subset: null}
            \(Self.tinyModel())
            training: {iterations: 12, learning_rate: 0.01, threads: 1, rotation_degrees: 20, mixup_alpha: 0.4}
            method: {name: apl}
            apl: {pretraining_iterations: 2, round_iterations: 3, rounds: 1, unlabeled_batch_size: 4, selection_floor: 0.002}
            icd: {hidden: 8}
            acp: {frames: 16}
            """, "run.yaml")
        func digest(_ name: String, ranks: Int, _ options: String...) throws -> String {
            let ended = try mpirun(ranks, ["train", folder + "/run.yaml", "--output", folder + "/" + name, "--json"] + options)
            XCTAssertEqual(ended.code, 0, ended.errors)
            return try XCTUnwrap(try object(ended)["digest"] as? String)
        }
        let turned = try digest("one", ranks: 1)
        XCTAssertEqual(try digest("two", ranks: 2), turned)
        XCTAssertEqual(try digest("four", ranks: 4), turned)
        XCTAssertNotEqual(try digest("unturned", ranks: 2, "--set", "training.rotation_degrees=null"), turned)
        _ = try mpirun(2, ["train", folder + "/run.yaml", "--output", folder + "/cut", "--stop-after", "9"])
        XCTAssertEqual(try digest("cut", ranks: 1, "--resume"), turned)
    }
}
