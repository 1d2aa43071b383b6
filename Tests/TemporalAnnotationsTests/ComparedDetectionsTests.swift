import Diagnostics
import Foundation
import TemporalAnnotations
import XCTest

/// Detections against annotations that know other classes, other videos, another unit.
final class ComparedDetectionsTests: XCTestCase {
    private var path = ""

    override func setUp() { path = FileManager.default.temporaryDirectory.appendingPathComponent("kairos-\(UUID().uuidString).json").path }
    override func tearDown() { try? FileManager.default.removeItem(atPath: path) }

    /// Test videos a, b, c and the training video t, of 40 s at 30 fps.
    private let set = AnnotationSet(
        version: "", classes: ClassMap(names: ["run", "Long_Jump"]),
        videos: [("a", "Test"), ("b", "Test"), ("c", "Test"), ("t", "Train")].map { id, subset in
            VideoAnnotation(
                id: VideoID(id), subset: Subset(rawValue: subset), duration: 40, fps: 30,
                instances: [ActionInstance(segment: Segment(start: 1, end: 2), label: 0)])
        })

    private func detection(_ label: String, _ start: Double = 1, _ end: Double = 2) -> String {
        "{\"label\": \"\(label)\", \"segment\": [\(start), \(end)], \"score\": 0.5}"
    }

    private func read(_ results: [(String, [String])]) throws -> ComparedDetections {
        let lines = results.map { "\"\($0)\": [\($1.joined(separator: ", "))]" }
        try Data("{\"results\": {\n\(lines.joined(separator: ",\n"))}}".utf8).write(to: URL(fileURLWithPath: path))
        return try ComparedDetections(readingJSON: path, annotations: set, subset: "Test")
    }

    private func refuses(_ results: [(String, [String])], _ expected: String, line: UInt = #line) {
        XCTAssertThrowsError(try read(results), line: line) {
            XCTAssertEqual("\($0)".replacingOccurrences(of: path, with: "p.json"), expected, line: line)
            XCTAssertEqual(($0 as? Failure)?.exitCode, 3, line: line)
        }
    }

    func testClassesThatTheAnnotationsLack() throws {
        let run = detection("run")
        XCTAssertEqual(try read([("a", [run]), ("b", []), ("c", [])]).notes, [])
        let one = try read([("a", [run, detection("swim")]), ("b", [detection("swim")]), ("c", [])])
        XCTAssertEqual(one.detections, [Detection(video: "a", segment: Segment(start: 1, end: 2), label: 0, score: 0.5)])
        XCTAssertEqual(one.notes, ["2 of 3 detections are of a class that the annotations lack and are passed over: 'swim'"])
        let several = try read([("a", [run, detection("swim"), detection("fly"), detection("rum"), detection("fly")]), ("b", []), ("c", [])])
        XCTAssertEqual(
            several.notes,
            ["4 of 5 detections are of 3 classes that the annotations lack and are passed over: 'fly', 'rum', 'swim'; 'rum' is close to 'run'"])
    }

    func testClassesInAnotherSpelling() {
        for name in ["long jump", "LongJump", "long_jump", "Long-Jump"] {
            refuses(
                [("a", [detection("run")]), ("b", [detection(name)])],
                """
                error: class '\(name)' is unknown; did you mean 'Long_Jump'?
                  where: file 'p.json', line 3, video 'b'
                  do: spell classes as the annotations do: case, spaces, underscores and hyphens count
                """)
        }
        refuses(
            [("a", [detection("0")]), ("b", [detection("1"), detection("0")])],
            """
            error: none of the detections' classes is one of the annotations': they are '0', '1', the annotations' are 'run', 'Long_Jump'
              where: file 'p.json'
              do: check that detections and annotations belong to the same data set, and that classes are named, not numbered
            """)
    }

    func testVideosThatAreNotThere() throws {
        refuses(
            [],
            """
            error: the file names no video: 'results' is empty
              where: file 'p.json'
              do: check what wrote the detections, or detect again
            """)
        refuses(
            [("t", [detection("run")])],
            """
            error: the file names none of the 3 videos of subset 'Test'; its 1 video is of 'Train'
              where: file 'p.json'
              do: evaluate the subset of the detections, or detect in this one
            """)
        refuses(
            [("a", []), ("x", [])],
            """
            error: the annotations do not know the video
              where: file 'p.json', line 3, video 'x'
              do: check that detections and annotations belong to the same data set
            """)
        XCTAssertEqual(
            try read([("b", [detection("run")]), ("t", [detection("run")])]).notes,
            [
                "the file does not name 2 of the 3 videos of subset 'Test', the first is 'a': their actions count as missed",
                "1 of 2 detections lie in videos outside subset 'Test' and count as false positives",
            ])
        XCTAssertEqual(
            try read([("a", []), ("b", []), ("c", [])]).notes, ["the file holds no detection: every action counts as missed"])
        XCTAssertEqual(
            try read([("a", []), ("b", []), ("c", []), ("t", [detection("run")])]).notes,
            [
                "1 of 1 detections lie in videos outside subset 'Test' and count as false positives",
                "no detection lies in a video of subset 'Test': every action counts as missed",
            ])
    }

    func testSegmentsInAnotherUnit() throws {
        func scaled(_ factor: Double) -> [(String, [String])] {
            ["a", "b", "c"].map { ($0, [2.0, 19, 33].map { detection("run", $0 * factor, ($0 + 3) * factor) }) }
        }
        for (factor, guess) in [
            (30.0, "they look like numbers of frames: divide them by the frames per second"),
            (1000.0, "they look like milliseconds: divide them by 1000"),
        ] {
            refuses(
                scaled(factor),
                """
                error: 9 of 9 detections lie outside their videos, or more than half of each does; \(guess)
                  where: file 'p.json'
                  do: write segments as [start, end] in seconds, and check the annotated durations
                """)
        }
        XCTAssertEqual(
            try read(scaled(1.0 / 40)).notes,
            [
                "all 9 detections lie in the first second of their videos, which last 40 s in the mean: they look like fractions of the video; "
                    + "segments are in seconds"
            ])
        // Some, but not most: a warning.
        XCTAssertEqual(try read(scaled(1)).notes, [])
        var late = scaled(1)
        late[0].1 += [detection("run", 50, 60), detection("run", 60, 70)]
        XCTAssertEqual(try read(late).notes, ["2 of 11 detections lie outside their videos, or more than half of each does"])
    }
}
