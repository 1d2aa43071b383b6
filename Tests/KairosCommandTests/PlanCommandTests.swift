import Foundation
import XCTest

/// `plan` as a user starts it.
final class PlanCommandTests: CommandTestCase {
    private func write(_ method: String) throws {
        try Data(
            """
            data: {store: \(folder)/store.h5, virtual_shards: 2, batch_size: 2, max_rows: 64, labeled_fraction: 0.5}
            model:
              input_dimension: 8
              backbone_arch: [2, 1, 2]
              n_mha_win_size: 5
              n_head: 2
              embd_dim: 16
              fpn_dim: 16
              head_dim: 16
              regression_range: [[0, 4], [4, 16], [16, 10000]]
            training: {iterations: 6, threads: 1}
            method: {name: \(method)}
            apl: {pretraining_iterations: 4, rounds: 2, round_iterations: 3}
            """.utf8
        ).write(to: URL(fileURLWithPath: folder + "/run.yaml"))
    }

    private func plan(_ options: [String]) throws -> Ended { try start(executable, ["plan", folder + "/run.yaml", "--repetitions", "1"] + options) }

    func testRanksAndStages() throws {
        try makeStore(videos: 12)
        try write("apl")
        let report = try object(try plan(["--ranks", "4,1", "--recordings", "1,2", "--json"]))
        let rows = try XCTUnwrap(report["ranks"] as? [[String: Any]])
        XCTAssertEqual(rows.map { $0["ranks"] as? Int }, [1, 1, 4, 4])
        XCTAssertEqual(rows.map { $0["recordings_per_rank"] as? Int }, [1, 2, 1, 2])
        // 8 recordings, half of them labelled.
        XCTAssertEqual(rows.map { $0["is_possible"] as? Bool }, [true, true, true, false])
        for row in rows {
            XCTAssertGreaterThan(row["seconds_per_epoch"] as? Double ?? 0, 0)
            XCTAssertLessThanOrEqual(row["efficiency"] as? Double ?? 2, 1)
            XCTAssertEqual((row["seconds"] as? [String: Double])?.count, 8)
        }
        XCTAssertEqual(rows[0]["efficiency"] as? Double ?? 0, 1, accuracy: 1e-9)
        XCTAssertEqual(rows[0]["messages_per_step"] as? Int, 0)
        XCTAssertLessThan(rows[2]["efficiency"] as? Double ?? 2, 1)
        let stages = try XCTUnwrap(report["stages"] as? [[String: Any]])
        XCTAssertEqual(stages.map { $0["name"] as? String }, ["pre-training", "burn-in", "round 1", "round 2"])
        XCTAssertEqual(stages.map { $0["iterations"] as? Int }, [4, 6, 3, 3])
        XCTAssertEqual(Set(try FileManager.default.contentsOfDirectory(atPath: folder)), ["store.h5", "run.yaml", "out", "err"])
    }

    func testAnnotationsInPlaceOfAStore() throws {
        try write("supervised")
        try Data(
            """
            {"database": {
              "a": {"subset": "Validation", "duration": 20.0, "fps": 30.0, "annotations": [{"label": "x", "segment": [1.0, 3.0], "label_id": 0}]},
              "b": {"subset": "Validation", "duration": 8.0, "fps": 30.0, "annotations": [{"label": "y", "segment": [1.0, 3.0], "label_id": 1}]},
              "c": {"subset": "Test", "duration": 8.0, "fps": 30.0, "annotations": []}}}
            """.utf8
        ).write(to: URL(fileURLWithPath: folder + "/a.json"))
        let ended = try plan(["--annotations", folder + "/a.json", "--ranks", "1,2"])
        XCTAssertEqual(ended.code, 0, ended.errors)
        XCTAssertTrue(ended.output.hasPrefix("2 training recordings; training 6 iterations\nmeasured here: "), ended.output)
        XCTAssertTrue(ended.output.contains("\nbest: "), ended.output)
    }

    func testRefusals() throws {
        try write("supervised")
        let missing = try plan([])
        XCTAssertEqual(missing.code, 3)
        XCTAssertTrue(missing.errors.hasPrefix("error: the file does not exist\n  where: file 'FOLDER/store.h5'"), missing.errors)
        for (options, message) in [
            (["--ranks", "1,x"], "--ranks must be numbers from 1 to 16384 with commas between them, not '1,x'"),
            (["--recordings", "0"], "--recordings must be numbers from 1 to 1024 with commas between them, not '0'"),
            (["--network", "1e-6"], "--network must be seconds per message and seconds per byte, such as 2e-6,0.8e-9, not '1e-6'"),
            (["--disk", "0"], "--disk must be above 0, not 0.0"),
            (["--least-efficiency", "2"], "--least-efficiency must be from 0 to 1, not 2.0"),
        ] {
            let ended = try plan(options)
            XCTAssertEqual(ended.code, 2, message)
            XCTAssertTrue(ended.errors.contains(message), ended.errors)
        }
    }
}
