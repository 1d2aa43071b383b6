import Diagnostics
import Foundation
import TemporalAnnotations
import XCTest

/// Proposals out of ActivityNet's JSON and out of the published lists.
final class ProposalListTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

    private func write(_ text: String, _ name: String = "p") throws -> String {
        let path = "\(folder)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private let list = """
        # 0
        /frames/thumos14/video_validation_01
        300
        1
        2
        3 30 60
        1 100 120
        4
        3 0.5000 0.9000 30 90
        0 0.0000 0.0000 200 200
        1 0.1 1 110.5 115
        0 0 0 310 320
        # 1
        it's "two"
        50.5
        2
        0
        1
        0 0 0 0 101

        """

    /// Frames become seconds of the whole recording; what has no length, or lies behind the end, is left out.
    func testLists() throws {
        let lists = try ProposalLists([try write(list)])
        XCTAssertEqual(
            lists.segments(of: "video_validation_01", duration: 10),
            [Segment(start: 1, end: 3), Segment(start: 110.5 / 300 * 10, end: 115.0 / 300 * 10)])
        XCTAssertEqual(lists.segments(of: "it's \"two\"", duration: 202), [Segment(start: 0, end: 202)])
        XCTAssertNil(lists.segments(of: "video_validation_02", duration: 1))
        XCTAssertEqual(try ProposalLists([try write(list)], most: 1).segments(of: "video_validation_01", duration: 10)?.count, 1)
        // Ends of lines of other systems, and empty lines.
        let other = try ProposalLists([try write(list.replacingOccurrences(of: "\n", with: "\r\n\r\n"))])
        XCTAssertEqual(other.segments(of: "video_validation_01", duration: 10), lists.segments(of: "video_validation_01", duration: 10))
    }

    /// Best first, a segment of several classes once, without those that have no length; classes may be any.
    func testJSON() throws {
        let json = """
             {"results": {
            "a": [{"label": "x", "segment": [1, 2], "score": 0.5}, {"label": "y", "segment": [3, 4], "score": 0.9},
                  {"label": "y", "segment": [1, 2], "score": 0.95}, {"label": "z", "segment": [5, 5], "score": 1}],
            "b": []}}
            """
        let lists = try ProposalLists([try write(json)])
        XCTAssertEqual(lists.segments(of: "a", duration: 99), [Segment(start: 1, end: 2), Segment(start: 3, end: 4)])
        XCTAssertEqual(lists.segments(of: "b", duration: 99), [])
        XCTAssertEqual(try ProposalLists([try write(json)], most: 1).segments(of: "a", duration: 99), [Segment(start: 1, end: 2)])
        // Several files of both forms.
        let both = try ProposalLists([try write(json), try write(list, "q")])
        XCTAssertEqual(both.files, [folder + "/p", folder + "/q"])
        XCTAssertEqual(both.segments(of: "video_validation_01", duration: 10)?.count, 2)
        XCTAssertEqual(both.segments(of: "a", duration: 10)?.count, 2)
    }

    /// Of every name and end, of what is kept.
    func testDigest() throws {
        func digest(_ text: String, most: Int? = nil) throws -> String { try ProposalLists([try write(text)], most: most).digest }
        let whole = try digest(list)
        XCTAssertEqual(try digest(list), whole)
        for (old, new) in [("30 90", "30 91"), ("two", "twa"), ("\n300\n", "\n301\n")] {
            XCTAssertNotEqual(try digest(list.replacingOccurrences(of: old, with: new)), whole, old)
        }
        XCTAssertNotEqual(try digest(list, most: 1), whole)
        XCTAssertEqual(try digest(list.replacingOccurrences(of: "3 0.5000", with: "2 0.6000")), whole)
    }

    private func refused(_ text: String, _ what: String, _ places: String, _ advice: String, line: UInt = #line) throws {
        let path = try write(text)
        XCTAssertThrowsError(try ProposalLists([path]), line: line) {
            XCTAssertEqual("\($0)", "error: \(what)\n  where: file '\(path)'\(places)\n  do: \(advice)", line: line)
        }
    }

    func testRefusals() throws {
        let copy = "copy the list again from its source; docs/methods.md has its form"
        let form = "the form is {\"results\": {VIDEO: [{\"label\", \"segment\": [start, end], \"score\"}]}}"
        for (text, what, places, advice) in [
            (" \n", "the file is empty", "", "check what wrote it"),
            ("{\"results\": []}", "'results' is a list, not an object of videos", ", line 1, column 13", form),
            (
                "{\"results\": {\n\"a\": [{\"label\": \"x\", \"segment\": [3, 2], \"score\": 1}]}}", "the segment [3, 2] of class 'x' is reversed",
                ", line 2, video 'a'", "write the segment as [start, end] in seconds"
            ),
            (
                "{\"results\": {\n\"a\": [{\"label\": \"x\", \"segment\": [1, NaN], \"score\": 1}]}}",
                "the segment [1, NaN] of class 'x' is not finite", ", line 2, video 'a'", "check what wrote the detections"
            ),
            ("# 0\n", "the file ends where the name of the recording should stand", ", line 1", copy),
            ("# 0\n# 1\n", "'# 1' is no name of a recording", ", line 2", copy),
            ("# 0\nv\n0.5\n1\n", "the recording has 0 frames", ", line 2, video 'v'", copy),
            ("# 0\nv\nnan\n", "'nan' stands where the number of frames should", ", line 3, video 'v'", copy),
            ("# 0\nv\n9\n1\n-1\n", "'-1' stands where the number of actions should", ", line 5, video 'v'", copy),
            ("# 0\nv\n9\n1\n1\n0 1\n", "'0 1' is not an action: CLASS START END", ", line 6, video 'v'", copy),
            ("# 0\nv\n9\n1\n0\n2\n0 0 0 1 2\n", "the file ends where a proposal should stand", ", line 7, video 'v'", copy),
            (
                "# 0\nv\n9\n1\n0\n1\n0 0 0 1 x\n", "'0 0 0 1 x' is not a proposal: CLASS TIOU OVERLAP START END", ", line 7, video 'v'", copy
            ),
            ("# 0\nv\n9\n1\n0\n1\n0 0 0 3 2\n", "the frames of a proposal are from 3 to 2", ", line 7, video 'v'", copy),
            ("# 0\nv\n9\n1\n0\n1\n0 0 0 -1 2\n", "the frames of a proposal are from -1 to 2", ", line 7, video 'v'", copy),
            (
                "# 0\nv\n9\n1\n0\n0\n\n1 2 3\n", "'1 2 3' stands where '# INDEX' of the next recording should", ", line 8", copy
            ),
            (
                "# 0\na/v\n9\n1\n0\n0\n# 1\nb/v\n9\n1\n0\n0\n", "the recording stands twice in the file", ", line 8, video 'v'",
                "keep one of the two entries"
            ),
        ] { try refused(text, what, places, advice) }
        XCTAssertThrowsError(try ProposalLists(["/no/such/file"])) {
            XCTAssertEqual(
                "\($0)",
                """
                error: the file does not exist or cannot be read
                  where: file '/no/such/file'
                  do: check the path and the permissions
                """)
        }
        let path = try write(list)
        XCTAssertThrowsError(try ProposalLists([path, path])) {
            let text = "\($0)"
            XCTAssertTrue(text.hasPrefix("error: the recording stands in '\(path)', too\n  where: file '\(path)', line "), text)
            XCTAssertTrue(text.hasSuffix("\n  do: name every file of proposals once, and give each recording's in one of them"), text)
        }
    }
}
