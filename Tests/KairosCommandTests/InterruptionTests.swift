import Diagnostics
import Foundation
import XCTest

/// Signals that ask a run to end: a checkpoint, exit code 75, and `--resume` on another number of ranks to the bits of the uninterrupted run.
final class InterruptionTests: FaultTestCase {
    private func interrupted(_ signal: String, in stage: String, _ run: String, step: Int, of method: Method) -> String {
        """
        interrupted: \(signal) came in \(stage); the run is kept at step \(step) of \(method.steps)
          where: file 'FOLDER/\(run)/checkpoints/\(checkpoint(step))'
          do: start the same command with --resume; the number of ranks may be another that divides data.virtual_shards

        """
    }

    /// To one rank alone, to mpirun, to launch/mpirun; in every stage of a run.
    func testSignalsLeaveACheckpoint() throws {
        let cases: [(method: Method, ranks: Int, target: Job.Target, signal: Int32, name: String, step: Int)] = [
            (.supervised, 2, .rank(1), SIGUSR1, "SIGUSR1", 3), (.supervised, 4, .mpirun, SIGUSR1, "SIGUSR1", 10),
            (.supervised, 2, .launcher, SIGTERM, "SIGUSR1", 15), (.supervised, 1, .rank(0), SIGTERM, "SIGTERM", 20),
            (.apl, 4, .rank(3), SIGTERM, "SIGTERM", 1), (.apl, 2, .rank(0), SIGTERM, "SIGTERM", 12), (.apl, 4, .rank(2), SIGUSR1, "SIGUSR1", 35),
            (.apl, 2, .rank(1), SIGTERM, "SIGTERM", 40),
        ]
        for (number, one) in cases.enumerated() {
            let run = "s\(number)", what = "\(one)"
            var held = 0
            if case .rank(let rank) = one.target { held = rank }
            let job = try start(one.method, one.ranks, run, holds: [(.step, held, one.step)])
            XCTAssertTrue(job.waitUntilHeld(held), what)
            XCTAssertTrue(job.send(one.signal, to: one.target), what)
            let ended = try job.end()
            XCTAssertEqual(ended.code, 75, "\(what): \(ended.errors)")
            XCTAssertEqual(steps(run).last, one.step, what)
            let stages = [(4, "pre-training"), (34, "burn-in"), (39, "round 1"), (44, "round 2")]
            let stage = one.method == .supervised ? "training" : stages.first { one.step <= $0.0 }?.1 ?? ""
            XCTAssertTrue(ended.errors.contains(interrupted(one.name, in: stage, run, step: one.step, of: one.method)), "\(what): \(ended.errors)")
            XCTAssertFalse(ended.errors.contains("error: "), "\(what): \(ended.errors)")
            XCTAssertEqual(unfinished(run), [], what)
            XCTAssertFalse(job.isLeft, what)
            try requireResumes(one.method, [4, 1, 2][number % 3], run, what)
        }
    }

    /// Labelling and detecting write nothing on their way, so the stage begins again.
    func testSignalsWhileDetecting() throws {
        let cases: [(method: Method, step: Int, title: String, window: RunWindow)] = [
            (.supervised, 30, "detecting", .detecting), (.apl, 34, "round 1: labelling", .labelling),
        ]
        for (method, step, title, window) in cases {
            let run = "d-\(method)"
            let job = try start(method, 2, run, holds: [(window, 1, 1)])
            XCTAssertTrue(job.waitUntilHeld(1))
            XCTAssertTrue(job.send(SIGUSR1, to: .rank(1)))
            let ended = try job.end()
            XCTAssertEqual(ended.code, 75, ended.errors)
            XCTAssertTrue(ended.errors.contains(interrupted("SIGUSR1", in: title, run, step: step, of: method)), ended.errors)
            for name in ["predictions.json", "pseudo_labels"] { XCTAssertFalse(FileManager.default.fileExists(atPath: "\(folder)/\(run)/\(name)")) }
            try requireResumes(method, 4, run, "\(method)")
        }
    }

    func testDetectIsInterrupted() throws {
        _ = try whole(.supervised)
        let path = folder + "/whole-supervised/checkpoints/" + checkpoint(30)
        if !FileManager.default.fileExists(atPath: path) { _ = try finish(.supervised, 1, "whole-supervised", resume: false) }
        let arguments = [
            "detect", "--checkpoint", path, "--store", folder + "/store.h5", "--output", folder + "/p.json", "--set", "training.threads=1",
        ]
        let (code, text) = try terminated(arguments, heldAt: "detecting:0")
        XCTAssertEqual(code, 75, text)
        XCTAssertEqual(text, "interrupted: SIGTERM came in detecting\n  do: start the same command again\n")
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/p.json"))
    }

    /// Processes that another launcher has started as worlds of one.
    func testWorldsOfOneAreRefused() throws {
        let process = Process(), errors = Pipe()
        process.executableURL = executable
        process.arguments = ["train", folder + "/run.yaml", "--output", folder + "/w"]
        let marks = ["OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_"]
        process.environment = ProcessInfo.processInfo.environment.filter { variable in !marks.contains { variable.key.hasPrefix($0) } }
            .merging(["SLURM_STEP_NUM_TASKS": "4", "OMPI_MCA_ess_singleton_isolated": "1"]) { $1 }
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        XCTAssertEqual(process.terminationStatus, 2)
        XCTAssertEqual(
            text,
            """
            error: 4 processes were started together, but MPI finds this one alone
              do: start with mpirun, or with the launcher's option for this MPI (srun --mpi=pmix)

            """)
    }
}
