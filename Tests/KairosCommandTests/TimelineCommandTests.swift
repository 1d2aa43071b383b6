import Foundation
import RunRecords
import XCTest

/// `train --timeline` as a user starts it.
final class TimelineCommandTests: FaultTestCase {
    func testTimeline() throws {
        let short = ["--set", "training.iterations=6", "--set", "data.evaluation_subset=null", "--set", "training.bucket_elements=64"]
        func train(_ run: String, _ more: [String]) throws -> Ended {
            try mpirun(2, ["train", folder + "/run.yaml", "--output", folder + "/" + run] + short + more)
        }
        let plain = try object(try train("p", ["--json"])), recorded = try object(try train("t", ["--json", "--timeline"]))
        XCTAssertEqual(plain["digest"] as? String, recorded["digest"] as? String)
        XCTAssertNil(plain["timeline"])
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/p/timeline"))
        let ranks = try XCTUnwrap(recorded["timeline"] as? [[String: Double]])
        XCTAssertEqual(ranks.map { $0["steps"] }, [6, 6])
        for (rank, sums) in ranks.enumerated() {
            let hidden = try XCTUnwrap(sums["communication_hidden"])
            XCTAssertTrue((0...1).contains(hidden), "\(hidden)")
            let names = ["forward", "backward", "adding", "optimizer", "waiting_data", "waiting_mpi"]
            let parts = names.reduce(0) { $0 + (sums["seconds_" + $1] ?? .nan) }
            XCTAssertLessThanOrEqual(parts, try XCTUnwrap(sums["seconds"]) * 1.001, "rank \(rank)")
            XCTAssertLessThanOrEqual(try XCTUnwrap(sums["seconds_transfer"]), try XCTUnwrap(sums["seconds"]) * 1.001)
            let trace = try XCTUnwrap(JSONSerialization.jsonObject(with: try file("t/timeline/rank-\(rank).json")) as? [String: Any])
            let events = try XCTUnwrap(trace["traceEvents"] as? [[String: Any]])
            func count(_ name: String, _ phase: String) -> Int {
                events.filter { $0["name"] as? String == name && $0["ph"] as? String == phase }.count
            }
            // Two shards of each rank, six steps.
            XCTAssertEqual(count("forward", "X"), 12)
            XCTAssertEqual(count("backward", "X"), 12)
            XCTAssertEqual(count("optimiser", "X"), 6)
            for round in ["pieces", "results"] {
                for phase in ["b", "e"] { XCTAssertEqual(count("bucket 3: \(round)", phase), 6) }
            }
        }
        let left = RunFolder(folder + "/t")
        XCTAssertEqual(left.recordedRanks, [0, 1])
        for rank in left.recordedRanks {
            let trace = try left.readTimeline(rank: rank)
            XCTAssertTrue(trace.title.hasPrefix("rank \(rank) on "), trace.title)
            XCTAssertEqual(trace.events.filter { $0.name == "forward" }.map(\.step), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
            XCTAssertEqual(trace.transfers.filter { $0.name == "bucket 3: pieces" }.map(\.step), [1, 2, 3, 4, 5, 6])
            XCTAssertTrue(trace.events.allSatisfy { $0.duration >= 0 && $0.begin >= 0 } && trace.transfers.allSatisfy { $0.duration >= 0 })
        }
        let lines = try RunLogLines(try file("t/log.jsonl"))
        XCTAssertEqual(lines.values.count, 6)
        XCTAssertTrue(lines.values.allSatisfy { $0["communication_hidden"] is Double && $0["seconds_transfer"] is Double })
        XCTAssertTrue(try RunLogLines(try file("p/log.jsonl")).values.allSatisfy { $0["communication_hidden"] == nil })
        // For people, on one rank: nothing travels. An older file of a rank that is no more goes.
        let alone = try kairos(
            "train", folder + "/run.yaml", "--output", folder + "/t", "--timeline", "--resume", "--set", "training.iterations=6", "--set",
            "data.evaluation_subset=null")
        XCTAssertEqual(alone.code, 0, alone.errors)
        XCTAssertTrue(alone.output.contains("timeline    \(folder)/t/timeline: no step was recorded"), alone.output)
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder + "/t/timeline"), ["rank-0.json"])
    }

    private struct RunLogLines {
        let values: [[String: Any]]
        init(_ data: Data) throws {
            values = try data.split(separator: UInt8(ascii: "\n")).compactMap { try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any] }
        }
    }
}
