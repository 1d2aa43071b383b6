import Foundation
import XCTest

/// Sizes that a machine, or a limit, has no room for: refused before anything is computed or written.
final class MemoryCommandTests: CommandTestCase {
    private static let large = ["model.embd_dim=65536", "model.fpn_dim=65536", "model.head_dim=65536", "model.head_kernel_size=4097"]
        .flatMap { ["--set", $0] }

    /// "1.5 GiB" becomes "N": how much there is depends on the machine.
    private func withoutFigures(_ text: String) -> String {
        text.replacingOccurrences(of: #"[0-9]+\.[0-9] [MG]iB"#, with: "N", options: .regularExpression)
    }

    /// With a limit of addresses, in KiB.
    private func limited(_ kibibytes: Int, _ arguments: String...) throws -> Ended {
        try start(URL(fileURLWithPath: "/bin/sh"), ["-c", "ulimit -v \(kibibytes); exec \"$0\" \"$@\"", executable.path] + arguments)
    }

    func testAModelThatIsTooLargeIsRefusedByEveryCommandThatMakesIt() throws {
        try makeRun(shards: 2, training: "iterations: 2")
        let run = folder + "/run.yaml"
        let refusals = [
            try kairos(["train", run, "--output", folder + "/large"] + Self.large),
            try mpirun(2, ["train", run, "--output", folder + "/large"] + Self.large),
        ]
        for refusal in refusals {
            XCTAssertEqual(refusal.code, 2)
            XCTAssertTrue(
                withoutFigures(refusal.errors).contains(
                    "error: the run needs about N of memory, N are free on the machine: the program N, "
                        + "5 arrays of 70541893894224 parameters each N\n  where: "), refusal.errors)
            XCTAssertTrue(
                refusal.errors.contains(
                    "key 'model.embd_dim'\n  do: make the model smaller (model.embd_dim, model.fpn_dim, model.head_dim, model.head_kernel_size)\n"),
                refusal.errors)
            XCTAssertEqual(refusal.errors.components(separatedBy: "error:").count, 2, refusal.errors)
        }
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/large"))
        let step = try kairos(["benchmark", "step", "--model", run, "--rows", "100"] + Self.large)
        XCTAssertEqual(step.code, 2)
        XCTAssertTrue(
            withoutFigures(step.errors).hasPrefix("error: the run needs about N of memory, N are free on the machine: training ("), step.errors)
    }

    func testRecordingsThatAreTooLongAreRefused() throws {
        try makeRun(shards: 2, training: "iterations: 2")
        let inference = try limited(1_500_000, "benchmark", "step", "--model", folder + "/run.yaml", "--rows", "1000000", "--phase", "infer")
        XCTAssertEqual(inference.code, 3)
        XCTAssertTrue(
            withoutFigures(inference.errors).hasPrefix(
                "error: the run needs about N of memory, about N of addresses, N are left of the limit of addresses (ulimit -v): "
                    + "detection (a recording of 1000000 rows, whole) N, the program N, "), inference.errors)
        let training = try limited(1_500_000, "benchmark", "step", "--model", folder + "/run.yaml", "--rows", "1000000")
        XCTAssertEqual(training.code, 2)
        XCTAssertTrue(
            training.errors.contains("where: key 'data.max_rows'\n  do: lower data.max_rows, data.batch_size or data.prefetch"), training.errors)
    }

    /// With attention over all rows a recording of 4,000 once took 512 MB for its probabilities alone.
    func testALongRecordingWithAttentionOverAllRowsIsDetectedInBlocks() throws {
        try makeRun(shards: 2, training: "iterations: 2")
        let report = try object(
            try limited(
                1_500_000, "benchmark", "step", "--model", folder + "/run.yaml", "--rows", "4000", "--phase", "infer", "--repetitions", "1", "--json",
                "--set", "model.n_mha_win_size=-1", "--set", "model.n_head=8", "--set", "model.input_dimension=8"))
        let peaks = try XCTUnwrap(report["peak_rss_mib"] as? [Int])
        XCTAssertLessThan(try XCTUnwrap(peaks.first), 400)
    }

    func testBenchmarksOfSizesBeyondTheMachine() throws {
        for (name, key, arguments) in [
            ("random predictions", "--predictions", ["selection", "--videos", "10000000", "--predictions", "10000000"]),
            ("random candidates", "--candidates", ["suppression", "--candidates", "1000000000000", "--classes", "1000000000"]),
        ] {
            let refusal = try kairos(["benchmark"] + arguments)
            XCTAssertEqual(refusal.code, 2)
            XCTAssertTrue(refusal.errors.hasPrefix("error: the run needs about "), refusal.errors)
            XCTAssertTrue(refusal.errors.contains(" are free on the machine: \(name) "), refusal.errors)
            XCTAssertTrue(refusal.errors.hasSuffix("\n  where: key '\(key)'\n  do: lower \(key)\n"), refusal.errors)
        }
    }

    private func kairos(_ arguments: [String]) throws -> Ended { try start(executable, arguments) }
}
