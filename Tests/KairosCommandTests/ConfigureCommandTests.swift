import Foundation
import XCTest

/// `configure`, `inspect --statistics` and `train --check` as a user starts them.
final class ConfigureCommandTests: CommandTestCase {
    private func configure(_ options: [String]) throws -> Ended { try start(executable, ["configure", folder + "/store.h5"] + options) }

    /// What makes a proposed configuration train in seconds.
    private static let tiny = [
        "model.embd_dim=16", "model.fpn_dim=16", "model.head_dim=16", "training.threads=1",
    ].flatMap { ["--set", $0] }

    private func check(_ ranks: Int, _ configuration: String, _ more: [String] = []) throws -> [String: Any] {
        try object(try mpirun(ranks, ["train", folder + "/" + configuration, "--check", "--json"] + Self.tiny + more))
    }

    /// A new user's walk: the configuration is written, checked on two ranks, and trains.
    func testConfigureCheckAndTrain() throws {
        try makeStore(videos: 12)
        let made = try object(try configure(["--output", folder + "/c.yaml", "--json"]))
        XCTAssertEqual(made["path"] as? String, folder + "/c.yaml")
        let keys = try XCTUnwrap(made["keys"] as? [[String: Any]])
        for key in keys { XCTAssertEqual(Set(key.keys), ["key", "value", "reason"]) }
        XCTAssertEqual(keys.first { $0["key"] as? String == "training.iterations" }?["value"] as? Int, 600)
        XCTAssertEqual((made["statistics"] as? [String: Any])?["recordings"] as? Int, 8)

        let checked = try check(2, "c.yaml")
        XCTAssertEqual(checked["ranks"] as? Int, 2)
        let stages = try XCTUnwrap(checked["stages"] as? [[String: Any]])
        XCTAssertEqual(stages.map { $0["name"] as? String }, ["training"])
        XCTAssertEqual(stages.map { $0["iterations"] as? Int }, [600])
        let memory = try XCTUnwrap(checked["memory_mib"] as? Int), perStep = try XCTUnwrap(checked["seconds_per_step"] as? Double)
        XCTAssertGreaterThan(memory, 48)
        XCTAssertEqual((checked["memory_mib_of_ranks"] as? [Int])?.max(), memory)
        XCTAssertGreaterThan(perStep, 0)
        XCTAssertGreaterThanOrEqual(try XCTUnwrap(checked["seconds_total"] as? Double), 599 * perStep)
        XCTAssertEqual(Set(try FileManager.default.contentsOfDirectory(atPath: folder)), ["store.h5", "c.yaml", "out", "err"])

        let trained = try start(
            executable, ["train", folder + "/c.yaml", "--output", folder + "/run", "--set", "training.iterations=3", "--json"] + Self.tiny)
        XCTAssertNotNil(try object(trained)["average_mAP"])
    }

    /// The same file again, and without --output the same text on standard output.
    func testTheProposalIsAFunctionOfTheStore() throws {
        try makeStore(videos: 12)
        let printed = try configure([])
        XCTAssertEqual(printed.code, 0, printed.errors)
        XCTAssertTrue(printed.output.hasPrefix("# Proposed by 'kairos configure' for '"), printed.output)
        XCTAssertTrue(
            printed.output.contains("\n  evaluation_subset: \"Test\" # 4 recordings that are not learnt from, 4 with actions\n"), printed.output)
        XCTAssertEqual(try configure([]).output, printed.output)
        let text = try configure(["--output", folder + "/c.yaml"])
        XCTAssertEqual(text.code, 0, text.errors)
        XCTAssertEqual(
            try String(contentsOfFile: folder + "/c.yaml", encoding: .utf8),
            printed.output.replacingOccurrences(of: "CONFIG.yaml", with: "'\(folder)/c.yaml'"))
    }

    /// Every detector under every method: what is proposed is taken, and the plan has all stages.
    func testEveryDetectorAndMethodIsTaken() throws {
        try makeStore(videos: 24)
        let stages = [
            "supervised": ["training"], "apl": ["burn-in", "round 1"], "fustal": ["generator", "student", "distillation"],
        ]
        for detector in ["actionformer", "tridet", "temporalmaxer"] {
            for (method, expected) in stages {
                _ = try object(try configure(["--detector", detector, "--method", method, "--output", folder + "/c.yaml", "--json"]))
                let tiny =
                    (detector == "tridet" ? ["--set", "model.sgp_mlp_dim=16"] : [])
                    + (method == "fustal" ? ["--set", "fustal.embedding_dim=16", "--set", "fustal.segments=40"] : [])
                let checked = try check(1, "c.yaml", tiny)
                XCTAssertEqual((checked["stages"] as? [[String: Any]])?.map { $0["name"] as? String }, expected, "\(detector) \(method)")
            }
        }
    }

    /// Values of the user's own, among them proposals, without which P-GCN is refused.
    func testGivenValuesStay() throws {
        try makeStore((0..<4).map { ("v\($0)", $0 < 3 ? "train" : "test", 20, [(2, 6, "run"), (8, 9, "jump")]) })
        let missing = try configure(["--detector", "pgcn", "--output", folder + "/c.yaml"])
        XCTAssertEqual(missing.code, 3)
        XCTAssertTrue(missing.errors.hasPrefix("error: there are no proposals to refine\n  where: key 'model.proposals'\n"), missing.errors)
        let results = Dictionary(
            uniqueKeysWithValues: (0..<4).map { ("v\($0)", [["label": "run", "score": 0.5, "segment": [1.0, 5.0]] as [String: Any]]) })
        try JSONSerialization.data(withJSONObject: ["version": "1", "external_data": [:], "results": results] as [String: Any])
            .write(to: URL(fileURLWithPath: folder + "/p.json"))
        let made = try object(
            try configure([
                "--detector", "pgcn", "--set", "model.proposals=[\(folder)/p.json]", "--set", "training.iterations=7", "--output",
                folder + "/c.yaml", "--json",
            ]))
        let keys = try XCTUnwrap(made["keys"] as? [[String: Any]])
        XCTAssertEqual(keys.first { $0["key"] as? String == "training.iterations" }?["value"] as? Int, 7)
        let text = try String(contentsOfFile: folder + "/c.yaml", encoding: .utf8)
        XCTAssertTrue(text.contains("\n  proposals: [\(folder)/p.json] # as asked\n"), text)
        let checked = try object(try kairos("train", folder + "/c.yaml", "--check", "--json"))
        XCTAssertEqual((checked["stages"] as? [[String: Any]])?.map { $0["iterations"] as? Int }, [7])

        func refusal(_ options: [String]) throws -> String { try configure(options + ["--output", folder + "/d.yaml"]).errors }
        XCTAssertEqual(
            try refusal(["--set", "training.iterations"]),
            "error: 'training.iterations' does not set a key\n  where: key '--set'\n"
                + "  do: write --set SECTION.KEY=VALUE on one line, for example --set training.iterations=1000\n")
        XCTAssertEqual(
            try refusal(["--set", "model.name=bmn"]),
            "error: model.name is given by --detector\n  where: key '--set model.name'\n  do: use --detector\n")
        XCTAssertEqual(
            try refusal(["--try", "--set", "training.learning_rate=0.1"]),
            "error: --try was given with --set training.learning_rate\n  where: key '--try'\n  do: leave one of them out: --try finds the rate\n")
        XCTAssertTrue(try refusal(["--set", "training.nothing=1"]).hasPrefix("error: "), "an unknown key")
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/d.yaml"))
    }

    func testTheRangeTestIsRepeatable() throws {
        try makeStore(videos: 12)
        let options = ["--try", "--try-steps", "20", "--json"]
        let one = try object(try configure(options)), two = try object(try configure(options))
        let range = try XCTUnwrap(one["range_test"] as? [String: Any])
        let curve = try XCTUnwrap(range["curve"] as? [[String: Any]])
        XCTAssertTrue((2...20).contains(curve.count))
        XCTAssertEqual(Set(curve[0].keys), ["learning_rate", "loss", "smoothed"])
        XCTAssertEqual(one["yaml"] as? String, two["yaml"] as? String)
        XCTAssertTrue((one as NSDictionary).isEqual(to: two))
        let refused = try configure(["--method", "fustal", "--try", "--output", folder + "/c.yaml"])
        XCTAssertEqual(refused.code, 2)
        XCTAssertEqual(
            refused.errors,
            """
            error: the range test needs a method that learns from segments, the method 'fustal' makes its labels in training
              where: key '--try'
              do: leave --try out

            """)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/c.yaml"))
    }

    // MARK: Stores at the edge

    /// Writes an annotation file with recordings of so many seconds and makes the store from it.
    private func makeStore(_ recordings: [(name: String, subset: String, seconds: Double, actions: [(Double, Double, String)])]) throws {
        var database: [String: Any] = [:]
        for one in recordings {
            let actions = one.actions.map { ["label": $0.2, "segment": [$0.0, $0.1]] as [String: Any] }
            database[one.name] = ["subset": one.subset, "duration": one.seconds, "fps": 30, "annotations": actions]
        }
        let json = try JSONSerialization.data(withJSONObject: ["version": "1", "database": database], options: .sortedKeys)
        try json.write(to: URL(fileURLWithPath: folder + "/a.json"))
        let made = try kairos(
            "synthesize", "--annotations", folder + "/a.json", "--output", folder + "/store.h5", "--dimension", "8", "--feature-stride", "15",
            "--window", "30")
        XCTAssertEqual(made.code, 0, made.errors)
    }

    func testOneRecordingOfOneClass() throws {
        try makeStore([("only \"one\"", "all", 20, [(2, 6, "run")])])
        for detector in ["actionformer", "tridet", "temporalmaxer"] {
            _ = try object(try configure(["--detector", detector, "--output", folder + "/c.yaml", "--json"]))
            let checked = try check(1, "c.yaml", detector == "tridet" ? ["--set", "model.sgp_mlp_dim=16"] : [])
            XCTAssertEqual(checked["seconds_detection"] as? Double, 0)
        }
        let weak = try configure(["--method", "fustal"])
        XCTAssertEqual(weak.code, 3)
        XCTAssertTrue(weak.errors.hasPrefix("error: there is nothing to learn: the store has one class, 'run'"), weak.errors)
        let few = try configure(["--method", "apl"])
        XCTAssertEqual(few.code, 3)
        XCTAssertTrue(few.errors.hasPrefix("error: 0 unlabelled training recordings are too few for 1 virtual shards"), few.errors)
    }

    func testShortAndLongRecordings() throws {
        try makeStore([
            ("row", "train", 1, [(0.1, 0.9, "run")]), ("rows", "train", 2, [(0, 2, "jump")]),
            ("long", "train", 3000, [(5, 9, "run"), (20, 2900, "jump")]),
            ("test", "test", 10, [(1, 3, "run")]),
        ])
        _ = try object(try configure(["--output", folder + "/c.yaml", "--json"]))
        _ = try check(1, "c.yaml")
        let text = try String(contentsOfFile: folder + "/c.yaml", encoding: .utf8)
        XCTAssertTrue(text.contains("\n  max_rows: 5999 # the longest of 5999 rows is cropped"), text)
    }

    func testSubsetsWithoutActions() throws {
        try makeStore([("a", "train", 20, [(2, 6, "run"), (7, 9, "jump")]), ("b", "train", 20, [(2, 6, "run")]), ("c", "test", 20, [])])
        let made = try object(try configure(["--output", folder + "/c.yaml", "--json"]))
        let keys = try XCTUnwrap(made["keys"] as? [[String: Any]])
        XCTAssertTrue(keys.first { $0["key"] as? String == "data.evaluation_subset" }?["value"] is NSNull)
        _ = try check(1, "c.yaml")
        let refused = try configure(["--training-subset", "test", "--output", folder + "/d.yaml"])
        XCTAssertEqual(refused.code, 3)
        XCTAssertEqual(
            refused.errors,
            """
            error: there is nothing to learn: none of the 1 recordings of the subset 'test' has an action
              where: file 'FOLDER/store.h5', key '--training-subset'
              do: give one of 'train'

            """)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/d.yaml"))
    }

    /// APL's list of labelled recordings stands beside the configuration.
    func testRecordingsWithoutActionsAreUnlabelled() throws {
        try makeStore(
            (0..<6).map { ("v\($0)", "train", 20, $0 < 2 ? [(2, 6, "run"), (8, 9, "jump")] : []) } + [("t", "test", 20, [(1, 3, "run")])])
        let made = try object(try configure(["--method", "apl", "--output", folder + "/c.yaml", "--json"]))
        XCTAssertEqual(made["labeled_order"] as? String, folder + "/c_labeled.json")
        let list = try JSONSerialization.jsonObject(with: try file("c_labeled.json")) as? [String]
        XCTAssertEqual(list, ["v0", "v1"])
        _ = try check(2, "c.yaml")
    }

    // MARK: Statistics

    func testStatistics() throws {
        try makeStore([("a", "train", 20, [(2, 6, "run"), (5, 9, "jump")]), ("b", "test", 20, [])])
        let text = try kairos("inspect", folder + "/store.h5", "--statistics")
        XCTAssertEqual(text.code, 0, text.errors)
        XCTAssertTrue(
            text.output.hasSuffix(
                """

                subset 'train'
                  recordings 1, 1 with actions; 39 rows of 8 values
                  rows of a recording: 39
                         32 to below      64  ######################################## 1
                  actions    2, per recording 2
                  rows of an action: 8
                          8 to below      16  ######################################## 2
                  background 65.0 % of the recordings with actions
                  overlap    0.0 % of the actions overlap another of their class, 100.0 % one of another class
                  classes    2
                    jump  1 in 1 recording, rows 8
                    run   1 in 1 recording, rows 8


                """), text.output)
        let all = try XCTUnwrap(object(try kairos("inspect", folder + "/store.h5", "--statistics", "--json"))["statistics"] as? [[String: Any]])
        XCTAssertEqual(all.map { $0["subset"] as? String }, [nil, "test", "train"])
        XCTAssertEqual(all[2]["other_class_overlap"] as? Double, 1)
        XCTAssertEqual((all[2]["action_rows"] as? [String: Any])?["median"] as? Double, 8)
        XCTAssertNil(try object(try kairos("inspect", folder + "/store.h5", "--json"))["statistics"])
    }

    // MARK: Refusals

    func testRefusals() throws {
        try makeStore(videos: 6)
        let unknown = try configure(["--detector", "tridett"])
        XCTAssertEqual(unknown.code, 2)
        XCTAssertTrue(unknown.errors.hasPrefix("error: 'tridett' is unknown; did you mean 'tridet'?\n  where: key '--detector'\n"), unknown.errors)
        XCTAssertEqual(try kairos("configure", folder + "/none.h5").code, 3)
        XCTAssertEqual(try configure(["--ranks", "0"]).code, 2)
        XCTAssertEqual(try configure(["--labeled-fraction", "0"]).code, 2)
        XCTAssertEqual(try configure(["--output", folder + "/none/c.yaml"]).code, 1)
        XCTAssertEqual(try configure(["--output", folder + "/store.h5"]).code, 2)
        let ranks = try mpirun(2, "configure", folder + "/store.h5")
        XCTAssertEqual(ranks.code, 2)
        XCTAssertTrue(ranks.errors.contains("error: 'kairos configure' works on one rank, 2 were started"), ranks.errors)
        try write("data: {store: FOLDER/store.h5}\ntraining: {iterations: 3}\n", "r.yaml")
        let both = try kairos("train", folder + "/r.yaml", "--check", "--resume")
        XCTAssertEqual(both.code, 2)
        XCTAssertTrue(both.errors.contains("--check trains nothing: leave out --resume"), both.errors)
        let missing = try kairos("train", folder + "/r.yaml")
        XCTAssertEqual(missing.code, 2)
        XCTAssertTrue(missing.errors.contains("Missing expected argument '--output <output>'"), missing.errors)
        try write("data: {store: FOLDER/store.h5, batch_size: 3}\ntraining: {iterations: 3}\n", "r.yaml")
        XCTAssertEqual(try kairos("train", folder + "/r.yaml", "--check").code, 2)
    }
}
