import Foundation
import XCTest

/// Inputs and outputs that would go wrong without a word: one error, the documented exit code, and what was there stays.
final class BadInputTests: CommandTestCase {
    override func setUpWithError() throws {
        try super.setUpWithError()
        try makeRun(shards: 2, training: "iterations: 2")
    }

    private func refuses(_ code: Int32, _ error: String, _ arguments: String..., line: UInt = #line) throws {
        let ended = try start(executable, arguments)
        XCTAssertEqual(ended.code, code, line: line)
        XCTAssertEqual(ended.errors, error + "\n", line: line)
    }

    private func train(_ run: String, _ more: [String] = []) throws -> Ended {
        try start(executable, ["train", folder + "/run.yaml", "--output", "\(folder)/\(run)"] + more)
    }

    func testOutputsReplaceNoInputAndNoDevice() throws {
        XCTAssertEqual(try train("r").code, 0)
        let checkpoint = folder + "/r/checkpoints/step-00000002.h5", store = folder + "/store.h5"
        let kept = try [file("r/checkpoints/step-00000002.h5"), file("store.h5")]
        let advice = "\n  do: choose another output path"
        try refuses(
            2, "error: the output would replace the input 'FOLDER/store.h5'\n  where: file 'FOLDER/store.h5'" + advice,
            "detect", "--checkpoint", checkpoint, "--store", store, "--output", store)
        try refuses(
            2,
            "error: the output would replace the input '\(checkpoint.replacingOccurrences(of: folder, with: "FOLDER"))'\n  where: file 'FOLDER/link'"
                + advice, "export", "--checkpoint", checkpoint, "--output", try link("link", to: checkpoint))
        XCTAssertEqual(try [file("r/checkpoints/step-00000002.h5"), file("store.h5")], kept)
        XCTAssertEqual(mkfifo(folder + "/pipe", 0o666), 0)
        try refuses(
            2,
            "error: the output is not a file but a device or a pipe\n  where: file 'FOLDER/pipe'\n"
                + "  do: name a file: outputs are written beside their place and put there when whole",
            "export", "--checkpoint", checkpoint, "--output", folder + "/pipe")
        try refuses(
            2,
            "error: store and annotations would be written to the same file\n  where: file 'FOLDER/./new.h5'\n"
                + "  do: choose another --annotations-output",
            "synthesize", "--output", folder + "/./new.h5", "--annotations-output", try link("dangling", to: folder + "/new.h5"), "--videos", "4")
        // A link stays one: the file that it leads to is replaced.
        try write("old", "real.json")
        let found = try kairos(
            "detect", "--checkpoint", checkpoint, "--store", store, "--subset", "Test", "--output", try link("linked.json", to: folder + "/real.json")
        )
        XCTAssertEqual(found.code, 0, found.errors)
        XCTAssertEqual(try file("real.json"), try file("r/predictions.json"))
        XCTAssertEqual(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/linked.json"), folder + "/real.json")
    }

    private func link(_ name: String, to path: String) throws -> String {
        try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(name)", withDestinationPath: path)
        return "\(folder)/\(name)"
    }

    /// One video, without actions or with one.
    private func annotations(_ name: String, video: String, actions: String) throws -> String {
        try write(
            "{\"database\": {\"\(video)\": {\"subset\": \"Validation\", \"duration\": 30, \"fps\": 30, \"annotations\": [\(actions)]}}}", name)
        return "\(folder)/\(name)"
    }

    func testNothingToLearn() throws {
        let empty = try annotations("empty.json", video: "quiet", actions: "")
        let made = try kairos("synthesize", "--annotations", empty, "--dimension", "8", "--output", folder + "/none.h5")
        XCTAssertEqual(made.code, 0, made.errors)
        let none = try train("n", ["--set", "data.store=\(folder)/none.h5"])
        XCTAssertEqual(none.code, 3)
        XCTAssertEqual(
            none.errors,
            """
            error: there is nothing to learn: the store has 0 classes and 8 columns
              where: file 'FOLDER/none.h5'
              do: make it from annotations with actions, and from features

            """)
        // The classes are known from another subset.
        try write(
            """
            {"database": {"quiet": {"subset": "Validation", "duration": 30, "annotations": []}, "loud": {"subset": "Test", "duration": 30,
            "annotations": [{"label": "run", "segment": [1, 5]}]}}}
            """, "half.json")
        XCTAssertEqual(try kairos("synthesize", "--annotations", folder + "/half.json", "--dimension", "8", "--output", folder + "/half.h5").code, 0)
        for method in ["supervised", "fustal"] {
            let half = try train("h", ["--set", "data.store=\(folder)/half.h5", "--set", "data.virtual_shards=1", "--set", "method.name=\(method)"])
            XCTAssertEqual(half.code, 3)
            XCTAssertEqual(
                half.errors,
                """
                error: none of the 1 labelled recordings has an action
                  where: file 'FOLDER/half.h5', key 'data.labeled_fraction'
                  do: label more recordings, or choose another data.training_subset

                """, method)
        }
    }

    func testFeaturesThatAreNoNumbersAreNotDetectedIn() throws {
        try requireRefusal(of: "store.h5", with: [0, 0, 0xC0, 0x7F])
        try requireRefusal(of: "half.h5", with: [0, 0x7E], made: ["--storage", "float16"])
    }

    private func requireRefusal(of name: String, with nan: [UInt8], made more: [String] = []) throws {
        let made = try start(
            executable,
            ["synthesize", "--output", "\(folder)/\(name)", "--videos", "12", "--classes", "3", "--dimension", "8", "--seed", "5"] + more)
        XCTAssertEqual(made.code, 0, made.errors)
        XCTAssertEqual(try train("r-" + name, ["--set", "data.store=\(folder)/\(name)"]).code, 0)
        var bytes = try file(name)
        let features = Self.withinValues(bytes)
        let place = (features.lowerBound + features.count / 2) / nan.count * nan.count
        bytes.replaceSubrange(place..<place + nan.count, with: nan)
        try bytes.write(to: URL(fileURLWithPath: folder + "/nan.h5"))
        let ended = try mpirun(
            2, "detect", "--checkpoint", "\(folder)/r-\(name)/checkpoints/step-00000002.h5", "--store", folder + "/nan.h5", "--output",
            folder + "/p.json")
        XCTAssertEqual(ended.code, 3)
        XCTAssertNotNil(
            ended.errors.range(
                of: """
                    error: row [0-9]+ of the features holds NaN
                      where: rank [01], file 'FOLDER/nan.h5', video 'synthetic_[0-9]+'
                      do: make the store again from features without NaN and infinity
                    """, options: .regularExpression), ended.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/p.json"))
    }

    func testAnnotationsOfOtherVideos() throws {
        let other = try annotations("other.json", video: "elsewhere", actions: "{\"label\": \"action_0\", \"segment\": [1, 5]}")
        let ended = try train("o", ["--set", "data.annotations=\(other)", "--set", "data.evaluation_subset=Validation"])
        XCTAssertEqual(ended.code, 3)
        XCTAssertNotNil(
            ended.errors.range(
                of: """
                    error: the annotations do not know the video
                      where: file 'FOLDER/other.json', key 'data.annotations', video 'synthetic_[0-9]+'
                      do: name the annotations that the store was made from, or leave data.annotations out
                    """, options: .regularExpression), ended.errors)
    }

    /// The seed decides which recordings are labelled; it is the seed that was changed.
    func testAnotherSeedAtResuming() throws {
        let fraction = ["--set", "data.labeled_fraction=0.5"]
        XCTAssertEqual(try train("s", fraction + ["--stop-after", "1"]).code, 0)
        let ended = try train("s", fraction + ["--resume", "--seed", "3"])
        XCTAssertEqual(ended.code, 2)
        XCTAssertTrue(ended.errors.hasPrefix("error: the run was begun with training.seed = 0, now it is 3\n"), ended.errors)
        let negative = try train("s", ["--seed", "-1"])
        XCTAssertEqual(negative.code, 2)
        XCTAssertTrue(negative.errors.contains("training.seed"), negative.errors)
        let none = try kairos("benchmark", "store", folder + "/store.h5", "--repetitions", "-1")
        XCTAssertEqual(none.code, 2)
        XCTAssertTrue(none.errors.contains("--repetitions must be at least 1, not -1"), none.errors)
    }

    /// A file beyond the user's limit.
    func testAFileThatMayNotGrow() throws {
        let ended = try start(
            URL(fileURLWithPath: "/bin/bash"),
            ["-c", "ulimit -f 20; exec \"$@\"", "limit", executable.path, "synthesize", "--output", folder + "/big.h5", "--videos", "90"])
        XCTAssertEqual(ended.code, 1, ended.errors)
        XCTAssertTrue(ended.errors.hasPrefix("error: "), ended.errors)
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("big") }, [])
    }

    func testEarlierResultsOfScaling() throws {
        let scaling = root.appendingPathComponent("launch/scaling")
        for (text, what) in [
            ("{}", "it holds no measurements\n"), ("[]", "it holds no measurements\n"), ("{", "Expecting property name"),
            ("{\"measured\": []}", "it is not complete\n"), ("{\"measured\": [{}]}", "'collectives' is missing\n"),
            ("{\"measured\": [5]}", "'collectives' is missing\n"), ("{\"measured\": [], \"reads\": {}}", "'measured' is missing\n"),
            ("{\"measured\": [], \"reads\": {\"measured\": []}}", "it is not complete\n"),
            ("{\"measured\": [{\"rows\": [[1]]}], \"threads\": 1, \"cores\": 1, \"collectives\": {}}", "'links' is missing\n"),
        ] {
            try write(text, "old.json")
            let ended = try start(scaling, ["--read", folder + "/old.json", "--output", folder + "/s"])
            XCTAssertEqual(ended.code, 3, ended.errors)
            XCTAssertTrue(ended.errors.hasPrefix("error: 'FOLDER/old.json' is no scaling.json: \(what)"), ended.errors)
            XCTAssertTrue(ended.errors.hasSuffix("\n  do: name one that launch/scaling has written\n"), ended.errors)
        }
        let late = try start(scaling, ["--between", "1us,foo", "--output", folder + "/s"])
        XCTAssertEqual(late.code, 2)
        XCTAssertEqual(late.errors, "error: '1us,foo' is no latency and bandwidth\n  do: write --between like 30us,10gbit\n")
    }

    func testHostfiles() throws {
        let cluster = root.appendingPathComponent("launch/cluster")
        let form = "\n  do: write lines of the form 'HOST slots=N', N from 1, without Windows line ends\n"
        for (text, error) in [
            ("a slots=2\nb slots=0\n", "says of 'b' something else than slots=N" + form),
            ("a slots=08\n", "says of 'a' something else than slots=N" + form),
            ("a slots=2\r\n", "says of 'a' something else than slots=N" + form), ("a slots = 2\n", "says of 'a' something else than slots=N" + form),
            ("a\r\n", "says of 'a' something else than slots=N" + form), ("a x slots=2\n", "says of 'a' something else than slots=N" + form),
            ("a slots=1\nb\na slots=1\n", "names 'a' twice\n  do: write each host once, with all its slots\n"),
        ] {
            try write(text, "hosts")
            let ended = try start(cluster, ["--hostfile", folder + "/hosts", "true"])
            XCTAssertEqual(ended.code, 2, ended.errors)
            XCTAssertEqual(ended.errors, "error: the hostfile 'FOLDER/hosts' \(error)")
        }
    }
}
