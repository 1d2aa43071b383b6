import Diagnostics
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

final class EPICAnnotationsTests: FolderTestCase {
    private static let head =
        "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,narration,verb,verb_class,"
        + "noun,noun_class,all_nouns,all_noun_classes\n"

    private func read(_ text: String, _ name: String = "e.csv") throws -> EPICAnnotations {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
        return try EPICAnnotations(readingCSV: path(name))
    }

    private func row(_ video: String, _ start: String, _ stop: String, _ verb: String, _ noun: String) -> String {
        "P01_01_0,P01,\(video),00:00:00.560,\(start),\(stop),8,202,\"open, then \"\"close\"\"\ndoor\",open,\(verb),door,\(noun),\"['door', 'cup']\",\"[3, 1]\"\r\n"
    }

    func testSegmentsAndClasses() throws {
        let annotations = try read(
            "\u{FEFF}" + Self.head + row("P01_01", "00:00:00.14", "00:00:03.37", "3", "12") + "\n"
                + row("P01_02", "01:02:03.5", "01:02:04", "11", "2"))
        XCTAssertEqual(
            annotations.instances,
            [
                .init(video: "P01_01", segment: Segment(start: 0.14, end: 3.37), verb: 3, noun: 12),
                .init(video: "P01_02", segment: Segment(start: 3723.5, end: 3724), verb: 11, noun: 2),
            ])
        let other = try read(Self.head + row("P02_01", "00:00:01", "00:00:02", "3", "2"), "o.csv")
        for (task, classes) in [
            (EPICAnnotations.Task.verb, ["3", "11"]), (.noun, ["2", "12"]), (.action, ["3,2", "3,12", "11,2"]),
        ] {
            let set = try EPICAnnotations.annotationSet(
                [("training", annotations), ("validation", other)], task: task, videos: ["P01_01": (100, 50)])
            XCTAssertEqual(set.classes.names, classes)
            XCTAssertEqual(set.videos.map(\.id), ["P01_01", "P01_02", "P02_01"])
            XCTAssertEqual(set.videos.map(\.subset), ["training", "training", "validation"])
            XCTAssertEqual(set.videos.map(\.duration), [100, 3724, 2])
            XCTAssertEqual(set.videos.map(\.fps), [50, nil, nil])
            XCTAssertEqual(set.videos[1].instances.map { classes[$0.label] }, [task == .verb ? "11" : task == .noun ? "2" : "11,2"])
        }
        assertFailure(
            """
            error: the video is in two files
              where: file 'FOLDER/e.csv', video 'P01_01'
              do: give each file once
            """
        ) { try EPICAnnotations.annotationSet([("a", annotations), ("b", annotations)], task: .verb) }
    }

    func testRefusals() throws {
        let cases: [(text: String, message: String)] = [
            ("", "error: the file is empty\n  where: file 'FOLDER/e.csv'\n  do: check the path"),
            (
                "a,b\n1,2\n",
                "error: the file has no column 'video_id'; its columns are 'a', 'b'\n  where: file 'FOLDER/e.csv'\n  do: check that it is the right file"
            ),
            (
                Self.head + "1,2\n",
                "error: the row has 2 fields, the first line names 15\n  where: file 'FOLDER/e.csv', line 2\n  do: copy the file again from its source"
            ),
            (
                Self.head + "1,\"2\n",
                "error: a quotation mark of this row is not closed\n  where: file 'FOLDER/e.csv', line 2\n  do: copy the file again from its source"
            ),
            (
                Self.head + row("v", "0:1", "00:00:03", "3", "12"),
                "error: '0:1' in column 'start_timestamp' is no time\n  where: file 'FOLDER/e.csv', line 2\n"
                    + "  do: use the published CSV file; its times are HOURS:MINUTES:SECONDS"
            ),
            (
                Self.head + row("v", "00:00:01", "00:00:nan", "3", "12"),
                "error: '00:00:nan' in column 'stop_timestamp' is no time\n  where: file 'FOLDER/e.csv', line 2\n"
                    + "  do: use the published CSV file; its times are HOURS:MINUTES:SECONDS"
            ),
            (
                Self.head + row("v", "00:00:01", "00:00:03", "3", "12") + row("v", "00:00:01", "00:00:03", "three", "12"),
                "error: 'three' in column 'verb_class' is no class number\n  where: file 'FOLDER/e.csv', line 4\n"
                    + "  do: use the published CSV file; its times are HOURS:MINUTES:SECONDS"
            ),
            (
                Self.head + row("v", "00:00:04", "00:00:03", "3", "12"),
                "error: the segment ends at 3.0 s, before it begins at 4.0 s\n  where: file 'FOLDER/e.csv', line 2\n"
                    + "  do: use the published CSV file; its times are HOURS:MINUTES:SECONDS"
            ),
        ]
        for (text, message) in cases { assertFailure(message) { try read(text) } }
    }

    func testDetections() throws {
        func write(_ entry: String) throws -> EPICDetections {
            try Data("{\"results\": {\"P01_01\": [\(entry)]}}".utf8).write(to: URL(fileURLWithPath: path("d.json")))
            return try EPICDetections(readingJSON: path("d.json"))
        }
        let found = try write("{\"verb\": 3, \"noun\": \"12\", \"action\": \"4,5\", \"score\": 0.5, \"segment\": [1, 2]}")
        let classes = ClassMap(names: ["1", "3", "12", "4,5"])
        XCTAssertEqual(found.detections(.verb, classes: classes).map(\.label), [1])
        XCTAssertEqual(found.detections(.noun, classes: classes).map(\.label), [2])
        XCTAssertEqual(found.detections(.action, classes: classes).map(\.label), [3])
        XCTAssertEqual(found.detections(.action, classes: ClassMap(names: ["4"])), [])
        let form = "the form is {\"verb\": 3, \"noun\": 12, \"action\": \"3,12\", \"score\": 0.5, \"segment\": [start, end]}"
        for (entry, what) in [
            ("{\"verb\": 3.5, \"noun\": 12, \"action\": \"4,5\", \"score\": 0.5, \"segment\": [1, 2]}", "'verb' is no class number"),
            ("{\"verb\": 3, \"action\": \"4,5\", \"score\": 0.5, \"segment\": [1, 2]}", "'noun' is no class number"),
            ("{\"verb\": 3, \"noun\": 1, \"action\": \"4\", \"score\": 0.5, \"segment\": [1, 2]}", "'action' is not \"VERB,NOUN\""),
            ("{\"verb\": 3, \"noun\": 1, \"action\": \"4,5\", \"score\": NaN, \"segment\": [1, 2]}", "'score' is no number"),
        ] {
            assertFailure("error: \(what)\n  where: file 'FOLDER/d.json', line 1, column 25, video 'P01_01'\n  do: \(form)") { try write(entry) }
        }
    }

    func testBlockedVideos() throws {
        func read(_ text: String) throws -> Set<VideoID> {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path("b.json")))
            return try BlockedVideos.read(path("b.json"))
        }
        XCTAssertEqual(try read("[]"), [])
        XCTAssertEqual(try read("[\"a\", \"it's \\\"b\\\"\", \"a\"]"), ["a", "it's \"b\""])
        assertFailure(
            "error: the file is an object, not a list of videos\n  where: file 'FOLDER/b.json'\n  do: the form is [\"VIDEO\", ...]"
        ) { try read("{}") }
    }

    func testOneClass() {
        let video = VideoAnnotation(
            id: "v", subset: "s", duration: 9, fps: nil,
            instances: [.init(segment: Segment(start: 1, end: 2), label: 4), .init(segment: Segment(start: 3, end: 4), label: 2)])
        let weak = VideoAnnotation(id: "w", subset: "s", duration: 9, fps: nil, instances: [], weakLabels: [1, 3])
        let set = AnnotationSet(version: "", classes: ClassMap(names: ["a", "b", "c", "d", "e"]), videos: [video, weak]).withOneClass
        XCTAssertEqual(set.classes.names, ["action"])
        XCTAssertEqual(set.videos[0].instances.map(\.label), [0, 0])
        XCTAssertEqual(set.videos[0].instances.map(\.segment.start), [1, 3])
        XCTAssertEqual(set.videos[1].weakLabels, [0])
    }
}
