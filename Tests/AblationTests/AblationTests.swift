import Ablation
import DetectionMetrics
import Diagnostics
import Foundation
import StandardRegistry
import TrainingMethods
import XCTest

/// Grids of runs: what they plan, what they refuse, and the tables made of the runs' metrics.
final class AblationTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "/kairos-ablation-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try write("data: {store: s.h5}\ntraining: {iterations: 5}\n", "base.yaml")
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private func write(_ text: String, _ name: String) throws {
        let url = URL(fileURLWithPath: folder + "/" + name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    private func grid(_ text: String) throws -> AblationGrid {
        try AblationGrid(yaml: text.replacingOccurrences(of: "BASE", with: folder + "/base.yaml"), file: "grid.yaml")
    }

    private let text = """
        configuration: BASE
        ranks: 2
        labeled_fractions: [0.1, 1]
        seeds: [1, 3]
        settings:
          plain:
          "+More of it":
            training.learning_rate: 0.01
            model: {n_mha_win_size: [5, 5, 5, 5, 5, 5], use_abs_pe: true}
            data.annotations: "a b.json"
        """

    func testGrid() throws {
        let grid = try grid(text)
        XCTAssertEqual(grid.ranks, 2)
        XCTAssertEqual(grid.labeledFractions, [0.1, 1])
        XCTAssertEqual(grid.seeds, [1, 3])
        XCTAssertEqual(
            grid.settings,
            [
                .init(name: "plain", overrides: []),
                .init(
                    name: "+More of it",
                    overrides: [
                        "training.learning_rate=0.01", "model.n_mha_win_size=[5, 5, 5, 5, 5, 5]", "model.use_abs_pe=true",
                        "data.annotations=\"a b.json\"",
                    ]),
            ])
        XCTAssertEqual(grid.settings.map(\.fileName), ["plain", "more-of-it"])
        let short = try self.grid("configuration: BASE\nsettings: {a: }")
        XCTAssertEqual(short.ranks, 1)
        XCTAssertEqual(short.labeledFractions, [1])
        XCTAssertEqual(short.seeds, [0])
    }

    func testPlan() throws {
        let runs = try grid(text).plan(folder: "out", overrides: ["data.store=other.h5"], registry: .standard)
        XCTAssertEqual(
            runs.map(\.name),
            [
                "plain-labels-0.1-seed-1", "plain-labels-0.1-seed-3", "plain-labels-1.0-seed-1", "plain-labels-1.0-seed-3",
                "more-of-it-labels-0.1-seed-1", "more-of-it-labels-0.1-seed-3", "more-of-it-labels-1.0-seed-1", "more-of-it-labels-1.0-seed-3",
            ])
        XCTAssertEqual(Set(runs.map(\.state)), [.new])
        XCTAssertEqual(
            runs[5].arguments,
            [
                "train", folder + "/base.yaml", "--output", "out/more-of-it-labels-0.1-seed-3", "--resume", "--set", "training.learning_rate=0.01",
                "--set", "model.n_mha_win_size=[5, 5, 5, 5, 5, 5]", "--set", "model.use_abs_pe=true", "--set", "data.annotations=\"a b.json\"",
                "--set",
                "data.store=other.h5", "--set", "data.labeled_fraction=0.1", "--set", "training.seed=3",
            ])
        // What `train` would make of the arguments.
        let overrides = runs[5].arguments.indices.dropFirst().filter { runs[5].arguments[$0 - 1] == "--set" }.map { runs[5].arguments[$0] }
        let configuration = try RunConfiguration(path: folder + "/base.yaml", overrides: overrides)
        XCTAssertEqual(configuration.data.labeledFraction, 0.1)
        XCTAssertEqual(configuration.data.annotations, "a b.json")
        XCTAssertEqual(configuration.training.learningRate, 0.01)
        XCTAssertEqual(configuration.training.seed, 3)
    }

    private func refuses(
        _ text: String, _ expected: String, overrides: [String] = [], folder: String = "out", line: UInt = #line
    ) throws {
        XCTAssertThrowsError(try grid(text).plan(folder: folder, overrides: overrides, registry: .standard), line: line) {
            XCTAssertEqual(($0 as? Failure)?.description.replacingOccurrences(of: self.folder, with: "F"), expected, line: line)
            XCTAssertEqual(($0 as? Failure)?.exitCode, 2, line: line)
        }
    }

    func testRefusals() throws {
        let more = "correct the value; docs/ablation.md says more"
        try refuses(
            "configuration: BASE\nsettings: {a: }\nseed: [1]",
            "error: unknown key 'seed'; did you mean 'seeds'?\n  where: file 'grid.yaml', key 'seed', line 3\n"
                + "  do: correct or remove the key; docs/ablation.md lists all keys")
        try refuses(
            "settings: {a: }",
            "error: the key 'configuration' is missing\n  where: file 'grid.yaml'\n  do: add it: text, the base configuration's path")
        try refuses(
            "configuration: BASE\nseeds: [1, 1]\nsettings: {a: }",
            "error: expected a list, each a whole number, at least 0, none twice, found a list of 2\n  where: file 'grid.yaml', key 'seeds', line 2\n"
                + "  do: \(more)")
        try refuses(
            "configuration: BASE\nlabeled_fractions: [0]\nsettings: {a: }",
            "error: expected a list, each a number, above 0, to 1, none twice, found a list of 1\n"
                + "  where: file 'grid.yaml', key 'labeled_fractions', line 2\n  do: \(more)")
        try refuses(
            "configuration: BASE\nranks: 0\nsettings: {a: }",
            "error: expected a whole number, at least 1, found 0\n  where: file 'grid.yaml', key 'ranks', line 2\n  do: \(more)")
        try refuses(
            "configuration: BASE",
            "error: the grid names no settings\n  where: file 'grid.yaml'\n"
                + "  do: write 'settings:' and below it a name per line of the table, and below that key.path: value")
        try refuses(
            "configuration: BASE\nsettings:\n  a: 3",
            "error: expected keys of the configuration, found 3\n  where: file 'grid.yaml', key 'settings.a', line 3\n"
                + "  do: write key.path: value below the setting's name, or nothing for the base configuration itself")
        try refuses(
            "configuration: BASE\nsettings:\n  A b:\n  +a-b:",
            "error: the settings 'A b' and '+a-b' would share files named 'a-b'\n  where: file 'grid.yaml', key 'settings.+a-b', line 4\n"
                + "  do: give them names that differ in letters or digits")
        try refuses(
            "configuration: BASE\nsettings:\n  ±:",
            "error: the setting's name '±' has no letter or digit\n  where: file 'grid.yaml', key 'settings.±', line 3\n"
                + "  do: give it a name that files can have too")
        try refuses(
            "configuration: BASE\nsettings:\n  a: {training.seed: 1}",
            "error: a setting changes training.seed, which the grid itself goes through\n"
                + "  where: file 'grid.yaml', key 'settings.a.training.seed', line 3\n  do: list the values under seeds")
    }

    /// The configuration of every run is read before the first one begins.
    func testRunsThatTrainWouldRefuse() throws {
        try refuses(
            "configuration: BASE\nsettings:\n  a:\n  b: {training.iteration: 1}",
            "error: unknown key 'iteration'; did you mean 'training.iterations'?\n"
                + "  where: file 'grid.yaml', key 'settings.b', key '--set training.iteration'\n"
                + "  do: correct or remove the key; docs/configuration.md lists all keys")
        try refuses(
            "configuration: BASE\nranks: 3\nsettings: {a: }",
            "error: 2 virtual shards cannot be shared out evenly over 3 ranks\n"
                + "  where: file 'grid.yaml', key 'settings.a', key 'data.virtual_shards'\n"
                + "  do: start 1 or 2 ranks or set data.virtual_shards to a multiple of 3")
        try refuses(
            "configuration: BASE\nsettings: {a: {data.evaluation_subset: null}}",
            "error: the run is not evaluated, so it has nothing for the table\n"
                + "  where: file 'grid.yaml', key 'settings.a', key 'data.evaluation_subset'\n  do: set data.evaluation_subset")
    }

    // MARK: Finished runs

    /// Leaves what a finished run would.
    private func finish(_ run: AblationRun, _ mAP: [Double], thresholds: [Double] = [0.3, 0.5]) throws {
        let overrides = run.arguments.indices.dropFirst().filter { run.arguments[$0 - 1] == "--set" }.map { run.arguments[$0] }
        let configuration = try RunConfiguration(path: run.arguments[1], overrides: overrides)
        let result = EvaluationResult(
            tiouThresholds: thresholds, mAP: mAP, averageMAP: mAP.reduce(0, +) / Double(mAP.count), apPerClass: [:], recallAt: [:])
        let name = String(run.folder.dropFirst(folder.count + 1))
        try write(configuration.canonicalYAML, name + "/config.yaml")
        try write(String(decoding: try JSONEncoder().encode(result), as: UTF8.self), name + "/metrics.json")
    }

    func testStates() throws {
        let grid = try grid("configuration: BASE\nseeds: [1, 2, 3]\nsettings: {a: }")
        var runs = try grid.plan(folder: folder, registry: .standard)
        try finish(runs[0], [0.5, 0.3])
        try write("", runs[1].name + "/checkpoints/step-00000002.h5")
        try write("data: {store: s.h5}\ntraining: {iterations: 5, seed: 2}\n", runs[1].name + "/config.yaml")
        // Where the store lies does not matter to a finished run, the learning rate does.
        runs = try grid.plan(
            folder: folder, overrides: ["data.store=moved.h5", "training.checkpoint_every=3", "training.stall_seconds=600"], registry: .standard)
        XCTAssertEqual(runs.map(\.state), [.done, .begun, .new])
        try refuses(
            "configuration: BASE\nseeds: [1, 2, 3]\nsettings: {a: }",
            "error: the run there was made with training.learning_rate = 0.0001, the grid says 0.5\n"
                + "  where: file 'grid.yaml', key 'settings.a', file 'F/a-labels-1.0-seed-1/config.yaml', key 'training.learning_rate'\n"
                + "  do: choose another folder, or remove the run's folder to repeat it",
            overrides: ["training.learning_rate=0.5"], folder: folder)
    }

    private let comparison = """
        configuration: BASE
        labeled_fractions: [0.1, 0.25]
        seeds: [1, 2, 3]
        settings:
          plain:
          with | bar: {training.learning_rate: 0.01}
        """

    func testTable() throws {
        let grid = try grid(comparison)
        let planned = try grid.plan(folder: folder, registry: .standard)
        try finish(planned[0], [0.5, 0.3])
        try finish(planned[1], [0.6, 0.4])
        try finish(planned[2], [0.7, 0.5])
        try finish(planned[4], [0.125, 0.0])
        try finish(planned[6], [0.7, 0.7])
        try finish(planned[8], [0.5, 0.5])
        let runs = try grid.plan(folder: folder, registry: .standard)
        let table = try AblationTable(grid, runs: runs) { $0.folder == planned[4].folder ? [.init(name: "class accuracy", value: 0.75)] : [] }
        XCTAssertEqual(
            table.markdown,
            """
            Average mAP in per cent over the tIoU thresholds 0.3, 0.5: mean ± standard deviation over the seeds 1, 2, 3; in brackets the difference from 'plain'.

            | setting | 10 % labels | 25 % labels |
            |---|---|---|
            | plain | 50.0 ± 10.0 | 6.2 (1 of 3 runs) |
            | with \\| bar | 60.0 ± 14.1 (+10.0) (2 of 3 runs) | – (0 of 3 runs) |

            Every run: mAP in per cent per tIoU threshold.

            | setting | labels | seed | 0.3 | 0.5 | average | class accuracy |
            |---|---|---|---|---|---|---|
            | plain | 10 % | 1 | 50.0 | 30.0 | 40.0 | – |
            | plain | 10 % | 2 | 60.0 | 40.0 | 50.0 | – |
            | plain | 10 % | 3 | 70.0 | 50.0 | 60.0 | – |
            | plain | 25 % | 2 | 12.5 | 0.0 | 6.2 | 75.0 |
            | with \\| bar | 10 % | 1 | 70.0 | 70.0 | 70.0 | – |
            | with \\| bar | 10 % | 3 | 50.0 | 50.0 | 50.0 | – |

            """)
        try table.write(to: folder)
        XCTAssertEqual(try String(contentsOfFile: folder + "/table.md", encoding: .utf8), table.markdown)
        let json = try XCTUnwrap(
            JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: folder + "/table.json"))) as? [String: Any])
        XCTAssertEqual(json.keys.sorted(), ["cells", "labeled_fractions", "runs", "seeds", "settings", "tiou_thresholds"])
        let cells = try XCTUnwrap(json["cells"] as? [[String: Any]])
        XCTAssertEqual(cells.map { $0["runs"] as? Int }, [3, 1, 2, 0])
        XCTAssertEqual(try XCTUnwrap(cells[0]["average_mAP"] as? Double), 0.5, accuracy: 1e-12)
        XCTAssertEqual(try XCTUnwrap(cells[0]["deviation"] as? Double), 0.1, accuracy: 1e-12)
        XCTAssertNil(cells[3]["average_mAP"])
        XCTAssertEqual((json["runs"] as? [[String: Any]])?.compactMap { $0["name"] as? String }, runs.filter { $0.state == .done }.map(\.name))
    }

    func testTableBeforeTheFirstRun() throws {
        let grid = try grid("configuration: BASE\nsettings: {a: }")
        let table = try AblationTable(grid, runs: try grid.plan(folder: folder, registry: .standard))
        XCTAssertEqual(
            table.markdown, "Average mAP in per cent: mean.\n\n| setting | 100 % labels |\n|---|---|\n| a | – (0 of 1 runs) |\n")
    }

    func testMetricsThatDoNotFit() throws {
        let grid = try grid(comparison)
        let planned = try grid.plan(folder: folder, registry: .standard)
        try finish(planned[0], [0.5, 0.3])
        try finish(planned[1], [0.6], thresholds: [0.5])
        func refuses(_ expected: String, line: UInt = #line) throws {
            XCTAssertThrowsError(try AblationTable(grid, runs: try grid.plan(folder: folder, registry: .standard)), line: line) {
                XCTAssertEqual(($0 as? Failure)?.description.replacingOccurrences(of: folder, with: "F"), expected, line: line)
                XCTAssertEqual(($0 as? Failure)?.exitCode, 3, line: line)
            }
        }
        try refuses(
            "error: the metrics are of the tIoU thresholds [0.5], those before of [0.3, 0.5]\n"
                + "  where: file 'F/plain-labels-0.1-seed-2/metrics.json'\n  do: remove the run's folder to repeat the run")
        try write("{", planned[1].name + "/metrics.json")
        try refuses(
            "error: the file is not JSON: it ends early\n  where: file 'F/plain-labels-0.1-seed-2/metrics.json', line 1, column 2\n"
                + "  do: remove the run's folder to repeat the run")
        for (text, column, what) in [
            ("[]", 1, "the metrics are a list, not an object"), ("{}", 1, "the file has no 'tiou_thresholds'"),
            ("{\"tiou_thresholds\": [0.5], \"mAP\": [\"0.6\"]}", 36, "'mAP' of the file holds a string (\"0.6\"), not a number"),
            (
                "{\"tiou_thresholds\": [0.5], \"mAP\": [0.6], \"average_mAP\": \"0.6\"}", 57,
                "'average_mAP' of the file is a string (\"0.6\"), not a number"
            ),
        ] {
            try write(text, planned[1].name + "/metrics.json")
            try refuses(
                "error: \(what)\n  where: file 'F/plain-labels-0.1-seed-2/metrics.json', line 1, column \(column)\n  do: remove the run's folder to repeat the run"
            )
        }
    }
}
