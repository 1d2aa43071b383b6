import Diagnostics
import Foundation
import TemporalAnnotations
import XCTest

final class DetectionFileTests: XCTestCase {
    private let classes = ClassMap(names: ["jump", "run"])
    private var path = ""

    override func setUp() {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("kairos-\(UUID().uuidString).json").path
    }

    override func tearDown() {
        try? FileManager.default.removeItem(atPath: path)
    }

    func testWritingReadsBackTheSame() throws {
        let first = [
            Detection(video: "b", segment: Segment(start: 0.1 + 0.2, end: 5), label: 1, score: Double(Float(0.7))),
            Detection(video: "b", segment: Segment(start: 1e-7, end: 5e20), label: 0, score: 1e-9),
        ]
        try DetectionFile.write([("b", first), ("a", [])], classes: classes, to: path)
        XCTAssertEqual(try DetectionFile.read(path, classes: classes, videos: ["a", "b"]), first)
        let object = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any])
        XCTAssertEqual(object.keys.sorted(), ["external_data", "results", "version"])
    }

    func testNumbersThatJSONLacksAreNotWritten() {
        let detection = Detection(video: "b", segment: Segment(start: 0, end: .nan), label: 1, score: 1)
        XCTAssertThrowsError(try DetectionFile.write([("b", [detection])], classes: classes, to: path)) {
            XCTAssertEqual(
                ($0 as? Failure)?.description,
                """
                error: the number NaN cannot be written to JSON
                  where: video 'b'
                  do: check what computed it: only finite numbers are expected
                """)
        }
        XCTAssertFalse(FileManager.default.fileExists(atPath: path))
    }

    private func refuses(_ text: String, _ expected: String, line: UInt = #line) throws {
        try Data("\n\(text)".utf8).write(to: URL(fileURLWithPath: path))
        XCTAssertThrowsError(try DetectionFile.read(path, classes: classes, videos: ["a", "b"]), line: line) {
            XCTAssertEqual(($0 as? Failure)?.description.replacingOccurrences(of: path, with: "p.json"), expected, line: line)
            XCTAssertEqual(($0 as? Failure)?.exitCode, 3, line: line)
        }
    }

    func testRefusals() throws {
        let form = "the form is {\"results\": {VIDEO: [{\"label\", \"segment\": [start, end], \"score\"}]}}"
        let place = "where: file 'p.json', line 2, video 'a'"
        func one(_ detection: String) -> String { "{\"results\": {\"a\": [\(detection)]}}" }
        try refuses(
            "{\"database\": {}}",
            """
            error: the file is JSON, but not ActivityNet's results: it has no key 'results'
              where: file 'p.json'
              do: this looks like a file of annotations; give the file of detections here
            """)
        try refuses(
            "3", "error: the file is JSON, but not ActivityNet's results: its root is a number, not an object\n  where: file 'p.json'\n  do: \(form)")
        try refuses("{\"results\": 1}", "error: 'results' is a number, not an object of videos\n  where: file 'p.json', line 2\n  do: \(form)")
        try refuses(
            "{\"results\": {\"a\": [], \"a\": []}}",
            "error: the video stands twice in the file\n  \(place)\n  do: keep one of the two entries")
        try refuses(
            "{\"results\": {\"stranger\": []}}",
            """
            error: the annotations do not know the video
              where: file 'p.json', line 2, video 'stranger'
              do: check that detections and annotations belong to the same data set
            """)
        try refuses("{\"results\": {\"a\": {}}}", "error: the video's detections are an object, not a list\n  \(place)\n  do: \(form)")
        try refuses(one("{}"), "error: a detection has no 'label'\n  \(place)\n  do: add the class's name as a string")
        try refuses(
            one("{\"label\": \"rum\", \"segment\": [1, 2], \"score\": 1}"),
            "error: class 'rum' is unknown; did you mean 'run'?\n  \(place)\n  do: use one of the 2 classes of the annotations")
        try refuses(
            one("{\"label\": \"run\", \"segment\": [1], \"score\": 1}"),
            "error: 'segment' of a detection is a list of 1, not of two numbers\n  \(place)\n  do: write the segment as [start, end] in seconds")
        try refuses(
            one("{\"label\": \"run\", \"segment\": [3, 2], \"score\": 1}"),
            "error: the segment [3, 2] of class 'run' is reversed\n  \(place)\n  do: write the segment as [start, end] in seconds")
        try refuses(
            one("{\"label\": \"run\", \"segment\": [3, Infinity], \"score\": 1}"),
            "error: the segment [3, inf] of class 'run' is not finite\n  \(place)\n  do: check what wrote the detections")
        try refuses(
            one("{\"label\": \"run\", \"segment\": [3, 4], \"score\": NaN}"),
            "error: the score of class 'run' in [3, 4] is NaN\n  \(place)\n  do: check what wrote the detections")
        try refuses(
            one("{\"label\": 1, \"segment\": [3, 4], \"score\": 1}"),
            "error: 'label' of a detection is a number (1), not a string\n  \(place)\n  do: add the class's name as a string")
        try refuses(
            one("{\"label\": \"run\", \"segment\": [3, 4], \"score\": \"0.9\"}"),
            "error: 'score' of a detection is a string (\"0.9\"), not a number\n  \(place)\n  do: add the score as a number")
        try refuses(
            one("{\"label\": \"run\", \"segment\": [3, 4], \"confidence\": 0.9}"),
            "error: a detection has no 'score'; is 'confidence' meant?\n  \(place)\n  do: add the score as a number")
        try refuses(one("[1, 2, 0.5]"), "error: a detection is a list, not an object\n  \(place)\n  do: \(form)")
        try refuses(
            "{\"results\": {\"a\": [{]}}",
            """
            error: the file is not JSON: a name in quotation marks is missing
              where: file 'p.json', line 2, column 21, video 'a'
              do: check that the path is right and that the file was copied whole
            """)
        try refuses(
            one("{\"label\": \"run\", \"segment\": [3, 4]}"), "error: a detection has no 'score'\n  \(place)\n  do: add the score as a number")
    }
}
