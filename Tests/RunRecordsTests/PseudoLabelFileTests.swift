import Diagnostics
import Foundation
import RunRecords
import TemporalAnnotations
import XCTest

final class PseudoLabelFileTests: XCTestCase {
    private let classes = ClassMap(names: ["run", "throw \"far\""])
    private var path = ""

    override func setUp() { path = NSTemporaryDirectory() + "/kairos-pseudo-\(UUID().uuidString).json" }
    override func tearDown() { try? FileManager.default.removeItem(atPath: path) }

    private var file: PseudoLabelFile {
        PseudoLabelFile(
            round: 2,
            labels: [
                PseudoLabel(
                    video: "b", segment: Segment(start: 0.1 + 0.2, end: 5), label: 1, score: Double(Float(0.7)), classScore: 0.9, tIoU: 0.8,
                    tND: 1e-7,
                    similarity: 0.25, fate: .removed),
                PseudoLabel(video: "b", segment: Segment(start: 6, end: 7.5), label: 0, score: 0.5, classScore: 0.5, fate: .positive),
                PseudoLabel(
                    video: "a", segment: Segment(start: 0, end: 1), label: 0, score: 0.25, classScore: 0.3, similarity: 0.75, fate: .promoted),
                PseudoLabel(video: "a", segment: Segment(start: 2, end: 3), label: 0, score: 0.2, classScore: 0.2, tIoU: 1, fate: .rejected),
            ],
            videos: ["a", "none"], thresholds: PseudoLabelThresholds(theta: 0.5, thetaPerClass: ["run": 0.4], removedBelow: 0.3, promotedFrom: nil),
            quality: PseudoLabelQuality(classAccuracy: 0.5, averageTIoU: 1.0 / 3, positiveAccuracy: 0.25, count: 2, recall: 0.75))
    }

    func testTheFileAsWritten() throws {
        XCTAssertEqual(file.videos, ["a", "none", "b"])
        try file.write(classes: classes, to: path)
        XCTAssertEqual(
            try String(contentsOfFile: path, encoding: .utf8),
            #"""
            {"version": "1.0", "results": {
            "a": [{"label": "run", "segment": [0.0, 1.0], "score": 0.25, "P_cls": 0.3, "P_tiou": null, "P_tnd": null, "similarity": 0.75, "fate": "promoted"},
              {"label": "run", "segment": [2.0, 3.0], "score": 0.2, "P_cls": 0.2, "P_tiou": 1.0, "P_tnd": null, "similarity": null, "fate": "rejected"}],
            "none": [],
            "b": [{"label": "throw \"far\"", "segment": [0.30000000000000004, 5.0], "score": 0.699999988079071, "P_cls": 0.9, "P_tiou": 0.8, "P_tnd": 1e-07, "similarity": 0.25, "fate": "removed"},
              {"label": "run", "segment": [6.0, 7.5], "score": 0.5, "P_cls": 0.5, "P_tiou": null, "P_tnd": null, "similarity": null, "fate": "positive"}]
            }, "external_data": {"round": 2, "theta": 0.5, "theta_per_class": {"run": 0.4}, "removed_below": 0.3, "promoted_from": null, "labels": 2, "quality": {"class_accuracy": 0.5, "average_tIoU": 0.3333333333333333, "positive_accuracy": 0.25, "count": 2, "recall": 0.75}, "previous_quality": null}}

            """#)
        XCTAssertNotNil(try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))))
    }

    func testRoundTrip() throws {
        try file.write(classes: classes, to: path)
        let read = try PseudoLabelFile(path: path, classes: classes)
        XCTAssertEqual(read.videos, file.videos)
        XCTAssertEqual(read.labels, Array(file.labels[2...] + file.labels[..<2]))
        XCTAssertEqual(read.thresholds, file.thresholds)
        XCTAssertEqual(read.quality, file.quality)
        XCTAssertNil(read.previousQuality)
        try read.write(classes: classes, to: path)
        XCTAssertEqual(try PseudoLabelFile(path: path, classes: classes), read)
        // Readers of plain detections see the same segments.
        XCTAssertEqual(try DetectionFile.read(path, classes: classes).map(\.segment), read.labels.map(\.segment))

        let empty = PseudoLabelFile(
            round: 0, labels: [], videos: ["a"], thresholds: PseudoLabelThresholds(theta: nil),
            previousQuality: PseudoLabelQuality(classAccuracy: 0, averageTIoU: 0, positiveAccuracy: 0, count: 0))
        try empty.write(classes: classes, to: path)
        XCTAssertEqual(try PseudoLabelFile(path: path, classes: classes), empty)
    }

    private func refusesToWrite(_ change: (inout PseudoLabelFile) -> Void, _ expected: String, line: UInt = #line) {
        var file = file
        change(&file)
        XCTAssertThrowsError(try file.write(classes: classes, to: path), line: line) {
            XCTAssertEqual(($0 as? Failure)?.description, expected, line: line)
            XCTAssertEqual(($0 as? Failure)?.exitCode, 1, line: line)
        }
        XCTAssertFalse(FileManager.default.fileExists(atPath: path), line: line)
    }

    func testWhatCannotBeWritten() {
        refusesToWrite(
            { $0.labels[0].similarity = .nan },
            "error: the number NaN cannot be written to JSON\n  where: video 'b'\n  do: check what computed it: only finite numbers are expected")
        refusesToWrite(
            { $0.labels[3].label = 2 },
            """
            error: a pseudo-label has class 2, there are 2 classes
              where: video 'a'
              do: write pseudo-labels with the classes of the feature store they were made on
            """)
        refusesToWrite(
            { $0.thresholds.theta = .infinity },
            "error: the threshold inf cannot be written to JSON\n  do: check what computed it: only finite numbers are expected")
    }

    private func refuses(_ text: String, _ expected: String, line: UInt = #line) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        XCTAssertThrowsError(try PseudoLabelFile(path: path, classes: classes), line: line) {
            XCTAssertEqual(($0 as? Failure)?.description.replacingOccurrences(of: path, with: "p.json"), expected, line: line)
            XCTAssertEqual(($0 as? Failure)?.exitCode, 3, line: line)
        }
    }

    func testRefusals() throws {
        let place = "where: file 'p.json', line 2, video 'a'"
        func one(_ members: String) -> String {
            "{\"results\": {\"a\": [\n{\"label\": \"run\", \"segment\": [1, 2.5], \"score\": 0.5\(members)}]}, \"external_data\": {\"round\": 1}}"
        }
        try refuses(
            "[]",
            "error: the file is JSON, but not ActivityNet's results: its root is a list, not an object\n  where: file 'p.json'\n"
                + "  do: the form is {\"results\": {VIDEO: [{\"label\", \"segment\": [start, end], \"score\"}]}}")
        try refuses(
            "{\"results\": {}, \"external_data\": {}}",
            """
            error: the file holds detections, not pseudo-labels: 'external_data' has no 'round'
              where: file 'p.json'
              do: give a file from the run's folder pseudo_labels
            """)
        try refuses(
            one(""),
            "error: the pseudo-label of class 'run' in [1, 2.5] has no 'P_cls'\n  \(place)\n  do: give a file from the run's folder pseudo_labels")
        try refuses(
            one(", \"P_cls\": \"high\""),
            "error: 'P_cls' of the pseudo-label of class 'run' in [1, 2.5] is a string (\"high\"), no finite number\n  \(place)\n"
                + "  do: write a number, or null where there is none")
        try refuses(
            one(", \"P_cls\": 1, \"fate\": \"positive\", \"similarity\": NaN"),
            "error: 'similarity' of the pseudo-label of class 'run' in [1, 2.5] is a number (NaN), no finite number\n  \(place)\n"
                + "  do: write a number, or null where there is none")
        try refuses(
            one(", \"P_cls\": 1"),
            "error: the pseudo-label of class 'run' in [1, 2.5] has no 'fate'\n  \(place)\n"
                + "  do: add one of positive, removed, promoted, rejected")
        try refuses(
            one(", \"P_cls\": 1, \"fate\": \"promotd\""),
            "error: the fate 'promotd' of the pseudo-label of class 'run' in [1, 2.5] is unknown; did you mean 'promoted'?\n  \(place)\n"
                + "  do: use one of positive, removed, promoted, rejected")
        try refuses(
            "{\"results\": {},\n\"external_data\": {\"round\": 1,\n\"theta\": \"x\"}}",
            "error: 'theta' in 'external_data' is a string (\"x\"), not a finite number or null\n  where: file 'p.json', line 3\n"
                + "  do: give a file from the run's folder pseudo_labels, as it was written")
        try refuses(
            "{\"results\": {}, \"external_data\": {\"round\": 1.5}}",
            "error: 'round' in 'external_data' is a number (1.5), not a whole number, at least 0\n  where: file 'p.json', line 1, column 44\n"
                + "  do: give a file from the run's folder pseudo_labels, as it was written")
        try refuses(
            "{\"results\": {}, \"external_data\": {\"round\": 1, \"quality\": {}}}",
            "error: 'quality' in 'external_data' is an object, not an object of class_accuracy, average_tIoU, positive_accuracy and count, or null\n"
                + "  where: file 'p.json', line 1, column 58\n  do: give a file from the run's folder pseudo_labels, as it was written")
    }

    func testTheNewestRoundsQuality() throws {
        let folder = path + ".folder"
        XCTAssertNil(try PseudoLabelFile.newestQuality(inFolder: folder))
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // By the rounds' numbers, not by the files' names.
        for (round, name) in [(10, "a"), (9, "b")] {
            var file = file
            file.round = round
            file.quality?.count = round
            try file.write(classes: classes, to: "\(folder)/\(name).json")
        }
        let newest = try XCTUnwrap(try PseudoLabelFile.newestQuality(inFolder: folder))
        XCTAssertEqual(newest.round, 10)
        XCTAssertEqual(newest.quality.count, 10)
        var unmeasured = file
        unmeasured.round = 11
        unmeasured.quality = nil
        try unmeasured.write(classes: classes, to: folder + "/c.json")
        XCTAssertNil(try PseudoLabelFile.newestQuality(inFolder: folder))
        try DetectionFile.write([], classes: classes, to: folder + "/d.json")
        XCTAssertThrowsError(try PseudoLabelFile.newestQuality(inFolder: folder)) {
            XCTAssertEqual(
                ($0 as? Failure)?.description.replacingOccurrences(of: folder, with: "F"),
                """
                error: the file holds detections, not pseudo-labels: 'external_data' has no 'round'
                  where: file 'F/d.json'
                  do: move what is no file of pseudo-labels out of the run's folder pseudo_labels
                """)
        }
    }
}
