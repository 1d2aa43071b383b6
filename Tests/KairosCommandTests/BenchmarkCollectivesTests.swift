import Foundation
import XCTest

/// `benchmark collectives`, `benchmark store` and `launch/scaling` as a user starts them.
final class BenchmarkCollectivesTests: CommandTestCase {
    func testCollectives() throws {
        let arguments = ["benchmark", "collectives", "--smallest", "64", "--largest", "70000", "--repetitions", "3", "--threads", "1", "--json"]
        let report = try object(try mpirun(2, arguments))
        XCTAssertEqual(report["ranks"] as? Int, 2)
        XCTAssertEqual(report["hosts"] as? Int, 1)
        let bytes = try XCTUnwrap(report["bytes"] as? [Int])
        XCTAssertEqual(bytes, [64, 256, 1_024, 4_096, 16_384, 65_536])
        let ways = try XCTUnwrap(report["ways"] as? [[String: Any]]), links = try XCTUnwrap(report["links"] as? [[String: Any]])
        XCTAssertEqual(ways.map { $0["name"] as? String }, ["tree", "tree, bfloat16", "MPI_Allreduce"])
        XCTAssertEqual(links.map { $0["name"] as? String }, ["within a host"])
        for series in ways + links {
            let seconds = try XCTUnwrap(series["seconds"] as? [Double]), fit = try XCTUnwrap(series["fit"] as? [String: Double])
            XCTAssertEqual(seconds.count, bytes.count)
            XCTAssertTrue(seconds.allSatisfy { $0 > 0 && $0 < 60 }, "\(seconds)")
            // The best line in relative errors: no neighbour is better.
            func error(_ alpha: Double, _ beta: Double) -> Double {
                zip(bytes, seconds).reduce(0) { $0 + pow((alpha + beta * Double($1.0)) / $1.1 - 1, 2) }
            }
            let alpha = try XCTUnwrap(fit["alpha_seconds"]), beta = try XCTUnwrap(fit["beta_seconds_per_byte"]), least = error(alpha, beta)
            XCTAssertTrue(alpha >= 0 && beta >= 0, "\(fit)")
            for (a, b) in [(1.01, 1.0), (0.99, 1), (1, 1.01), (1, 0.99), (1.01, 0.99), (0.99, 1.01)] {
                XCTAssertGreaterThanOrEqual(error(a * alpha, b * beta), least * (1 - 1e-9))
            }
        }
        XCTAssertEqual((ways[2]["ratio_to_mpi"] as? [Double]), [Double](repeating: 1, count: bytes.count))
        let alone = try kairos("benchmark", "collectives", "--smallest", "64", "--largest", "64", "--repetitions", "1")
        XCTAssertEqual(alone.code, 0, alone.errors)
        XCTAssertTrue(alone.output.hasPrefix("1 rank on 1 host; sums: least ms of 1, times MPI_Allreduce\n"), alone.output)
        let wrong = try kairos("benchmark", "collectives", "--smallest", "8", "--largest", "4")
        XCTAssertEqual(wrong.code, 2)
        XCTAssertTrue(wrong.errors.contains("--largest must be at least --smallest (8), not 4"), wrong.errors)
    }

    func testStore() throws {
        try makeStore(videos: 6)
        let report = try object(try mpirun(2, "benchmark", "store", folder + "/store.h5", "--repetitions", "2", "--chunk-rows", "16", "--json"))
        XCTAssertEqual(report["videos"] as? Int, 6)
        let series = try XCTUnwrap(report["series"] as? [[String: Any]])
        let names = [
            "dd, one process", "plain", "plain, whole recordings", "plain, any order", "store", "store, any order", "chunked copy",
            "chunked copy, any order",
        ]
        XCTAssertEqual(series.map { $0["way"] as? String }, names + names)
        XCTAssertEqual(series.map { $0["cold"] as? Bool }, [Bool](repeating: true, count: 8) + [Bool](repeating: false, count: 8))
        for one in series {
            XCTAssertEqual((one["seconds"] as? [Double])?.count, 2)
            XCTAssertGreaterThan(one["bytes_per_second"] as? Double ?? 0, 0)
            if one["cold"] as? Bool == false { XCTAssertGreaterThan(one["cached_before"] as? Double ?? 0, 0.5, "it was read just before") }
        }
        XCTAssertEqual(series[0]["part_of_dd"] as? Double, 1)
        XCTAssertEqual(series[1]["part_of_plain"] as? Double, 1)
        XCTAssertEqual(series[3]["part_of_plain_in_same_order"] as? Double, 1)
        let small = try object(try kairos("benchmark", "store", folder + "/store.h5", "--repetitions", "1", "--chunk-rows", "0", "--json"))
        XCTAssertEqual((small["series"] as? [Any])?.count, 12)
        let missing = try kairos("benchmark", "store", folder + "/none.h5")
        XCTAssertEqual(missing.code, 3, missing.errors)
    }

    func testScaling() throws {
        try write(
            """
            data: {store: unused.h5, virtual_shards: 2, batch_size: 2, max_rows: 64}
            \(Self.tinyModel())
            training: {iterations: 6, threads: 1}
            test: {max_seg_num: 20}
            """, "run.yaml")
        let arguments = [
            "--model", folder + "/run.yaml", "--set", "model.input_dimension=8", "--ranks", "2", "--repetitions", "1", "--largest", "65536",
            "--contrast", "2,8", "--output", folder + "/s",
        ]
        // `start` names the program to be measured in the environment.
        let ended = try start(root.appendingPathComponent("launch/scaling"), arguments)
        XCTAssertEqual(ended.code, 0, ended.errors)
        let results = try XCTUnwrap(JSONSerialization.jsonObject(with: try file("s/scaling.json")) as? [String: Any])
        let series = try XCTUnwrap(results["series"] as? [[String: Any]])
        XCTAssertEqual(series.map { $0["kind"] as? String }, ["weak", "weak", "weak", "strong", "strong", "strong"])
        for one in series {
            let rows = try XCTUnwrap(one["rows"] as? [[String: Any]])
            XCTAssertEqual(rows.map { $0["ranks"] as? Int }, one["kind"] as? String == "weak" ? (0...10).map { 1 << $0 } : [1, 2])
            XCTAssertEqual(rows.map { $0["measured"] is Double }, rows.indices.map { $0 < 2 })
            XCTAssertTrue(rows.allSatisfy { ($0["predicted_cluster"] as? Double ?? 0) > 0 })
        }
        let table = String(decoding: try file("s/scaling.md"), as: UTF8.self)
        XCTAssertTrue(table.contains("## Strong, dense lengths, no overlap\n"), table)
        let contrast = try XCTUnwrap((results["contrast"] as? [String: Any])?["sizes"] as? [[String: Any]])
        XCTAssertEqual(contrast.map { $0["recordings"] as? Int }, [2, 8])
        XCTAssertTrue(table.contains("\n## Contrast\n") && table.contains("\n| 8 | 512 | 512 | 16 | "), table)
        let plot = try MarkupCount(try file("s/scaling.svg"))
        XCTAssertEqual(plot.elements["polyline"], 6)
        // Ranks 1 and 2, three ways, weak and strong.
        XCTAssertEqual(plot.elements["circle"], 12)
        // Written again from the file, without measuring.
        let again = try start(root.appendingPathComponent("launch/scaling"), arguments + ["--read", folder + "/s/scaling.json", "--ranks", "1,2"])
        XCTAssertEqual(again.code, 0, again.errors)
        XCTAssertEqual(String(decoding: try file("s/scaling.md"), as: UTF8.self), table)
        let nothing = try start(root.appendingPathComponent("launch/scaling"), ["--kinds", "none"])
        XCTAssertEqual(nothing.code, 2)
        XCTAssertEqual(
            nothing.errors,
            "error: there is nothing to measure\n  do: name a store with --store or a configuration with --run, or leave --kinds out\n")
        let wrong = try start(root.appendingPathComponent("launch/scaling"), ["--lengths", "true"])
        XCTAssertEqual(wrong.code, 2)
        XCTAssertEqual(wrong.errors, "error: true lengths need annotations\n  do: give --annotations thumos14.json\n")
    }

    /// A whole run on one and two ranks: the same bits, and times and messages beside what is planned.
    func testScalingOfAWholeRun() throws {
        try makeStore(videos: 8)
        try write(
            """
            data: {store: "\(folder)/store.h5", training_subset: Validation}
            \(Self.tinyModel())
            training: {iterations: 4, warmup_iterations: 1, threads: 1}
            test: {max_seg_num: 20}
            """, "run.yaml")
        let arguments = [
            "--kinds", "none", "--run", folder + "/run.yaml", "--ranks", "2", "--output", folder + "/w", "--set", "model.input_dimension=8",
        ]
        let ended = try start(root.appendingPathComponent("launch/scaling"), arguments)
        XCTAssertEqual(ended.code, 0, ended.errors)
        let results = try XCTUnwrap(JSONSerialization.jsonObject(with: try file("w/scaling.json")) as? [String: Any])
        let runs = try XCTUnwrap((results["run"] as? [String: Any])?["runs"] as? [[String: Any]])
        XCTAssertEqual(runs.map { $0["ranks"] as? Int }, [1, 2])
        let digest = try XCTUnwrap(runs[0]["digest"] as? String)
        let table = String(decoding: try file("w/scaling.md"), as: UTF8.self)
        XCTAssertTrue(table.contains("The weights have the same digest on 1, 2 ranks: \(digest).\n"), table)
        XCTAssertTrue(table.contains("\n| training | 2 | "), table)
        // On two ranks half of each bucket goes either way: what is planned is at most what is counted.
        let planned = try XCTUnwrap((runs[1]["planned"] as? [String: Any])?["stages"] as? [[String: Any]])
        let counted = try XCTUnwrap((runs[1]["counts"] as? [String: Any])?["messages"] as? Int)
        let gradients = try XCTUnwrap(planned.first?["messages_per_step"] as? Int) * 4 * 2
        XCTAssertGreaterThan(gradients, 0)
        XCTAssertGreaterThanOrEqual(counted, gradients)
        let both = try start(root.appendingPathComponent("launch/scaling"), arguments + ["--read", folder + "/w/scaling.json"])
        XCTAssertEqual(both.code, 2)
        XCTAssertEqual(both.errors, "error: --read measures nothing, --run would be measured\n  do: leave one of them out\n")
    }

    func testScalingOfReads() throws {
        try makeStore(videos: 6)
        let arguments = ["--kinds", "none", "--store", folder + "/store.h5", "--ranks", "2", "--repetitions", "1", "--output", folder + "/r"]
        let ended = try start(root.appendingPathComponent("launch/scaling"), arguments)
        XCTAssertEqual(ended.code, 0, ended.errors)
        let results = try XCTUnwrap(JSONSerialization.jsonObject(with: try file("r/scaling.json")) as? [String: Any])
        let reads = try XCTUnwrap((results["reads"] as? [String: Any])?["measured"] as? [[String: Any]])
        XCTAssertEqual(reads.map { $0["ranks"] as? Int }, [1, 2])
        let table = String(decoding: try file("r/scaling.md"), as: UTF8.self)
        XCTAssertTrue(table.hasPrefix("# Scaling\n\n## Reads of store.h5\n"), table)
        // Cold and warm, eight ways each.
        XCTAssertEqual(table.split(separator: "\n").filter { $0.hasPrefix("| ") && $0.hasSuffix(" %) |") }.count, 16, table)
        let plot = try MarkupCount(try file("r/reads.svg"))
        XCTAssertEqual(plot.elements["polyline"], 16)
        XCTAssertEqual(plot.elements["circle"], 32)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/r/scaling.svg"))
    }

    /// How often each element stands in a drawing.
    private struct MarkupCount {
        var elements: [String: Int] = [:]

        init(_ data: Data) throws {
            let text = String(decoding: data, as: UTF8.self)
            XCTAssertTrue(text.hasPrefix("<svg ") && text.hasSuffix("</svg>\n"))
            for part in text.split(separator: "<").dropFirst() { elements[String(part.prefix { $0.isLetter || $0 == "/" }), default: 0] += 1 }
        }
    }
}
