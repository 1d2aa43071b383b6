import Foundation
import XCTest

/// Options of `import` and `synthesize` as a user gives them; what they do is tested beside the importers.
final class ImportCommandTests: CommandTestCase {
    /// A folder of `.npy` files [20, 4]: 10 s at 30 fps, stride 15, window 30.
    private func makeFeatures(_ videos: [String]) throws {
        try FileManager.default.createDirectory(atPath: folder + "/f", withIntermediateDirectories: true)
        let head = "{'descr': '<f4', 'fortran_order': False, 'shape': (20, 4), }"
        let header = head + String(repeating: " ", count: 117 - head.utf8.count) + "\n"
        for video in videos {
            var data = Data([0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0]) + Data(header.utf8)
            for value in 0..<80 { withUnsafeBytes(of: Float(value)) { data += $0 } }
            try data.write(to: URL(fileURLWithPath: "\(folder)/f/\(video).npy"))
        }
    }

    private func makeAnnotations() throws {
        let videos = ["a", "b,c"].map {
            """
            "\($0)": {"subset": "Test", "duration": 10, "fps": 30, "annotations": [{"label": "run", "segment": [1, 2]},
            {"label": "jump", "segment": [3, 4]}, {"label": "run", "segment": [5, 6]}]}
            """
        }
        try write("{\"database\": {\(videos.joined(separator: ",\n"))}}", "a.json")
    }

    private func importFeatures(_ arguments: String...) throws -> Ended {
        try start(
            executable,
            ["import", "features", "--features", folder + "/f", "--output", folder + "/s.h5", "--feature-stride", "15", "--window", "30"] + arguments)
    }

    /// 10 s of 20 rows, cut every 4 s: the last clip has the rest.
    func testClips() throws {
        try makeFeatures(["a", "b,c"])
        try makeAnnotations()
        let made = try importFeatures(
            "--annotations", folder + "/a.json", "--clip-seconds", "4", "--annotations-output", folder + "/clips.json", "--json")
        XCTAssertEqual(made.code, 0, made.errors)
        let summary = try object(made)
        XCTAssertEqual(summary["rows"] as? Int, 2 * (7 + 7 + 4))
        XCTAssertEqual(summary["instances"] as? Int, 2 * 3, "the action from 3 to 4 s ends with its clip, the one from 5 to 6 s lies in the second")
        let clips = try String(contentsOfFile: folder + "/clips.json", encoding: .utf8)
        XCTAssertTrue(clips.contains("\"b,c_clip002\""), clips)
        let refused = try importFeatures("--annotations", folder + "/a.json", "--clip-seconds", "0.5")
        XCTAssertEqual(refused.code, 2)
        XCTAssertTrue(refused.errors.hasPrefix("error: clips of 0.5 s are shorter than one window of 30.0 frames (1.0 s)\n"), refused.errors)
    }

    func testVideosWithoutAnnotations() throws {
        try makeFeatures(["x", "y"])
        let made = try importFeatures("--fps", "30", "--subset-name", "new", "--annotations-output", folder + "/out.json")
        XCTAssertEqual(made.code, 0, made.errors)
        XCTAssertEqual(made.errors, "")
        let inspected = try kairos("inspect", folder + "/s.h5")
        XCTAssertTrue(inspected.output.contains("\n  videos     2 (new 2)\n"), inspected.output)
        XCTAssertTrue(inspected.output.contains("\n  instances  none: the store has no annotations\n"), inspected.output)
        let summary = try object(kairos("inspect", folder + "/s.h5", "--json"))
        XCTAssertEqual(summary["classes"] as? Int, 0)
        let again = try importFeatures("--annotations", folder + "/out.json", "--json")
        XCTAssertEqual(try object(again)["digest"] as? String, summary["digest"] as? String)
        for (options, error) in [
            (
                ["--subset-name", "n", "--annotations", "a.json"],
                "--subset-name and --annotations were both given\n  do: leave one of them out: the "
                    + "annotations name the subsets"
            ),
            (["--subset-name", ""], "--subset-name is empty\n  do: give a name"),
            (["--classes", "run"], "--classes was given without --annotations\n  do: leave it out: videos without annotations have no actions"),
            (
                ["--rows-span-video"],
                "--rows-span-video and --feature-stride were both given\n  do: leave --feature-stride and --window out: they "
                    + "follow from the video's length and its rows"
            ),
        ] {
            let refused = try start(
                executable,
                ["import", "features", "--features", folder + "/f", "--output", folder + "/n.h5", "--feature-stride", "15"] + options)
            XCTAssertEqual(refused.code, 2)
            XCTAssertEqual(refused.errors, "error: \(error)\n")
        }
    }

    func testListsOfNames() throws {
        try makeFeatures(["a", "b,c"])
        try makeAnnotations()
        try write("jump\nrun\n", "classes")
        let made = try object(
            importFeatures(
                "--annotations", folder + "/a.json", "--classes", "@\(folder)/classes", "--duration-from-features", "b,c",
                "--duration-from-features", "a", "--json"))
        XCTAssertEqual(made["class_names"] as? [String], ["jump", "run"])
        XCTAssertEqual(made["background_instances"] as? Int, 0)
        let jump = try importFeatures("--annotations", folder + "/a.json", "--classes", "jump")
        XCTAssertTrue(jump.output.contains("\n  background 4 actions of 1 other class"), jump.output)
        XCTAssertTrue(jump.output.contains("\n  instances  2 of 1 classes\n"), jump.output)
        let wrong = try importFeatures("--annotations", folder + "/a.json", "--classes", "jumps")
        XCTAssertEqual(wrong.code, 2)
        XCTAssertEqual(
            wrong.errors, "error: --classes names 'jumps', which the data do not have; their classes are jump, run\n  do: did you mean 'jump'?\n")
        // Made-up features know the same option.
        let synthetic = try object(
            kairos(
                "synthesize", "--annotations", folder + "/a.json", "--classes", "run", "--dimension", "4", "--output", folder + "/t.h5", "--json"))
        XCTAssertEqual(synthetic["instances"] as? Int, 4)
        XCTAssertEqual(synthetic["background_classes"] as? Int, 1)
        let number = try kairos("synthesize", "--annotations", folder + "/a.json", "--classes", "3", "--output", folder + "/t.h5")
        XCTAssertEqual(
            number.errors,
            "error: --classes and --annotations were both given\n  do: leave one of them out: the annotations name videos and classes\n")
        let names = try kairos("synthesize", "--classes", "run,jump", "--output", folder + "/t.h5")
        XCTAssertEqual(
            names.errors, "error: --classes names 'run,jump' without --annotations\n  do: give a number of classes, or --annotations\n")
        XCTAssertEqual([number.code, names.code], [2, 2])
    }

    /// One message under mpirun too, and nothing written.
    func testAllMismatchesInOneMessage() throws {
        try makeFeatures(["a", "b"])
        try write(
            """
            {"database": {"a": {"subset": "Test", "duration": 30, "fps": 30, "annotations": []},
            "b": {"subset": "Test", "duration": 30, "fps": 30, "annotations": []}}}
            """, "a.json")
        let ended = try mpirun(
            2, "import", "features", "--features", folder + "/f", "--output", folder + "/s.h5", "--feature-stride", "15", "--window", "30",
            "--annotations", folder + "/a.json")
        XCTAssertEqual(ended.code, 3)
        XCTAssertTrue(
            ended.errors.contains(
                """
                2 of 2 videos do not fit:
                    'a', 'b': 20 rows do not fit 30 s at 30 fps with stride 15 and window 30: 57 to 62 rows were expected
                """), ended.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/s.h5"))
    }
}
