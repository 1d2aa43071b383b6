import Foundation
import XCTest

/// `benchmark step` as a user starts it.
final class BenchmarkStepTests: CommandTestCase {
    override func setUpWithError() throws {
        try super.setUpWithError()
        try Data(
            """
            data: {store: unused.h5, virtual_shards: 2, batch_size: 2, max_rows: 64}
            model:
              input_dimension: 24
              backbone_arch: [2, 1, 2]
              n_mha_win_size: 5
              n_head: 2
              embd_dim: 32
              fpn_dim: 32
              head_dim: 32
              regression_range: [[0, 4], [4, 16], [16, 10000]]
            training: {iterations: 6, threads: 1}
            test: {max_seg_num: 20}
            """.utf8
        ).write(to: URL(fileURLWithPath: folder + "/run.yaml"))
    }

    private func step(_ ranks: Int = 1, _ arguments: [String] = []) throws -> [String: Any] {
        try object(
            try mpirun(ranks, ["benchmark", "step", "--model", folder + "/run.yaml", "--repetitions", "2", "--classes", "3", "--json"] + arguments))
    }

    private func operations(_ report: [String: Any], _ kernel: String) -> Int? {
        (report["kernels"] as? [[String: Any]])?.first { $0["name"] as? String == kernel }?["operations"] as? Int
    }

    /// Operations by hand: they do not depend on ranks, threads or libraries.
    func testDenseTraining() throws {
        let report = try step(1, ["--set", "training.convolution=direct"])
        XCTAssertEqual((report["seconds"] as? [Double])?.count, 2)
        for key in ["gflops", "peak_gflops", "floor_seconds", "videos_per_second"] { XCTAssertGreaterThan(report[key] as? Double ?? 0, 0, key) }
        XCTAssertEqual((report["peak_rss_mib"] as? [Int])?.count, 1)
        XCTAssertEqual(report["videos"] as? Int, 2)
        XCTAssertEqual(report["rows"] as? [[Int]], [[64, 64]])
        // Two embedding convolutions; three of each head over three levels. The first needs no gradient of its input.
        let rows = 2 * 64, points = 2 * (64 + 32 + 16), channels = 32
        let embedding = rows * 3 * channels * (24 + channels), heads = points * 3 * channels * (2 * channels + 3 + 2 * channels + 2)
        XCTAssertEqual(operations(report, "convolution, dW"), 2 * (embedding + heads))
        XCTAssertEqual(operations(report, "convolution"), 2 * (2 * (embedding + heads) - rows * 3 * channels * 24))
        // By minimal filtering there is less to do; what it takes the place of is said too.
        let filtered = try step()
        XCTAssertEqual(filtered["operations_direct"] as? Int, report["operations"] as? Int)
        XCTAssertLessThan(try XCTUnwrap(operations(filtered, "convolution")), try XCTUnwrap(operations(report, "convolution")))
        // Query, key, value, projection, and the two layers of four times the width, in one block per level.
        XCTAssertEqual(operations(report, "linear, dW"), 2 * points * 12 * channels * channels)
        XCTAssertEqual(operations(report, "linear"), 2 * operations(report, "linear, dW")!)
        let kernels = try XCTUnwrap(report["kernels"] as? [[String: Any]])
        XCTAssertEqual(kernels.reduce(0) { $0 + ($1["operations"] as? Int ?? 0) }, report["operations"] as? Int)
        XCTAssertEqual(kernels.reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) }, report["bytes"] as? Int)
        let counts = try XCTUnwrap(report["counts"] as? [String: Int])
        XCTAssertEqual(counts["operations"], report["operations"] as? Int)
        XCTAssertEqual(counts["bytes"], report["bytes"] as? Int)
        XCTAssertEqual([counts["messages"], counts["message_bytes"], counts["collectives"]], [0, 0, 0])
        XCTAssertLessThan(kernels.reduce(0) { $0 + ($1["share"] as? Double ?? 2) }, 1.001)
        let shared = try step(2, ["--threads", "2", "--gemm", "openblas", "--set", "training.convolution=direct"])
        // The optimiser does not share its work out: every rank does all of it.
        for kernel in ["convolution", "convolution, dW", "linear", "linear, dW", "attention", "layer norm"] {
            XCTAssertEqual(operations(shared, kernel), operations(report, kernel), kernel)
        }
        XCTAssertEqual(operations(shared, "optimizer"), operations(report, "optimizer").map { 2 * $0 })
        XCTAssertEqual(shared["ranks"] as? Int, 2)
        // Each of the two ranks sends the other its half of every bucket, then the sum of its own half: all gradients once there and once back. The
        // count of positives is the one collective call.
        let messages = try XCTUnwrap(shared["counts"] as? [String: Int]), parameters = try XCTUnwrap(shared["parameters"] as? Int)
        XCTAssertEqual(messages["messages"], 4)
        // Parameters begin on cache lines: the array is a little longer than all of them.
        XCTAssertEqual(Double(try XCTUnwrap(messages["message_bytes"])), Double(2 * 4 * parameters), accuracy: 0.01 * Double(2 * 4 * parameters))
        XCTAssertEqual(messages["collectives"], 1)
        XCTAssertEqual(shared["products"] as? String, "matrix products in float32 by openblas, convolutions without minimal filtering")
        XCTAssertEqual((shared["peak_rss_mib"] as? [Int])?.count, 2)
    }

    func testTrueLengths() throws {
        let made = try kairos(
            "synthesize", "--output", folder + "/s.h5", "--annotations-output", folder + "/a.json", "--videos", "6", "--classes", "3",
            "--dimension", "8")
        XCTAssertEqual(made.code, 0, made.errors)
        let lengths = ["--lengths", "thumos14", "--annotations", folder + "/a.json", "--feature-stride", "15", "--window", "30", "--steps", "3"]
        let training = try step(1, lengths)
        let rows = try XCTUnwrap(training["rows"] as? [[Int]])
        XCTAssertEqual(rows.map(\.count), [2, 2, 2])
        XCTAssertTrue(rows.joined().allSatisfy { $0 <= 64 }, "\(rows)")
        // Recordings of the evaluation subset, not cropped: at half a second per row they are about 60 to 180 rows long.
        let whole = try XCTUnwrap(try step(1, lengths + ["--phase", "infer"])["rows"] as? [[Int]])
        XCTAssertEqual(whole.map(\.count), [2, 2, 2])
        XCTAssertTrue(whole.joined().contains { $0 > 64 }, "\(whole)")
    }

    func testTextAndWrongUsage() throws {
        let text = try kairos("benchmark", "step", "--model", folder + "/run.yaml", "--repetitions", "1", "--phase", "infer")
        XCTAssertEqual(text.code, 0, text.errors)
        XCTAssertTrue(text.output.hasPrefix("infer, dense lengths: 2 recordings (128 rows) per repetition, 1 rank of 1 thread, "), text.output)
        for (arguments, message) in [
            (["--lengths", "thumos14"], "Error: --lengths thumos14 needs --annotations FILE"),
            (["--annotations", "a.json"], "Error: --annotations goes with --lengths thumos14"),
            (["--repetitions", "0"], "Error: --repetitions must be at least 1, not 0"),
        ] {
            let ended = try start(executable, ["benchmark", "step", "--model", folder + "/run.yaml"] + arguments)
            XCTAssertEqual(ended.code, 2)
            XCTAssertTrue(ended.errors.hasPrefix(message + "\n"), ended.errors)
        }
        let odd = try kairos("benchmark", "step", "--model", folder + "/run.yaml", "--batch", "3")
        XCTAssertEqual(odd.code, 2)
        XCTAssertEqual(
            odd.errors,
            """
            error: batch_size 3 is not a multiple of virtual_shards 2
              where: key '--set data.batch_size'
              do: every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards

            """)
    }
}
