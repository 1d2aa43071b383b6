import Diagnostics
import Foundation
import XCTest

/// A whole run of APL under every way its gradients may travel, uninterrupted and gone on with on another number of ranks: the same bits.
final class DigestEqualityTests: FaultTestCase {
    /// Stages that end at steps 2, 7, 9 and 11.
    private let short = ["training.iterations=5", "apl.pretraining_iterations=2", "apl.round_iterations=2"]

    private func run(_ ranks: Int, _ name: String, _ more: [String]) throws -> String {
        let ended = try mpirun(
            ranks, ["train", folder + "/run.yaml", "--output", folder + "/" + name, "--set", "method.name=apl", "--json"] + more)
        return try XCTUnwrap(try object(ended)["digest"] as? String)
    }

    /// - Returns: the digest that all runs end with.
    private func requireEqual(_ kind: [String], _ name: String, overlaps: [String] = ["true", "false"]) throws -> String {
        let settings = (short + kind).flatMap { ["--set", $0] }
        // In pre-training, in burn-in, in the first and in the second round.
        let stops = [1, 5, 8, 10]
        var number = 0, expected: String?, files: [Data] = []
        for (ranks, other) in [(1, 4), (2, 1), (4, 2)] {
            for overlap in overlaps {
                let ways = settings + ["--set", "training.overlap=\(overlap)", "--set", "training.bucket_elements=64"]
                let what = "\(name), \(ranks) ranks, overlap \(overlap)"
                let whole = try run(ranks, "\(name)-\(number)", ways)
                let part = "\(name)-\(number)-parts", stop = stops[number % stops.count]
                _ = try run(ranks, part, ways + ["--stop-after", "\(stop)"])
                XCTAssertEqual(steps(part).last, stop, what)
                let resumed = try run(other, part, ways + ["--resume"])
                let names = ["predictions.json", "metrics.json", "pseudo_labels/round-1.json", "pseudo_labels/round-2.json"]
                let found = try ["\(name)-\(number)", part].flatMap { run in
                    try names.map { try file("\(run)/\($0)") }
                }
                if expected == nil {
                    expected = whole
                    files = Array(found.prefix(4))
                }
                XCTAssertEqual(whole, expected, what)
                XCTAssertEqual(resumed, expected, "\(what), stopped at step \(stop), resumed on \(other)")
                XCTAssertEqual(found, files + files, what)
                number += 1
            }
        }
        return try XCTUnwrap(expected)
    }

    func testEveryWayToTheSameBits() throws {
        let exact = try requireEqual(["training.gradient_precision=float32"], "float32")
        let rounded = try requireEqual(["training.gradient_precision=bfloat16"], "bfloat16")
        XCTAssertNotEqual(exact, rounded, "rounding shows")
    }

    /// The widths of the other tests are too small for it.
    func testMinimalFiltering() throws {
        let wide = ["model.embd_dim=16", "model.fpn_dim=16", "model.head_dim=16"]
        let filtered = try requireEqual(wide, "minimal filtering", overlaps: ["true"])
        let direct = try run(1, "direct", (short + wide + ["training.convolution=direct"]).flatMap { ["--set", $0] })
        XCTAssertNotEqual(filtered, direct, "the form of convolutions shows")
    }

    /// Products of bfloat16 operands too.
    func testBFloat16Products() throws {
        try XCTSkipUnless(Processor.present.contains("avx512_bf16"), "this processor has no avx512_bf16")
        _ = try requireEqual(["training.precision=bfloat16", "training.gradient_precision=bfloat16"], "products", overlaps: ["true"])
    }
}
