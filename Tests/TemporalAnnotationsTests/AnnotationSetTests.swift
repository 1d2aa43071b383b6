import Diagnostics
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

final class AnnotationSetTests: XCTestCase {
    private var folder = URL(fileURLWithPath: "/")

    override func setUpWithError() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("kairos-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    override func tearDownWithError() throws {
        try FileManager.default.removeItem(at: folder)
    }

    private func file(_ text: String) throws -> String {
        let path = folder.appendingPathComponent("a.json").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func videos(_ text: String) -> String { "{\"version\": \"1\",\n\"database\": {\(text)}}" }

    /// One video of 60 s with one annotation.
    private func annotated(_ annotation: String) -> String {
        videos("\"v\": {\"subset\": \"Test\", \"duration\": 60, \"annotations\": [\(annotation)]}")
    }

    func testReadsClassesByIdAndVideosInOrder() throws {
        let set = try AnnotationSet(
            readingJSON: try file(
                videos(
                    """
                    "z": {"subset": "Test", "duration": 60.5, "fps": 30, "url": "x",
                          "annotations": [{"label": "b", "label_id": 7, "segment": [1, 2.5], "segment(frames)": [30, 75]},
                                          {"label": "c", "label_id": 2, "segment": [3, 4]}]},
                    "a": {"subset": "Validation", "duration": 10, "fps": null, "annotations": []}
                    """)))
        XCTAssertEqual(set.classes.names, ["c", "b"])
        XCTAssertEqual(
            set.videos,
            [
                VideoAnnotation(
                    id: "z", subset: "Test", duration: 60.5, fps: 30,
                    instances: [
                        ActionInstance(segment: Segment(start: 1, end: 2.5), label: 1), ActionInstance(segment: Segment(start: 3, end: 4), label: 0),
                    ]),
                VideoAnnotation(id: "a", subset: "Validation", duration: 10, fps: nil, instances: []),
            ])
        XCTAssertEqual(set.subsets, ["Test", "Validation"])
        XCTAssertEqual(set.videos(in: "Validation").map(\.id), ["a"])
        XCTAssertEqual(set.notes, [])
    }

    func testClassesWithoutIdsAreSorted() throws {
        let set = try AnnotationSet(
            readingJSON: try file(annotated("{\"label\": \"run\", \"segment\": [1, 2]}, {\"label\": \"jump\", \"segment\": [1, 2]}")))
        XCTAssertEqual(set.classes.names, ["jump", "run"])
        XCTAssertEqual(set.notes, [])
    }

    func testWritingReadsBackTheSame() throws {
        let classes = ClassMap(names: ["jump", "run \"fast\"\n/é"])
        let set = AnnotationSet(
            version: "1.3", classes: classes,
            videos: [
                VideoAnnotation(
                    id: "v/1", subset: "Test", duration: 0.1 + 0.2, fps: 29.97,
                    instances: [
                        ActionInstance(segment: Segment(start: 0, end: 0.1), label: 1),
                        ActionInstance(segment: Segment(start: 1e-5, end: 0.2), label: 0),
                    ]),
                VideoAnnotation(id: "w", subset: "Test", duration: 5, fps: nil, instances: []),
            ])
        let path = folder.appendingPathComponent("written.json").path
        try set.write(to: path)
        let back = try AnnotationSet(readingJSON: path)
        XCTAssertEqual(back.classes, classes)
        XCTAssertEqual(back.videos, set.videos)
        XCTAssertEqual(back.version, "1.3")
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("written.json.") }, [])
    }

    func testSegmentPolicies() throws {
        let path = try file(
            annotated(
                """
                {"label": "r", "segment": [-0.5, 10]}, {"label": "r", "segment": [50, 60.85]}, {"label": "r", "segment": [20, 30]}
                """))
        let strict = try AnnotationSet(readingJSON: path)
        XCTAssertEqual(
            strict.videos[0].instances.map(\.segment), [Segment(start: 0, end: 10), Segment(start: 50, end: 60), Segment(start: 20, end: 30)])
        XCTAssertEqual(
            strict.notes,
            [
                "video 'v': the segment [-0.5, 10] of class 'r' was cut to the video of 60 s",
                "video 'v': the segment [50, 60.85] of class 'r' was cut to the video of 60 s",
            ])
        let far = try file(
            annotated(
                """
                {"label": "r", "segment": [50, 70]}, {"label": "r", "segment": [70, 80]}, {"label": "r", "segment": [5, 5]}
                """))
        let lenient = try AnnotationSet(readingJSON: far, segments: .lenient)
        XCTAssertEqual(lenient.videos[0].instances.map(\.segment), [Segment(start: 50, end: 60)])
        XCTAssertEqual(
            lenient.notes,
            [
                "segments left out: 2 of 3; cut to their videos: 1",
                "video 'v': the segment [50, 70] of class 'r' was cut to the video of 60 s",
                "video 'v': the segment [70, 80] of class 'r' was left out: it lies outside the video of 60 s",
                "video 'v': the segment [5, 5] of class 'r' was left out: it has no length",
            ])
        let written = try AnnotationSet(readingJSON: far, segments: .asWritten)
        XCTAssertEqual(
            written.videos[0].instances.map(\.segment), [Segment(start: 50, end: 70), Segment(start: 70, end: 80), Segment(start: 5, end: 5)])
        XCTAssertEqual(written.notes, [])
    }

    func testSubsetsAreFoundByName() throws {
        let set = try AnnotationSet(readingJSON: try file(annotated("")))
        XCTAssertEqual(try set.subset(named: "Test"), "Test")
        XCTAssertEqual(try set.subset(named: "test"), "Test")
        XCTAssertThrowsError(try set.subset(named: "Tset")) {
            XCTAssertEqual(
                ($0 as? Failure)?.description,
                """
                error: the annotations hold no video of subset 'Tset'; they hold 'Test'
                  do: did you mean 'Test'?
                """)
            XCTAssertEqual(($0 as? Failure)?.exitCode, 2)
        }
    }

    func testGoldenSBHARAnnotations() throws {
        let set = try AnnotationSet(readingJSON: try Fixtures.file("sbhar_annotations.json"))
        XCTAssertEqual(set.videos.count, 61)
        XCTAssertEqual(set.videos(in: "Test").count, 19)
        XCTAssertEqual(set.videos.reduce(0) { $0 + $1.instances.count }, 1214)
        XCTAssertEqual(set.classes.count, 12)
        XCTAssertEqual(Array(set.classes.names.prefix(2)), ["WALKING", "WALKING_UPSTAIRS"])
        XCTAssertEqual(set.notes, [])
    }

    // MARK: Refusals, word for word

    private func refuses(_ text: String, _ expected: String, classes: ClassMap? = nil, line: UInt = #line) throws {
        let path = try file(text)
        XCTAssertThrowsError(try AnnotationSet(readingJSON: path, classes: classes), line: line) {
            XCTAssertEqual(($0 as? Failure)?.description.replacingOccurrences(of: path, with: "a.json"), expected, line: line)
            XCTAssertEqual(($0 as? Failure)?.exitCode, 3, line: line)
        }
    }

    func testMissingFile() throws {
        XCTAssertThrowsError(try AnnotationSet(readingJSON: "/nowhere/a.json")) {
            XCTAssertEqual(
                ($0 as? Failure)?.description,
                "error: there is no such file\n  where: file '/nowhere/a.json'\n  do: check the path and the permissions")
        }
        XCTAssertThrowsError(try AnnotationSet(readingJSON: "/")) {
            XCTAssertEqual(
                ($0 as? Failure)?.description,
                "error: it is a folder, not a JSON file\n  where: file '/'\n  do: check the path and the permissions")
        }
    }

    /// Line and column, and the member or the video in which the fault stands.
    func testNotJSON() throws {
        func refuses(_ text: String, _ what: String, _ place: String, line: UInt = #line) throws {
            try self.refuses(
                text,
                "error: the file is not JSON: \(what)\n  where: file 'a.json', \(place)\n"
                    + "  do: check that the path is right and that the file was copied whole", line: line)
        }
        try refuses("", "it is empty", "line 1, column 1")
        try refuses("\u{89}HDF", "a value is missing", "line 1, column 1")
        try refuses("{\"database\":\n {\"v\":", "it ends early", "line 2, column 7, video 'v'")
        try refuses("{\"database\": {}}}", "something follows after its end", "line 1, column 17")
        try refuses("{\"a\": 1 \"b\"}", "a ',' or '}' is missing", "line 1, column 9, key 'a'")
        try refuses("[truth]", "'truth' is no JSON value", "line 1, column 2")
        try refuses(String(repeating: "[", count: 100_000), "more than 100 levels of nesting", "line 1, column 101")
        // A byte order mark is no column, and a character is one whatever its bytes.
        try refuses("\u{FEFF}{\"é\": tru}", "'tru' is no JSON value", "line 1, column 7, key 'é'")
        let head = "{\"version\": \"1\", \"database\": {\"q0\": {\"duration\": 9, \"annotations\": [{\"label\": \"run\", \"segment\": [1, 2]}]}, "
        let column = head.count + 1
        try refuses(head + "}}", "a name in quotation marks is missing", "line 1, column \(column), video 'q0'")
        try refuses(head + "\"q1\": {\"duration\": 9,}}}", "a name in quotation marks is missing", "line 1, column \(column + 21), video 'q1'")
        try refuses(
            head + "\"q1\": {\"annotations\": [{\"segment\": [1, 2.5.1]}]}}}", "'2.5.1' is no JSON value",
            "line 1, column \(column + 39), video 'q1'")
        try refuses(head + "\"q1\": {} \"q2\": {}}}", "a ',' or '}' is missing", "line 1, column \(column + 9), video 'q1'")
        try refuses(head + "\"q1\": {\"subset\": \"Te", "it ends inside a string", "line 1, column \(column + 20), video 'q1'")
    }

    func testNotActivityNets() throws {
        let form = "the form is {\"database\": {VIDEO: {\"subset\", \"duration\", \"annotations\": [{\"label\", \"segment\"}]}}}"
        try refuses(
            "[1]", "error: the file is JSON, but not ActivityNet's: its root is a list, not an object\n  where: file 'a.json'\n  do: \(form)")
        try refuses(
            "{\"images\": [], \"categories\": []}",
            """
            error: the file is JSON, but not ActivityNet's: it has no key 'database'; its keys are 'images', 'categories'
              where: file 'a.json'
              do: \(form)
            """)
        try refuses(
            "{\"results\": {}}",
            """
            error: the file is JSON, but not ActivityNet's: it has no key 'database'; its keys are 'results'
              where: file 'a.json'
              do: this looks like a file of detections; give the annotation file here
            """)
        try refuses(
            "{\"database\": []}", "error: 'database' is a list, not an object of videos\n  where: file 'a.json', line 1, column 14\n  do: \(form)")
        try refuses(
            videos("\"v\": 3"), "error: the video's entry is a number, not an object\n  where: file 'a.json', line 2, video 'v'\n  do: \(form)")
    }

    /// Where all stands on one line, the line alone says nothing.
    func testColumnsInAFileOfOneLine() throws {
        let first = "{\"database\": {\"é\": {\"subset\": \"Test\", \"duration\": 60, \"annotations\": []}, "
        try refuses(
            first + "\"w\": {\"subset\": \"Test\", \"duration\": \"9\", \"annotations\": []}}}",
            "error: 'duration' of the video is a string (\"9\"), not a number\n"
                + "  where: file 'a.json', line 1, column \(first.count + 37), video 'w'\n  do: add the duration in seconds, as a number")
        try refuses(
            first + "\"w\": {\"subset\": \"Test\", \"duration\": 9,\n\"annotations\": 3}}}",
            "error: 'annotations' is a number (3), not a list\n  where: file 'a.json', line 2, video 'w'\n  do: the form is {\"database\": {VIDEO: {\"subset\", \"duration\", \"annotations\": [{\"label\", \"segment\"}]}}}"
        )
    }

    func testDuplicates() throws {
        try refuses(
            videos("\"v\": {},\n\"w\": {},\n\"v\": {}"),
            "error: the video stands twice in the file\n  where: file 'a.json', line 4, video 'v'\n  do: keep one of the two entries")
        try refuses(
            videos("\"v\": {\"subset\": \"a\", \"subset\": \"b\"}"),
            "error: the key 'subset' stands twice in the video's entry\n  where: file 'a.json', line 2, video 'v'\n  do: keep one of the two")
    }

    func testWrongVideos() throws {
        let place = "where: file 'a.json', line 2, video 'v'"
        try refuses(
            videos("\"v\": {\"duration\": 3}"),
            "error: the video has no 'subset'\n  \(place)\n  do: add the subset's name, such as \"Validation\" or \"Test\"")
        try refuses(
            videos("\"v\": {\"subset\": \"Test\"}"), "error: the video has no 'duration'\n  \(place)\n  do: add the duration in seconds, as a number")
        for (number, text) in [("NaN", "NaN"), ("-3", "-3"), ("0", "0"), ("Infinity", "inf")] {
            try refuses(
                videos("\"v\": {\"subset\": \"Test\", \"duration\": \(number)}"),
                "error: the duration is \(text), not a positive number of seconds\n  \(place)\n  do: correct the duration")
        }
        try refuses(
            videos("\"v\": {\"subset\": \"Test\", \"duration\": 3, \"fps\": 0}"),
            "error: the fps are 0, not a positive number\n  \(place)\n  do: correct the frames per second or leave the key out")
        try refuses(
            videos("\"v\": {\"subset\": \"Test\", \"duration\": 1e300}"),
            "error: the duration is 1e+300 s, more than 10000000\n  \(place)\n  do: correct the duration; it is in seconds")
        try refuses(
            videos("\"v\": {\"subset\": \"Test\", \"duration\": 3, \"fps\": 1e30}"),
            "error: the fps are 1e+30, more than 1000000\n  \(place)\n  do: correct the frames per second or leave the key out")
    }

    func testWrongSegments() throws {
        let place = "where: file 'a.json', line 2, video 'v'"
        func one(_ segment: String) -> String { annotated("{\"label\": \"run\", \"segment\": \(segment)}") }
        try refuses(
            one("[9.5, 3]"),
            "error: the segment [9.5, 3] of class 'run' is reversed\n  \(place)\n  do: write the segment as [start, end] in seconds")
        try refuses(one("[3, 3]"), "error: the segment [3, 3] of class 'run' has no length\n  \(place)\n  do: correct or remove the annotation")
        try refuses(one("[NaN, 3]"), "error: the segment [NaN, 3] of class 'run' is not finite\n  \(place)\n  do: correct the segment")
        for segment in ["[50, 61.5]", "[60, 60.5]", "[1500, 1800]", "[-1.5, 3]"] {
            try refuses(
                one(segment),
                """
                error: the segment \(segment) of class 'run' lies outside the video of 60 s
                  \(place)
                  do: check that the segment is in seconds and that the duration is right
                """)
        }
        for (segment, fault) in [
            ("[1]", "is a list of 1, not of two numbers"), ("{}", "is an object, not a list of two numbers"),
            ("[1, 2, 3]", "is a list of 3, not of two numbers"), ("null", "is null, not a list of two numbers"),
            ("\"1-2\"", "is a string (\"1-2\"), not a list of two numbers"),
        ] {
            try refuses(
                one(segment), "error: 'segment' of an annotation \(fault)\n  \(place)\n  do: write the segment as [start, end] in seconds")
        }
        try refuses(
            one("[1, \"2\"]"),
            "error: number 2 in 'segment' of an annotation is a string (\"2\"), not a number\n  \(place)\n"
                + "  do: write the segment as [start, end] in seconds")
    }

    func testWrongClasses() throws {
        let place = "where: file 'a.json', line 2, video 'v'"
        try refuses(
            annotated("{\"label\": \"runing\", \"segment\": [1, 2]}"),
            "error: class 'runing' is unknown; did you mean 'running'?\n  \(place)\n  do: use one of the 2 known classes",
            classes: ClassMap(names: ["jump", "running"]))
        try refuses(
            annotated("{\"segment\": [1, 2]}"), "error: an annotation has no 'label'\n  \(place)\n  do: add the class's name as a string")
        try refuses(
            annotated("{\"label\": \"a\", \"label_id\": 0, \"segment\": [1, 2]}, {\"label\": \"b\", \"label_id\": 0, \"segment\": [1, 2]}"),
            """
            error: label_id 0 means 'b' here and 'a' earlier
              \(place)
              do: give every class one label_id, or leave label_id out everywhere
            """)
        try refuses(
            annotated("{\"label\": \"a\", \"label_id\": 0, \"segment\": [1, 2]}, {\"label\": \"a\", \"label_id\": 1, \"segment\": [1, 2]}"),
            """
            error: class 'a' has label_id 1 here and 0 earlier
              \(place)
              do: give every class one label_id, or leave label_id out everywhere
            """)
    }

    func testWhatIsNotAFile() {
        let path = NSTemporaryDirectory() + "kairos-pipe-\(UUID().uuidString)"
        XCTAssertEqual(mkfifo(path, 0o666), 0)
        defer { unlink(path) }
        for (path, what) in [(path, "a pipe"), ("/dev/zero", "a device")] {
            let expected = "error: this is \(what), not a file\n  where: file '\(path)'\n  do: give the path of a file"
            XCTAssertThrowsError(try AnnotationSet(readingJSON: path)) { XCTAssertEqual("\($0)", expected) }
            XCTAssertThrowsError(try DetectionFile.read(path, classes: ClassMap(names: ["a"]))) { XCTAssertEqual("\($0)", expected) }
        }
    }
}
