import ActionDetection
import Diagnostics
import Foundation
import PostProcessing
import StandardRegistry
import TemporalAnnotations
import TestSupport
import Training
import TrainingMethods
import XCTest

/// Scores of a classifier of videos, in the published forms.
final class ClassScoresTests: FolderTestCase {
    private let detections = [Detection(video: "v", segment: Segment(start: 1, end: 2), label: 0, score: 1)]

    private func open(_ contents: Data, _ name: String, classes: [String], _ overrides: [String] = []) throws -> ClassScores {
        try contents.write(to: URL(fileURLWithPath: path(name)))
        let configuration = try RunConfiguration(
            yaml: "data: {store: s.h5}\ntraining: {iterations: 1}", file: "run.yaml",
            overrides: ["test.class_scores=\(path(name))", "test.class_scores_rule=product", "test.class_scores_top_k=10"] + overrides,
            registry: .standard)
        let scores = try ClassScores(configuration, classes: ClassMap(names: classes))
        return try XCTUnwrap(scores)
    }

    private func json(_ text: String, classes: [String], _ overrides: [String] = []) throws -> ClassScores {
        try open(Data(text.utf8), "c.json", classes: classes, overrides)
    }

    /// By class name.
    private func scores(_ classes: ClassScores, _ video: VideoID) throws -> [String: Double] {
        Dictionary(uniqueKeysWithValues: try classes(detections, of: video).map { (classes.classes.names[$0.label], $0.score) })
    }

    func testNoFile() throws {
        XCTAssertNil(try ClassScores(RunConfiguration(registry: .standard), classes: ClassMap(names: ["a"])))
    }

    /// `cuhk_val_simp_share.json`: classes by name, whatever their order; videos without `v_`; lists of one list.
    func testNamedClasses() throws {
        let text = #"{"results": {"abc": [0.5, 0.25, 0.125], "d": [[0.1, 0.2, 0.7]]}, "class": ["Long jump", "Swim_far", "else"], "version": "1"}"#
        let found = try json(text, classes: ["swim far", "LongJump"])
        XCTAssertEqual(found.classes.names, ["swim far", "LongJump"])
        XCTAssertEqual(try scores(found, "v_abc"), ["LongJump": 0.5, "swim far": 0.25])
        XCTAssertEqual(try scores(found, "abc"), ["LongJump": 0.5, "swim far": 0.25])
        XCTAssertEqual(try scores(found, "d"), ["LongJump": 0.1, "swim far": 0.2])
        XCTAssertEqual(try found(detections, of: "d").map(\.label), [0, 1], "the best first")
        // A detector of one class takes those of the file.
        let agnostic = try json(text, classes: ["action"], ["data.class_agnostic=true", "test.class_scores_top_k=1"])
        XCTAssertEqual(agnostic.classes.names, ["Long jump", "Swim_far", "else"])
        XCTAssertEqual(try scores(agnostic, "d"), ["else": 0.7])
        assertFailure(
            """
            error: the class scores do not know the video
              where: file 'FOLDER/c.json', key 'test.class_scores', video 'v_x'
              do: give scores of all videos that are detected
            """
        ) { try scores(found, "v_x") }
    }

    /// Numbers that are no probabilities become some; NumPy's values.
    func testSoftmax() throws {
        let found = try scores(try json(#"{"v": [2.0, -1.0, 0.5]}"#, classes: ["a", "b", "c"]), "v")
        for (name, value) in ["a": 0.7855970345892759, "b": 0.039112573270687456, "c": 0.1752903921400367] {
            XCTAssertEqual(found[name] ?? -1, value, accuracy: 1e-14)
        }
    }

    /// UntrimmedNet's array: a row per number of the test set, a column per class of UCF101.
    func testNumberedVideos() throws {
        let values = (0..<303).map { (place: Int) -> Float in
            let column = Float(place % 101 + 1), row = Float(place / 101)
            return column / 128 + row / 4096
        }
        let found = try open(numpyArray(values, columns: 101), "u.npy", classes: ["VolleyballSpiking", "BaseballPitch"])
        let second = try scores(found, "video_test_0000002"), row: Double = 1.0 / 4096.0
        XCTAssertEqual(second.count, 2)
        XCTAssertEqual(second["BaseballPitch"], 0.0546875 + row)
        XCTAssertEqual(second["VolleyballSpiking"], 0.7578125 + row)
        for name in ["video_test_0000004", "video_test_0000000", "video_test"] {
            XCTAssertThrowsError(try scores(found, VideoID(name)), name) {
                XCTAssertEqual(($0 as? Failure)?.what, "the class scores do not know the video")
            }
        }
        let plain = try open(numpyArray([0.5, 0.25, 0.125, 0], columns: 2), "p.npy", classes: ["a", "b"])
        XCTAssertEqual(try scores(plain, "x2"), ["a": 0.125, "b": 0])
        assertFailure(
            """
            error: the class scores are of 2 classes, the detector has 3
              where: file 'FOLDER/p.npy', key 'test.class_scores'
              do: give scores of the detector's classes in its order, or a JSON file that names them
            """
        ) { try open(numpyArray([0, 1], columns: 2), "p.npy", classes: ["a", "b", "c"]) }
        assertFailure(
            """
            error: the class scores hold NaN or infinity
              where: file 'FOLDER/p.npy'
              do: check what wrote them
            """
        ) { try open(numpyArray([0, .nan], columns: 2), "p.npy", classes: ["a", "b"]) }
    }

    func testRefusals() throws {
        let form = "  do: the form is {\"results\": {VIDEO: [score, ...]}, \"class\": [\"NAME\", ...]}"
        let cases = [
            ("{}", "error: the file holds no scores of videos\n  where: file 'FOLDER/c.json'\n" + form),
            (
                "{\"v\": [0.5, \"x\"]}",
                "error: the scores are no list of numbers\n  where: file 'FOLDER/c.json', line 1, column 7, video 'v'\n" + form
            ),
            (
                "{\"v\": [0.5, 0.5],\n \"w\": [1]}",
                "error: the scores are no list of 2 numbers\n  where: file 'FOLDER/c.json', line 2, video 'w'\n" + form
            ),
            ("{\"v\": []}", "error: the scores are no list of numbers\n  where: file 'FOLDER/c.json', line 1, column 7, video 'v'\n" + form),
            (
                "{\"v\": [NaN, 1]}",
                "error: the scores are no list of numbers\n  where: file 'FOLDER/c.json', line 1, column 7, video 'v'\n" + form
            ),
            (
                "{\"results\": {\"v\": [1, 0]}, \"class\": [\"a\", \"a\"]}",
                "error: 'class' names a class twice\n  where: file 'FOLDER/c.json'\n" + form
            ),
            (
                "{\"results\": {\"v\": [1, 0]}, \"class\": [\"a\", \"x\"]}",
                "error: the class scores lack 1 of the detector's 2 classes, the first is 'b'\n"
                    + "  where: file 'FOLDER/c.json', key 'test.class_scores'\n  do: give scores of all classes"
            ),
        ]
        for (text, message) in cases { assertFailure(message) { try json(text, classes: ["a", "b"]) } }
        assertFailure(
            "error: the class scores name no classes, and the detector knows none\n  where: file 'FOLDER/c.json', key 'test.class_scores'\n"
                + "  do: give a JSON file with \"class\": [\"NAME\", ...]"
        ) { try json("{\"v\": [1]}", classes: ["action"], ["data.class_agnostic=true"]) }
    }
}
