import Foundation
import XCTest

/// `kairos evaluate` under its protocols, class scores and runs whose classes do not count, as a user sees them.
final class EvaluateCommandTests: CommandTestCase {
    private func fixture(_ name: String) -> String { root.appendingPathComponent("Tests/Fixtures/" + name).path }

    private func fixtureObject(_ name: String) throws -> [String: [String: Any]] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: fixture(name)))) as? [String: [String: Any]])
    }

    func testActivityNet() throws {
        let evaluate = [
            "evaluate", "--protocol", "activitynet", "--annotations", fixture("anet_annotations.json"), "--predictions",
            fixture("anet_predictions.json"),
        ]
        let expected = try fixtureObject("anet_expected.json")
        for (name, options) in [("all", []), ("blocked", ["--blocked", fixture("anet_blocked.json")])] {
            let found = try object(try start(executable, evaluate + options + ["--proposals", "100", "--per-video", "--json"]))
            let numbers = try XCTUnwrap(expected[name])
            XCTAssertEqual(
                try XCTUnwrap(found["average_mAP"] as? Double), try XCTUnwrap(numbers["average_mAP"] as? Double), accuracy: 1e-9, name)
            let area = try XCTUnwrap((found["proposals"] as? [String: Any])?["area"] as? Double)
            XCTAssertEqual(area, try XCTUnwrap((numbers["proposals_100"] as? [String: Any])?["area"] as? Double), accuracy: 1e-9, name)
            let videos = try XCTUnwrap(found["per_video"] as? [[String: Any]]).compactMap { $0["video"] as? String }
            XCTAssertEqual(videos.count, name == "all" ? 18 : 16)
            XCTAssertEqual(videos.contains("v03"), name == "all")
        }
        let text = try start(executable, evaluate + ["--class-agnostic", "--tiou", "0.5"])
        XCTAssertEqual(text.code, 0, text.errors)
        XCTAssertTrue(text.output.hasPrefix("tIoU         0.50 average\n"), text.output)
        XCTAssertTrue(text.output.contains("\naction "), text.output)
    }

    func testEPIC() throws {
        let evaluate = [
            "evaluate", "--protocol", "epic", "--annotations", fixture("epic_validation.csv"), "--predictions", fixture("epic_submission.json"),
        ]
        let found = try object(try start(executable, evaluate + ["--json"])), expected = try fixtureObject("epic_expected.json")
        XCTAssertEqual(found.keys.sorted(), ["action", "noun", "verb"])
        for task in found.keys {
            let average = try XCTUnwrap((found[task] as? [String: Any])?["average_mAP"] as? Double)
            XCTAssertEqual(average, try XCTUnwrap(expected[task]?["average_mAP"] as? Double), accuracy: 1e-9)
        }
        XCTAssertEqual(
            try start(executable, evaluate).output.split(separator: "\n").map { $0.prefix(8) }, ["tIoU    ", "verb    ", "noun    ", "action  "])
        let refused = try start(executable, evaluate + ["--subset", "validation"])
        XCTAssertEqual(refused.code, 2)
        XCTAssertEqual(
            refused.errors, "error: --subset was given with --protocol epic\n  do: leave it out: the CSV file is one subset\n")

        // Annotations of a task give the task's numbers.
        let imported = try object(
            try kairos(
                "import", "epic", "--validation", fixture("epic_validation.csv"), "--task", "noun", "--output", folder + "/noun.json", "--json"))
        XCTAssertEqual(imported["path"] as? String, folder + "/noun.json")
        XCTAssertEqual(imported["videos"] as? Int, 9)
        // In the order of the file, which decides among equal scores.
        let submission = try String(contentsOfFile: fixture("epic_submission.json"), encoding: .utf8)
        try write(
            submission.replacingOccurrences(
                of: #""verb": [0-9]+, "noun": ([0-9]+), "action": "[0-9,]+""#, with: #""label": "$1""#, options: .regularExpression), "p.json")
        let noun = try object(
            try kairos(
                "evaluate", "--protocol", "activitynet", "--annotations", folder + "/noun.json", "--predictions", folder + "/p.json", "--tiou",
                "0.1:0.1:0.5", "--json"))
        XCTAssertEqual(
            try XCTUnwrap(noun["average_mAP"] as? Double), try XCTUnwrap(expected["noun"]?["average_mAP"] as? Double), accuracy: 1e-9)
        let none = try kairos("import", "epic", "--task", "verb", "--output", folder + "/n.json")
        XCTAssertEqual(
            none.errors, "error: neither --train nor --validation was given\n  do: give one of the published CSV files, or both\n")
    }

    func testMissingSubset() throws {
        let ended = try kairos("evaluate", "--annotations", "a.json", "--predictions", "p.json")
        XCTAssertEqual(ended.code, 2)
        XCTAssertEqual(ended.errors, "error: --subset was not given\n  do: name the subset whose videos are evaluated\n")
    }

    /// Training on one class: the same bits on 1 and 2 ranks; detections take their classes from a classifier, in the run and afterwards.
    func testOneClassAndClassScores() throws {
        try makeRun(shards: 2, training: "iterations: 12, warmup_iterations: 2")
        let annotations = try kairos(
            "synthesize", "--output", folder + "/again.h5", "--videos", "12", "--classes", "3", "--dimension", "8", "--seed", "5",
            "--annotations-output", folder + "/truth.json")
        XCTAssertEqual(annotations.code, 0, annotations.errors)
        let agnostic = ["--set", "data.class_agnostic=true", "--json"]
        let one = try object(try start(executable, ["train", folder + "/run.yaml", "--output", folder + "/one"] + agnostic))
        let two = try object(try mpirun(2, ["train", folder + "/run.yaml", "--output", folder + "/two"] + agnostic))
        XCTAssertEqual(two["digest"] as? String, one["digest"] as? String)
        let metrics = try XCTUnwrap(JSONSerialization.jsonObject(with: try file("one/metrics.json")) as? [String: Any])
        XCTAssertEqual((metrics["ap_per_class"] as? [String: Any])?.keys.sorted(), ["action"])
        let evaluated = try object(
            try kairos(
                "evaluate", "--annotations", folder + "/truth.json", "--predictions", folder + "/one/predictions.json", "--subset", "Test",
                "--class-agnostic", "--json"))
        XCTAssertEqual(evaluated["average_mAP"] as? Double, metrics["average_mAP"] as? Double)

        // A classifier that is sure of another class for every video.
        let truth = try XCTUnwrap(JSONSerialization.jsonObject(with: try file("truth.json")) as? [String: Any])
        let names = try XCTUnwrap(truth["database"] as? [String: Any]).keys.sorted()
        let scores = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0 % 2 == 0 ? [0.75, 0.25] : [0.25, 0.75]) })
        try JSONSerialization.data(withJSONObject: ["results": scores, "class": ["even", "odd"]])
            .write(to: URL(fileURLWithPath: folder + "/scores.json"))
        let detect = [
            "detect", "--checkpoint", folder + "/one/checkpoints/step-00000012.h5", "--store", folder + "/store.h5", "--output", folder + "/p.json",
            "--set", "test.class_scores=\(folder)/scores.json", "--set", "test.class_scores_top_k=1",
        ]
        let ended = try mpirun(2, detect)
        XCTAssertEqual(ended.code, 0, ended.errors)
        XCTAssertFalse(ended.errors.contains("warning"), ended.errors)
        let found = try XCTUnwrap(JSONSerialization.jsonObject(with: try file("p.json")) as? [String: Any])
        let results = try XCTUnwrap(found["results"] as? [String: [[String: Any]]])
        XCTAssertEqual(results.count, 12)
        for (place, name) in names.enumerated() {
            let labels = Set(try XCTUnwrap(results[name]).compactMap { $0["label"] as? String })
            XCTAssertEqual(labels, [place % 2 == 0 ? "even" : "odd"], name)
        }
    }
}
