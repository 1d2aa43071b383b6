import Foundation
import XCTest

/// `ablation plan`, `ablation table`, `launch/ablation` and `benchmark selection` as a user starts them.
final class AblationCommandTests: CommandTestCase {
    override func start(_ program: URL, _ arguments: [String]) throws -> Ended {
        let ended = try super.start(program, arguments)
        return (ended.code, ended.output.replacingOccurrences(of: folder, with: "FOLDER"), ended.errors)
    }

    private func makeGrid() throws {
        try makeStore(videos: 12)
        try write(
            """
            data: {store: nowhere.h5, max_rows: 100}
            \(Self.tinyModel())
            training: {iterations: 4, warmup_iterations: 2, learning_rate: 0.01, checkpoint_every: 2, log_every: 2, threads: 1}
            test: {max_seg_num: 20}
            """, "base.yaml")
        try write(
            """
            configuration: FOLDER/base.yaml
            ranks: 2
            labeled_fractions: [0.5]
            seeds: [1, 2]
            settings:
              slow: {training.learning_rate: 0.001}
              fast:
            """, "grid.yaml")
    }

    func testPlanIsOneLinePerRun() throws {
        try makeGrid()
        let plan = try kairos("ablation", "plan", folder + "/grid.yaml", folder + "/runs", "--set", "data.store=\(folder)/store.h5")
        XCTAssertEqual(plan.code, 0, plan.errors)
        let lines = plan.output.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
        XCTAssertEqual(lines.map { $0[0] }, ["slow-labels-0.5-seed-1", "slow-labels-0.5-seed-2", "fast-labels-0.5-seed-1", "fast-labels-0.5-seed-2"])
        XCTAssertEqual(
            lines[0],
            [
                "slow-labels-0.5-seed-1", "new", "2", "train", "FOLDER/base.yaml", "--output", "FOLDER/runs/slow-labels-0.5-seed-1", "--resume",
                "--set", "training.learning_rate=0.001", "--set", "data.store=FOLDER/store.h5", "--set", "data.labeled_fraction=0.5", "--set",
                "training.seed=1",
            ])
        let wrong = try kairos("ablation", "plan", folder + "/nowhere.yaml", folder + "/runs")
        XCTAssertEqual(wrong.code, 3)
        XCTAssertEqual(
            wrong.errors,
            """
            error: the grid cannot be read
              where: file 'FOLDER/nowhere.yaml'
              do: check the path; configs/ holds an example, docs/ablation.md its keys

            """)
    }

    /// All runs, then again with one run's metrics and another's last checkpoint gone: these two alone are repeated, and the table has the same bits.
    func testAGridFromEndToEnd() throws {
        try makeGrid()
        let script = root.appendingPathComponent("launch/ablation")
        let arguments = [folder + "/grid.yaml", folder + "/runs", "--set", "data.store=\(folder)/store.h5"]
        let first = try start(script, arguments)
        XCTAssertEqual(first.code, 0, first.errors)
        let table = try Data(contentsOf: URL(fileURLWithPath: folder + "/runs/table.json"))
        let object = try XCTUnwrap(JSONSerialization.jsonObject(with: table) as? [String: Any])
        XCTAssertEqual((object["runs"] as? [Any])?.count, 4)
        XCTAssertTrue(first.output.contains("| slow | "), first.output)
        XCTAssertTrue(first.output.hasSuffix("table: FOLDER/runs/table.md, FOLDER/runs/table.json\n"), first.output)

        try FileManager.default.removeItem(atPath: folder + "/runs/slow-labels-0.5-seed-2/metrics.json")
        try FileManager.default.removeItem(atPath: folder + "/runs/fast-labels-0.5-seed-1/metrics.json")
        try FileManager.default.removeItem(atPath: folder + "/runs/fast-labels-0.5-seed-1/checkpoints/step-00000004.h5")
        let second = try start(script, arguments)
        XCTAssertEqual(second.code, 0, second.errors)
        XCTAssertEqual(
            second.output.split(separator: "\n").filter { $0.hasPrefix("== ") },
            [
                "== 1 of 4: slow-labels-0.5-seed-1 is done", "== 2 of 4: slow-labels-0.5-seed-2", "== 3 of 4: fast-labels-0.5-seed-1",
                "== 4 of 4: fast-labels-0.5-seed-2 is done",
            ])
        XCTAssertTrue(second.errors.contains("going on from step 2 of 4"), second.errors)
        XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: folder + "/runs/table.json")), table)
    }

    /// One run has nothing to learn: its error stands in the table until it succeeds.
    func testARunThatFailsIsNamedAndTheOthersGoOn() throws {
        try makeGrid()
        try write(
            """
            configuration: FOLDER/base.yaml
            settings:
              lost: {model.regression_range: [[0, 0.1], [0, 0.1], [0, 0.1]]}
              found:
            """, "grid.yaml")
        let arguments = [folder + "/grid.yaml", folder + "/runs", "--set", "data.store=\(folder)/store.h5"]
        let ended = try start(root.appendingPathComponent("launch/ablation"), arguments)
        XCTAssertEqual(ended.code, 1)
        let failed = try String(contentsOfFile: folder + "/runs/lost-labels-1.0-seed-0.failed", encoding: .utf8).split(separator: "\n")
        XCTAssertEqual(failed.count, 3)
        XCTAssertTrue(failed[0].hasPrefix("error: there is nothing to learn: none of the "), "\(failed)")
        XCTAssertEqual(failed[2], "  do: widen model.regression_range until a level covers such lengths")
        XCTAssertTrue(ended.errors.contains("\(failed[0])\n  where: "), ended.errors)
        XCTAssertTrue(
            ended.errors.hasSuffix(
                "\nlost-labels-1.0-seed-0: \(failed[0])\nerror: 1 of 2 runs failed: lost-labels-1.0-seed-0\n"
                    + "  do: look at their messages above, then start the same command again\n"), ended.errors)
        XCTAssertTrue(FileManager.default.fileExists(atPath: folder + "/runs/found-labels-1.0-seed-0/metrics.json"))
        let table = try String(contentsOfFile: folder + "/runs/table.md", encoding: .utf8)
        XCTAssertTrue(table.contains("| lost | – (0 of 1 runs) |"))
        XCTAssertTrue(table.contains("\nRuns that failed:\n\n- lost-labels-1.0-seed-0: \(failed[0])\n    where: "), table)
        let json = try XCTUnwrap(JSONSerialization.jsonObject(with: try file("runs/table.json")) as? [String: Any])
        let failures = try XCTUnwrap(json["failures"] as? [[String: String]])
        XCTAssertEqual(failures.map { $0["name"] }, ["lost-labels-1.0-seed-0"])
        XCTAssertEqual(failures[0]["error"], failed.joined(separator: "\n"))

        let mended = try start(
            root.appendingPathComponent("launch/ablation"), arguments + ["--set", "model.regression_range=[[0, 4], [4, 16], [16, 10000]]"])
        XCTAssertEqual(mended.code, 0, mended.errors)
        XCTAssertEqual(
            try FileManager.default.contentsOfDirectory(atPath: folder + "/runs").sorted(),
            ["found-labels-1.0-seed-0", "lost-labels-1.0-seed-0", "table.json", "table.md"])
    }

    func testBenchmarkOfSelection() throws {
        let arguments = ["benchmark", "selection", "--videos", "40", "--predictions", "30", "--repetitions", "2", "--json"]
        let alone = try start(executable, arguments)
        let parallel = try start(root.appendingPathComponent("launch/mpirun"), ["2", executable.path] + arguments)
        var labels: [Int?] = []
        for (ended, ranks) in [(alone, 1), (parallel, 2)] {
            XCTAssertEqual(ended.code, 0, ended.errors)
            let object = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any], ended.output)
            XCTAssertEqual(object["ranks"] as? Int, ranks)
            XCTAssertEqual((object["seconds"] as? [Double])?.count, 2)
            XCTAssertEqual((object["peak_rss_mib"] as? [Int])?.count, ranks)
            // Half of the 1,200 labels come from the other rank: 42 bytes each, and 20 + "video_0000001" per recording.
            XCTAssertEqual(object["bytes_gathered"] as? Int, ranks == 1 ? 0 : 600 * 42 + 20 * (8 + 13))
            labels.append(object["labels"] as? Int)
        }
        XCTAssertEqual(labels[0], labels[1])
        XCTAssertGreaterThan(try XCTUnwrap(labels[0]), 0)
        let wrong = try kairos("benchmark", "selection", "--videos", "0")
        XCTAssertEqual(wrong.code, 2)
        XCTAssertTrue(wrong.errors.hasPrefix("Error: --videos must be at least 1, not 0\n"), wrong.errors)
    }
}
