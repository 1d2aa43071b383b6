import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// The importer of raw recordings, on a small folder of the same form.
final class SBHARTests: FolderTestCase {
    /// Value of axis a at sample s: 0.001 s + a; the gyroscope's negative. Recordings of 160 and 130 samples.
    private func makeFolder(_ changes: [String: String?] = [:]) throws {
        func samples(_ count: Int, sign: Double) -> String {
            (0..<count).map { sample in (0..<3).map { "\(sign * (Double(sample) / 1000 + Double($0)))" }.joined(separator: " ") + "\n" }.joined()
        }
        var files: [String: String?] = [
            "activity_labels.txt": "1 WALKING  \n2 SITTING\n3 SIT_TO_STAND\n",
            "Test/subject_id_test.txt": "2\n4\n",
            "RawData/labels.txt": "1 1 2 5 60\n1 1 3 61 80\n2 2 1 100 130\n",
            "RawData/acc_exp01_user01.txt": samples(160, sign: 1), "RawData/gyro_exp01_user01.txt": samples(160, sign: -1),
            "RawData/acc_exp02_user02.txt": samples(130, sign: 1), "RawData/gyro_exp02_user02.txt": samples(130, sign: -1),
        ]
        for (name, text) in changes { files[name] = text }
        try? FileManager.default.removeItem(atPath: folder)
        for place in ["RawData", "Test"] { try FileManager.default.createDirectory(atPath: path(place), withIntermediateDirectories: true) }
        for (name, text) in files { try text?.write(toFile: path(name), atomically: false, encoding: .utf8) }
    }

    private func rows(_ source: some FeatureSource, _ video: Int) throws -> [Float] {
        var values = [Float](repeating: .nan, count: source.videos[video].rows * source.dimension)
        try values.withUnsafeMutableBufferPointer { try source.readRows(ofVideo: video, into: XCTUnwrap($0.baseAddress)) }
        return values
    }

    private func expectedRows(_ count: Int, axes: Int) -> [Float] {
        var values: [Float] = []
        for row in 0..<count {
            for sample in row * 25..<row * 25 + 50 {
                for axis in 0..<axes {
                    let value = Double(sample) / 1000 + Double(axis % 3)
                    values.append(Float(axis < 3 ? value : -value))
                }
            }
        }
        return values
    }

    func testRecordingsBecomeWindows() throws {
        try makeFolder()
        let source = try SBHARRecordings(folder: folder)
        XCTAssertEqual(source.classes.names, ["WALKING", "SITTING", "SIT_TO_STAND"])
        XCTAssertEqual(source.dimension, 150)
        XCTAssertEqual(source.videos.map(\.annotation.id), ["exp01_user01", "exp02_user02"])
        XCTAssertEqual(source.videos.map(\.annotation.subset), ["Validation", "Test"])
        XCTAssertEqual(source.videos.map(\.annotation.duration), [3.2, 2.6])
        XCTAssertEqual(source.videos.map(\.rows), [5, 4])
        XCTAssertEqual(source.videos[0].grid, FeatureGrid(fps: 50, stride: 25, window: 50))
        XCTAssertEqual(
            source.videos[0].annotation.instances,
            [
                ActionInstance(segment: Segment(start: 0.1, end: 1.2), label: 1),
                ActionInstance(segment: Segment(start: 1.22, end: 1.6), label: 2),
            ])
        XCTAssertEqual(source.videos[1].annotation.instances, [ActionInstance(segment: Segment(start: 2, end: 2.6), label: 0)])
        for video in [0, 1, 0] {
            XCTAssertEqual(try rows(source, video), expectedRows(source.videos[video].rows, axes: 3))
        }
    }

    func testGyroscopeStandsBesideAcceleration() throws {
        try makeFolder()
        let source = try SBHARRecordings(folder: folder, channels: .all)
        XCTAssertEqual(source.dimension, 300)
        XCTAssertEqual(try rows(source, 1), expectedRows(4, axes: 6))
    }

    func testClipsCutRecordingsAndActions() throws {
        try makeFolder()
        let source = try SBHARRecordings(folder: folder, clipSeconds: 1.4)
        // 160 samples: 0..<70, 70..<140, and 20 samples that are less than a window; 130 samples: 0..<70, 70..<130.
        XCTAssertEqual(
            source.videos.map(\.annotation.id), ["exp01_user01_clip000", "exp01_user01_clip001", "exp02_user02_clip000", "exp02_user02_clip001"])
        XCTAssertEqual(source.videos.map(\.annotation.duration), [1.4, 1.4, 1.4, 1.2])
        XCTAssertEqual(source.videos.map(\.rows), [1, 1, 1, 1])
        XCTAssertEqual(
            source.videos.map(\.annotation.instances),
            [
                [
                    ActionInstance(segment: Segment(start: 0.1, end: 1.2), label: 1),
                    ActionInstance(segment: Segment(start: 1.22, end: 1.4), label: 2),
                ], [ActionInstance(segment: Segment(start: 0, end: 0.2), label: 2)], [],
                [ActionInstance(segment: Segment(start: 0.6, end: 1.2), label: 0)],
            ])
        XCTAssertEqual(try rows(source, 1)[0..<3], [0.07, 1.07, 2.07])
    }

    func testRefusals() throws {
        func check(_ changes: [String: String?], _ expected: String, line: UInt = #line) throws {
            try makeFolder(changes)
            assertFailure(expected, line: line) {
                let source = try SBHARRecordings(folder: folder, channels: .all)
                for video in source.videos.indices { _ = try rows(source, video) }
            }
        }
        let again = "copy the file again from the data set"
        try check(
            ["RawData/labels.txt": "1 1 2 5 60\n1 1 x 61 80\n"],
            """
            error: '1 1 x 61 80' is not five numbers: experiment, user, activity, first sample, last sample
              where: file 'FOLDER/RawData/labels.txt', line 2
              do: \(again)
            """)
        try check(
            ["RawData/labels.txt": "1 1 2 5 60\n\n1 1 4 61 80\n"],
            """
            error: the activity 4 is unknown; activity_labels.txt names 1 to 3
              where: file 'FOLDER/RawData/labels.txt', line 3
              do: \(again)
            """)
        try check(
            ["RawData/labels.txt": "1 1 2 60 5\n"],
            """
            error: the activity begins at sample 60 and ends at sample 5
              where: file 'FOLDER/RawData/labels.txt', line 1
              do: \(again)
            """)
        try check(
            ["RawData/labels.txt": "1 1 2 5 161\n"],
            """
            error: the activity ends at sample 161, the recording 'exp01_user01' has 160
              where: file 'FOLDER/RawData/labels.txt', line 1
              do: check that labels and recordings belong together
            """)
        try check(
            ["RawData/labels.txt": "1 1 2 5 60\n7 3 1 5 60\n"],
            """
            error: the recording 'exp07_user03' is labelled, its file 'acc_exp07_user03.txt' is missing
              where: file 'FOLDER/RawData/labels.txt', line 2
              do: unpack the data set again
            """)
        let nothing: String? = nil
        for missing in ["RawData/labels.txt", "activity_labels.txt", "Test/subject_id_test.txt", "RawData/gyro_exp02_user02.txt"] {
            try check(
                [missing: nothing],
                "error: the file is missing or cannot be read\n  where: file 'FOLDER/\(missing)'\n  do: unpack the data set again")
        }
        try check(
            ["activity_labels.txt": "1 WALKING\n3 SITTING\n"],
            """
            error: '3 SITTING' is not the number 2 and a new activity name
              where: file 'FOLDER/activity_labels.txt', line 2
              do: \(again)
            """)
        try check(
            ["Test/subject_id_test.txt": "2\nfour\n"],
            "error: 'four' is not a user's number\n  where: file 'FOLDER/Test/subject_id_test.txt', line 2\n  do: \(again)")
        let sample = "0.1 0.2 0.3\n"
        for (text, line) in [("0.1 0.2\n", 56), ("0.1 0.2 0.3 0.4\n", 56), ("0.1 zero 0.3\n", 56)] {
            try check(
                ["RawData/acc_exp01_user01.txt": String(repeating: sample, count: 55) + text + String(repeating: sample, count: 50)],
                """
                error: the line is not three numbers (x, y, z)
                  where: file 'FOLDER/RawData/acc_exp01_user01.txt', line \(line)
                  do: \(again)
                """)
        }
        try check(
            ["RawData/gyro_exp01_user01.txt": String(repeating: sample, count: 159)],
            """
            error: the file holds 159 samples, the acceleration of the same recording holds 160
              where: file 'FOLDER/RawData/gyro_exp01_user01.txt'
              do: copy both files again from the data set
            """)
        try check(
            ["RawData/acc_exp01_user01.txt": String(repeating: sample, count: 49)],
            """
            error: the recording has 49 samples, one window has 50
              where: file 'FOLDER/RawData/acc_exp01_user01.txt', video 'exp01_user01'
              do: copy the file again, or remove the recording and its labels
            """)
        assertFailure(
            """
            error: the folder does not exist
              where: file 'FOLDER/none'
              do: check --source
            """
        ) { try SBHARRecordings(folder: path("none")) }
        assertFailure(
            """
            error: the folder holds no folder 'RawData'; the folder holds 1 file (subject_id_test.txt)
              where: file 'FOLDER/Test'
              do: give the unpacked 'HAPT Data Set', which holds RawData, Test and activity_labels.txt
            """
        ) { try SBHARRecordings(folder: path("Test")) }
        let above = URL(fileURLWithPath: folder).deletingLastPathComponent().path + "/above-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: above) }
        try FileManager.default.createDirectory(atPath: above, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: above + "/HAPT", withDestinationPath: folder)
        assertFailure(
            """
            error: the folder holds no folder 'RawData'; it lies in 'HAPT'
              where: file '\(above)'
              do: give --source '\(above)/HAPT'
            """
        ) { try SBHARRecordings(folder: above) }
        assertFailure(
            """
            error: the folder holds no folder 'RawData'; the folder holds 5 files (acc_exp01_user01.txt, acc_exp02_user02.txt, \
            gyro_exp01_user01.txt, ...)
              where: file 'FOLDER/RawData'
              do: give the folder above this one
            """
        ) { try SBHARRecordings(folder: path("RawData")) }
        try makeFolder()
        assertFailure(
            "error: clips of 0.5 s are shorter than one window of 50 samples (1 s)\n  do: give --clip-seconds at least 1", kind: .wrongUsage
        ) { try SBHARRecordings(folder: folder, clipSeconds: 0.5) }
        assertFailure("error: --clip-seconds is 1e+30, more than 10000000\n  do: leave it out to keep recordings whole", kind: .wrongUsage) {
            try SBHARRecordings(folder: folder, clipSeconds: 1e30)
        }
    }

    func testAllRecordingsThatDoNotFitAreNamed() throws {
        let nothing: String? = nil
        try makeFolder([
            "RawData/labels.txt": "1 1 2 5 161\n2 2 1 100 130\n7 3 1 5 60\n", "RawData/gyro_exp02_user02.txt": nothing,
        ])
        assertFailure(
            """
            error: 3 of 3 recordings do not fit:
                'exp07_user03': the recording 'exp07_user03' is labelled, its file 'acc_exp07_user03.txt' is missing
                'exp02_user02': the file is missing or cannot be read
                'exp01_user01': the activity ends at sample 161, the recording 'exp01_user01' has 160
              where: file 'FOLDER'
              do: unpack the data set again; check that labels and recordings belong together
            """
        ) { try SBHARRecordings(folder: folder, channels: .all) }
    }

    func testChosenClasses() throws {
        try makeFolder()
        let source = try SBHARRecordings(folder: folder)
        var selection = try ClassSelection(["SIT_TO_STAND", "WALKING"], among: source.classes)
        source.select(&selection)
        XCTAssertEqual(source.classes.names, ["SIT_TO_STAND", "WALKING"])
        XCTAssertEqual(source.videos[0].annotation.instances, [ActionInstance(segment: Segment(start: 1.22, end: 1.6), label: 0)])
        XCTAssertEqual(source.videos[1].annotation.instances, [ActionInstance(segment: Segment(start: 2, end: 2.6), label: 1)])
        XCTAssertEqual([selection.backgroundInstances, selection.backgroundClasses], [1, 1])
    }

    /// The published annotations against the raw recordings, where these are given by KAIROS_HAPT; the recordings are not part of the repository.
    func testGoldenAnnotationsOfTheRealRecordings() throws {
        guard let hapt = ProcessInfo.processInfo.environment["KAIROS_HAPT"] else { throw XCTSkip("KAIROS_HAPT does not name the HAPT folder") }
        let expected = try AnnotationSet(readingJSON: Fixtures.file("sbhar_annotations.json"))
        let source = try SBHARRecordings(folder: hapt)
        XCTAssertEqual(source.classes, expected.classes)
        XCTAssertEqual(source.videos.map(\.annotation), expected.videos)
    }
}
