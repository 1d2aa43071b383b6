import Diagnostics
import Foundation
import TemporalAnnotations
import XCTest

/// Annotations that could be read as something else than was meant: refused, or read with a counted warning.
final class AnnotationFaultTests: XCTestCase {
    private var path = ""

    override func setUp() { path = FileManager.default.temporaryDirectory.appendingPathComponent("kairos-\(UUID().uuidString).json").path }
    override func tearDown() { try? FileManager.default.removeItem(atPath: path) }

    private func read(_ text: String, classes: ClassMap? = nil, segments: AnnotationSet.SegmentPolicy = .asWritten) throws -> AnnotationSet {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return try AnnotationSet(readingJSON: path, classes: classes, segments: segments)
    }

    /// One video of 60 s per list of annotations: v0, v1, ...
    private func database(_ lists: [String]) -> String {
        let videos = lists.enumerated().map { "\"v\($0)\": {\"subset\": \"Test\", \"duration\": 60, \"annotations\": [\($1)]}" }
        return "{\"database\": {\n\(videos.joined(separator: ",\n"))}}"
    }

    private func annotation(_ label: String, _ id: String? = nil) -> String {
        "{\"label\": \"\(label)\", \(id.map { "\"label_id\": \($0), " } ?? "")\"segment\": [1, 2]}"
    }

    private func refuses(
        _ text: String, _ what: String, _ place: String, _ advice: String, segments: AnnotationSet.SegmentPolicy = .asWritten, line: UInt = #line
    ) {
        XCTAssertThrowsError(try read(text, segments: segments), line: line) {
            XCTAssertEqual(
                ($0 as? Failure)?.description.replacingOccurrences(of: path, with: "a.json"),
                "error: \(what)\n  where: file 'a.json'\(place.isEmpty ? "" : ", ")\(place)\n  do: \(advice)", line: line)
            XCTAssertEqual(($0 as? Failure)?.exitCode, 3, line: line)
        }
    }

    // MARK: Class order

    func testAnIdThatIsMissingIsTakenFromTheOtherAnnotationsOfItsClass() throws {
        for missing in [nil, "null"] {
            let set = try read(database([annotation("jump", "1"), annotation("run", missing) + ", " + annotation("run", "0")]))
            XCTAssertEqual(set.classes.names, ["run", "jump"])
            XCTAssertEqual(
                set.notes, ["1 of 3 annotations have no 'label_id', the first in video 'v1': it is taken from the other annotations of their classes"]
            )
        }
    }

    func testIdsThatDoNotOrderAllClasses() {
        let advice = "give every class one label_id, or leave label_id out everywhere: the classes are in alphabetical order then"
        refuses(
            database([annotation("jump", "9"), annotation("run") + ", " + annotation("walk")]),
            "2 of 3 annotations have no 'label_id'; 2 classes never have one: 'run', 'walk'", "line 3, video 'v1'", advice)
        refuses(
            database([annotation("jump", "9"), annotation("run") + ", " + annotation("jump")]),
            "2 of 3 annotations have no 'label_id'; 1 class never has one: 'run'", "line 3, video 'v1'", advice)
        for (id, found) in [
            ("\"0\"", "a string (\"0\")"), ("0.5", "a number (0.5)"), ("true", "true"), ("[1]", "a list"), ("1e300", "a number (1e+300)"),
        ] {
            refuses(
                database([annotation("jump", "1"), annotation("run", id)]),
                "1 of 2 annotations have a 'label_id' that is no whole number; the first is \(found)", "line 3, video 'v1'", advice)
        }
        refuses(
            database([annotation("jump", "\"1\""), annotation("run", "\"0\"")]),
            "2 of 2 annotations have a 'label_id' that is no whole number; the first is a string (\"1\")", "line 2, video 'v0'", advice)
    }

    func testIdsUnderAnotherName() throws {
        for name in ["labelId", "Label_ID", "label-id", "lable_id"] {
            refuses(
                database([annotation("run", "0").replacingOccurrences(of: "label_id", with: name)]),
                "1 of 1 annotations have no 'label_id'; is '\(name)' meant?", "line 2, video 'v0'",
                "name it label_id, or leave it out: the classes are in alphabetical order then")
        }
        let other = try read(
            database([annotation("run", "0") + ", " + annotation("jump", "1")]).replacingOccurrences(of: "label_id", with: "class_id"))
        XCTAssertEqual(other.classes.names, ["jump", "run"])
        XCTAssertEqual(other.notes, ["the classes are in alphabetical order: the annotations have no 'label_id', and 'class_id' is not read"])
    }

    func testNamesThatDifferInSpellingAlone() throws {
        let set = try read(database([annotation("long jump") + ", " + annotation("Long_Jump") + ", " + annotation("run")]))
        XCTAssertEqual(set.classes.count, 3)
        XCTAssertEqual(
            set.notes, ["the classes 'Long_Jump', 'long jump' differ in case, spaces, underscores or hyphens alone, and count as 2 classes"])
        let subsets = try read(
            """
            {"database": {"a": {"subset": "test", "duration": 1, "annotations": []}, "b": {"subset": "train", "duration": 1, "annotations": []},
            "c": {"subset": "Test", "duration": 1, "annotations": []}}}
            """)
        XCTAssertEqual(subsets.subsetsAlike, [["test", "Test"]])
        XCTAssertEqual(
            subsets.notes, ["the subsets 'test', 'Test' differ in case, spaces, underscores or hyphens alone, and count as different"])
    }

    // MARK: Types

    func testValuesOfAnotherType() throws {
        let video = "line 2, video 'v'"
        func one(_ members: String) -> String { "{\"database\":\n{\"v\": {\(members)}}}" }
        let subset = "add the subset's name, such as \"Validation\" or \"Test\"", duration = "add the duration in seconds, as a number"
        refuses(one("\"subset\": 1, \"duration\": 3"), "'subset' of the video is a number (1), not a string", video, subset)
        refuses(one("\"subset\": \"\", \"duration\": 3"), "'subset' of the video is empty", video, subset)
        refuses(one("\"subset\": [\"a\"], \"duration\": 3"), "'subset' of the video is a list, not a string", video, subset)
        refuses(one("\"split\": \"Test\", \"duration\": 3"), "the video has no 'subset'; is 'split' meant?", video, subset)
        refuses(one("\"subset\": \"a\", \"duration\": \"20.0\""), "'duration' of the video is a string (\"20.0\"), not a number", video, duration)
        refuses(one("\"subset\": \"a\", \"duration\": null"), "'duration' of the video is null, not a number", video, duration)
        refuses(
            one("\"subset\": \"a\", \"duration_frame\": 9, \"duration_second\": 3"), "the video has no 'duration'; is 'duration_second' meant?",
            video,
            duration)
        refuses(
            one("\"subset\": \"a\", \"duration\": 3, \"fps\": \"30\""), "'fps' of the video is a string (\"30\"), not a number", video,
            "correct the frames per second or leave the key out")
        refuses(
            database(["{\"label\": 0, \"segment\": [1, 2]}"]), "'label' of an annotation is a number (0), not a string", "line 2, video 'v0'",
            "add the class's name as a string")
        refuses(
            database(["{\"label\": \"\", \"segment\": [1, 2]}"]), "'label' of an annotation is empty", "line 2, video 'v0'",
            "add the class's name as a string")
        refuses(
            database(["{\"class\": \"run\", \"segment\": [1, 2]}"]), "an annotation has no 'label'; is 'class' meant?", "line 2, video 'v0'",
            "add the class's name as a string")
        refuses(
            database(["{\"label\": \"run\", \"label\": \"jump\", \"segment\": [1, 2]}"]), "the key 'label' stands twice in an annotation",
            "line 2, video 'v0'", "keep one of the two")
        refuses("{\"database\": {},\n\"database\": {}}", "the key 'database' stands twice in the file", "line 2", "keep one of the two")
        let numbered = try read("{\"version\": 1.3, \"database\": {}}")
        XCTAssertEqual(numbered.version, "1.3")
        XCTAssertEqual(numbered.notes, ["'version' is a number (1.3), not a string; it is kept as \"1.3\""])
        XCTAssertEqual(try read("{\"version\": [], \"database\": {}}").notes, ["'version' is a list, not a string; it is passed over"])
    }

    // MARK: The key 'annotations'

    /// Three videos of the subset Train, one of Test, with these members beside subset and duration.
    private func videos(_ members: [String]) -> String {
        let entries = members.enumerated().map { index, more in
            "\"v\(index)\": {\"subset\": \"\(index < 3 ? "Train" : "Test")\", \"duration\": 60\(more.isEmpty ? "" : ", ")\(more)}"
        }
        return "{\"database\": {\n\(entries.joined(separator: ",\n"))}}"
    }

    func testAnnotationsUnderAnotherName() {
        let list = "[{\"label\": \"run\", \"segment\": [1, 2]}]", right = "\"annotations\": \(list)"
        let advice =
            "name them annotations; for a video without actions add \"annotations\": [], "
            + "and for classes without segments \"labels\": [CLASS, ...]"
        for name in ["actions", "annotation", "Annotations", "anotations", "segments", "what_happens"] {
            refuses(
                videos([right, "\"\(name)\": \(list)", right, ""]), "the video has no 'annotations'; is '\(name)' meant?", "line 3, video 'v1'",
                advice)
        }
        // In a test subset as well.
        refuses(
            videos([right, right, right, "\"actions\": []"]), "the video has no 'annotations'; is 'actions' meant?", "line 5, video 'v3'", advice)
        refuses(videos([right, "\"label\": \"run\""]), "the video has no 'annotations'; is 'label' meant?", "line 3, video 'v1'", advice)
    }

    func testVideosWithoutAnnotations() throws {
        let right = "\"annotations\": [{\"label\": \"run\", \"segment\": [1, 2]}]"
        refuses(
            videos([right, "", "\"url\": \"u\"", ""]), "2 of 3 videos of subset 'Train' have no 'annotations', the first is 'v1'",
            "line 3, video 'v1'", "add the annotations, or \"annotations\": [] for a video without actions")
        let hidden = try read(videos([right, "\"annotations\": []", right, "\"fps\": 30"]))
        XCTAssertEqual(hidden.videos.map(\.instances.count), [1, 0, 1, 0])
        XCTAssertEqual(hidden.notes, ["1 video of subset 'Test' without 'annotations': taken as without any action"])
        XCTAssertEqual(try read(videos([right, right, right, "\"annotations\": []"])).notes, [])
    }

    // MARK: Weak labels

    func testWeakLabels() throws {
        let note = "3 of 4 videos have weak labels only (classes without segments), the first is 'v0': the method fustal alone learns from them"
        let set = try read(
            videos([
                "\"annotations\": [{\"label\": \"run\", \"label_id\": 0}, {\"label\": \"jump\", \"label_id\": 1}, {\"label\": \"run\", \"label_id\": 0}]",
                "\"labels\": [\"jump\"], \"annotations\": []", "\"labels\": [\"jump\", \"run\", \"jump\"]",
                "\"annotations\": [{\"label\": \"run\", \"label_id\": 0, \"segment\": [1, 2]}]",
            ]))
        XCTAssertEqual(set.classes.names, ["run", "jump"])
        XCTAssertEqual(set.videos.map(\.weakLabels), [[0, 1], [1], [0, 1], []])
        XCTAssertEqual(set.videos.map(\.isWeaklyLabelled), [true, true, true, false])
        XCTAssertEqual(set.videos.map(\.knownClasses), [[0, 1], [1], [0, 1], [0]])
        XCTAssertEqual(set.videos.map(\.instances.count), [0, 0, 0, 1])
        XCTAssertEqual(set.notes, [note])
        // What is written reads back the same.
        try set.write(to: path)
        let back = try AnnotationSet(readingJSON: path)
        XCTAssertEqual(back.videos, set.videos)
        XCTAssertEqual(back.classes, set.classes)
        // Names alone are in alphabetical order.
        XCTAssertEqual(try read(videos(["\"labels\": [\"run\", \"jump\"]"])).classes.names, ["jump", "run"])
        // Beside annotations the key is one of those that are passed over.
        let full = try read(videos(["\"labels\": [7], \"annotations\": [{\"label\": \"run\", \"segment\": [1, 2]}]"]))
        XCTAssertEqual(full.videos[0].weakLabels, [])
        XCTAssertEqual(full.notes, [])
    }

    func testWhatIsNoWeakLabel() {
        let advice = "write the segment as [start, end] in seconds"
        refuses(
            database(["{\"label\": \"run\", \"segment\": [1, 2]}, {\"label\": \"jump\"}, {\"label\": \"run\", \"segment\": [3, 4]}"]),
            "1 of 3 annotations of the video have no 'segment'; the first is of class 'jump'", "line 2, video 'v0'",
            advice + "; a video with weak labels (classes without segments) has no segment at all")
        for name in ["Segment", "segments", "timestamps", "segment(frames)", "start", "t_end", "frames"] {
            refuses(
                database(["{\"label\": \"run\", \"\(name)\": [1, 2]}"]), "an annotation has no 'segment'; is '\(name)' meant?", "line 2, video 'v0'",
                advice)
        }
        let labels = "write the classes that occur in the video as \"labels\": [CLASS, ...], or its actions as \"annotations\""
        refuses(videos(["\"labels\": \"run\""]), "'labels' of the video is a string (\"run\"), not a list", "line 2, video 'v0'", labels)
        refuses(
            videos(["\"labels\": [\"run\", 3]"]), "one of the video's 'labels' is a number (3), not a string", "line 2, video 'v0'", labels)
        refuses(
            videos(["\"labels\": [{\"label\": \"run\"}]"]), "one of the video's 'labels' is an object, not a string", "line 2, video 'v0'", labels)
        refuses(
            database(["\"run\""]), "an annotation is a string (\"run\"), not an object", "line 2, video 'v0'",
            "name classes without segments by \"labels\": [CLASS, ...]")
        refuses(
            videos(["\"labels\": [\"jump\"]", "\"annotations\": [{\"label\": \"run\", \"label_id\": 3, \"segment\": [1, 2]}]"]),
            "1 class never has one: 'jump'", "",
            "give every class one label_id, or leave label_id out everywhere: the classes are in alphabetical order then")
    }
}
