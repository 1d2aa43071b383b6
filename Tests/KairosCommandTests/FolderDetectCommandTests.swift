import Diagnostics
import Foundation
import TestSupport
import XCTest

/// `kairos detect --features` as a user starts it: on 1 and 2 ranks, interrupted, continued.
final class FolderDetectCommandTests: FaultTestCase {
    private func makeCheckpoint() throws -> String {
        _ = try whole(.supervised)
        let path = folder + "/whole-supervised/checkpoints/" + checkpoint(30)
        if !FileManager.default.fileExists(atPath: path) { _ = try finish(.supervised, 1, "whole-supervised", resume: false) }
        return path
    }

    private func makeFeatures(_ count: Int) throws {
        try FileManager.default.createDirectory(atPath: folder + "/new", withIntermediateDirectories: true)
        for index in 0..<count {
            let rows = 20 + 7 * index
            // Any numbers: a triangle wave of each column's own length.
            let values = (0..<rows * 8).map { place -> Float in
                let phase = Float(place / 8) / Float(4 + place % 8 + index)
                return 2 * abs(phase - phase.rounded()) - 0.5
            }
            let name = index == 0 ? "it's \"0\"" : "v\(index)"
            try numpyArray(values, columns: 8).write(to: URL(fileURLWithPath: "\(folder)/new/\(name).npy"))
        }
    }

    /// The same bytes from 1 and 2 ranks, and from a run that a signal ended on one number of ranks and that went on with another.
    func testRanksAndInterruption() throws {
        let checkpoint = try makeCheckpoint()
        try makeFeatures(40)
        let detect = ["detect", "--checkpoint", checkpoint, "--features", folder + "/new", "--json", "--set", "training.threads=1", "--output"]
        let one = try object(try start(executable, detect + [folder + "/one.json"]))
        XCTAssertEqual(one["videos"] as? Int, 40)
        XCTAssertEqual(one["continued"] as? Int, 0)
        let two = try object(try mpirun(2, detect + [folder + "/two.json"]))
        XCTAssertEqual(two["detections"] as? Int, one["detections"] as? Int)
        XCTAssertGreaterThan(try XCTUnwrap(one["detections"] as? Int), 40)
        XCTAssertEqual(try file("two.json"), try file("one.json"))

        let (code, text) = try terminated(detect + [folder + "/cut.json"], heldAt: "detecting:0:21")
        XCTAssertEqual(code, 75, text)
        XCTAssertTrue(
            text.hasSuffix("interrupted: SIGTERM came in detecting; 21 of 40 recordings are kept\n  do: start the same command again\n"), text)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/cut.json"))
        try? FileManager.default.removeItem(atPath: folder + "/held-0")
        let continued = try object(try mpirun(2, detect + [folder + "/cut.json"]))
        XCTAssertEqual(continued["continued"] as? Int, 21)
        XCTAssertEqual(continued["detections"] as? Int, one["detections"] as? Int)
        XCTAssertEqual(try file("cut.json"), try file("one.json"))
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/cut.json.progress"))

        // A store's detections are cut and written in the same way.
        let store = ["detect", "--checkpoint", checkpoint, "--store", folder + "/store.h5", "--subset", "Test", "--output"]
        _ = try object(try start(executable, store + [folder + "/s.csv", "--top-k", "2", "--min-score", "0.0001", "--json"]))
        let lines = String(decoding: try file("s.csv"), as: UTF8.self).split(separator: "\n")
        XCTAssertEqual(lines[0], "video,label,start,end,score")
        let counts = Dictionary(grouping: lines.dropFirst()) { $0.prefix { $0 != "," } }.mapValues(\.count)
        XCTAssertFalse(counts.isEmpty)
        XCTAssertTrue(counts.values.allSatisfy { $0 <= 2 }, "\(counts)")
    }

    func testOptionsThatDoNotGoTogether() throws {
        let cases: [(options: [String], what: String, advice: String)] = [
            ([], "neither --store nor --features was given", "give a feature store, or a folder of feature files"),
            (["--store", "s.h5", "--features", "new"], "--store and --features were both given", "leave one of them out"),
            (["--store", "s.h5", "--fps", "30"], "--fps was given with --store", "leave it out: it is said of --features"),
            (["--store", "s.h5", "--restart"], "--restart was given with --store", "leave it out: it is said of --features"),
            (["--features", "new", "--subset", "Test"], "--subset was given with --features", "leave it out: folders have no subsets"),
            (["--features", "new", "--piece-rows", "1000"], "--piece-rows is 1000", "give a multiple of 1024, at most 99999744"),
            (["--store", "s.h5", "--top-k", "0"], "--top-k is 0", "give a number above 0"),
            (["--store", "s.h5", "--min-score", "nan"], "--min-score is nan", "give a number from 0 to 1, as scores are"),
            (["--store", "s.h5", "--min-score", "1.5"], "--min-score is 1.5", "give a number from 0 to 1, as scores are"),
            (["--store", "s.h5", "--min-score=-0.1"], "--min-score is -0.1", "give a number from 0 to 1, as scores are"),
        ]
        for (options, what, advice) in cases {
            let ended = try start(executable, ["detect", "--checkpoint", "c.h5", "--output", folder + "/p.json"] + options)
            XCTAssertEqual(ended.errors, "error: \(what)\n  do: \(advice)\n")
            XCTAssertEqual(ended.code, 2, what)
        }
        try FileManager.default.createDirectory(atPath: folder + "/empty", withIntermediateDirectories: true)
        let checkpoint = try makeCheckpoint()
        let empty = try kairos("detect", "--checkpoint", checkpoint, "--features", folder + "/empty", "--output", folder + "/p.json")
        XCTAssertEqual(empty.code, 3)
        XCTAssertEqual(
            empty.errors,
            """
            error: no file is named VIDEO.npy; the folder is empty
              where: file 'FOLDER/empty'
              do: check the folder: files named VIDEO.npy were expected (--file-prefix and --file-suffix change this)

            """)
    }
}
