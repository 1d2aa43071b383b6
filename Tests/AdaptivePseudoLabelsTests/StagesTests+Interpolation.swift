import Checkpoints
import Foundation
import RunRecords
import TestSupport
import XCTest

/// `apl.burn_in_share`: what a run ends with lies between the burn-in's weights and the last round's.
extension StagesTests {
    /// Runs of 6 steps of burn-in and two rounds of 2, a checkpoint at each step.
    private func inFolder(_ overrides: [String], _ body: (_ folder: String, _ digest: String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "kairos-share-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let digest = try guardedRun(["apl.held_out_fraction=0"] + overrides, folder: folder)
        try body(folder, digest)
    }

    /// Weights, then their average.
    func weights(_ folder: String, step: Int) throws -> [[Float]] {
        let checkpoint = try RunFolder(folder).readCheckpoint(step: step)
        return try [.current, .ema].flatMap { kind in try checkpoint.parameters.map { try checkpoint.readValues(of: $0.name, kind) } }
    }

    func testWhatARunEndsWithLiesBetweenBurnInAndLastRound() throws {
        var without: [Int: [[Float]]] = [:]
        try inFolder([]) { folder, _ in for step in [6, 9, 10] { without[step] = try weights(folder, step: step) } }
        let share: Float = 0.25
        try inFolder(["apl.burn_in_share=\(share)"]) { folder, _ in
            for step in [6, 9] { XCTAssertEqual(try weights(folder, step: step), without[step], "step \(step): rounds are as they were") }
            let ends = zip(without[6] ?? [], without[10] ?? []).map { first, last in zip(first, last).map { share * $0 + (1 - share) * $1 } }
            XCTAssertEqual(try weights(folder, step: 10), ends)
            XCTAssertNotEqual(ends, without[10])
            let folder = RunFolder(folder)
            for (step, isKept) in [(5, false), (6, true), (9, true), (10, false)] {
                let state = try folder.readCheckpoint(step: step).header.methodState
                XCTAssertEqual(state["apl_burn_in_weights"] != nil, isKept, "step \(step)")
                XCTAssertEqual(state["apl_burn_in_average"] != nil, isKept, "step \(step)")
            }
        }
        try inFolder(["apl.burn_in_share=\(share)", "apl.rounds=0"]) { folder, _ in
            XCTAssertEqual(try weights(folder, step: 6), without[6], "a burn-in alone is itself")
        }
    }

    func testRunsWithAShareGoOnAsTheyWere() throws {
        for more in [[], ["apl.held_out_fraction=0.3", "apl.guard=true"]] {
            let overrides = ["apl.burn_in_share=0.5"] + more
            try inFolder(overrides) { folder, whole in
                let checkpoints = RunFolder(folder).checkpoints(keep: 100)
                for step in [9, 6, 5] {
                    checkpoints.removeAll(after: step)
                    XCTAssertEqual(
                        try guardedRun(["apl.held_out_fraction=0"] + overrides, folder: folder, resume: true), whole, "\(more) after step \(step)")
                }
            }
        }
    }

    func testStateOfTheShareIsChecked() throws {
        try inFolder(["apl.burn_in_share=0.5"]) { folder, _ in
            let state = try RunFolder(folder).readCheckpoint(step: 8).header.methodState
            let (method, _, _) = try method(["apl.burn_in_share=0.5"], labeled: 6)
            for key in ["apl_burn_in_weights", "apl_burn_in_average"] {
                var damaged = state
                damaged[key] = [UInt8](repeating: 0, count: 20)
                XCTAssertThrowsError(try method.restore(damaged)) { XCTAssertTrue("\($0)".contains("'\(key)' has 20 bytes"), "\($0)") }
            }
        }
    }

    func testSharesThatMakeNoSenseAreRefused() throws {
        let share = ["apl.burn_in_share=0.5"]
        for (change, reason, advice) in [
            (
                ["apl.student=restarted"], "students are restarted: their weights have nothing in common with the burn-in's",
                "apl.student to continued"
            ),
            (
                ["training.evaluate_every=2", "training.patience=2"], "training.patience may end the run before its last round ends",
                "training.patience to null"
            ),
        ] {
            XCTAssertThrowsError(try configuration(share + change)) {
                XCTAssertEqual(
                    "\($0)",
                    """
                    error: a share of the burn-in's weights is asked for, and \(reason)
                      where: key '--set apl.burn_in_share'
                      do: set apl.burn_in_share to 0, or \(advice)
                    """)
            }
            XCTAssertNoThrow(try configuration(share + change + ["apl.rounds=0"]))
        }
        XCTAssertThrowsError(try configuration(["apl.burn_in_share=1"]))
    }
}
