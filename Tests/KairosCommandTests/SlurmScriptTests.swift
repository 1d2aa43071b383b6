import Foundation
import XCTest

/// The templates of `launch/slurm` with stand-ins for Slurm's programs: what they start, and that an interrupted job goes back to the queue.
final class SlurmScriptTests: FaultTestCase {
    private func standIn(_ name: String, _ body: String) throws {
        let path = folder + "/bin/" + name
        try FileManager.default.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
        try write("#!/bin/bash\n" + body, "bin/" + name)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    /// Slurm's environment for two tasks of one core.
    private var environment: [String] {
        [
            "PATH=\(folder)/bin:" + (ProcessInfo.processInfo.environment["PATH"] ?? ""), "SLURM_NTASKS=2", "SLURM_CPUS_PER_TASK=1", "SLURM_JOB_ID=77",
            "CONFIG=\(folder)/run.yaml", "RUN=\(folder)/r", "KAIROS=\(executable.path)",
        ]
    }

    override func setUpWithError() throws {
        try super.setUpWithError()
        try standIn("scontrol", "echo scontrol \"$@\"\n")
    }

    func testMPIRunPassesTheSignalOn() throws {
        // Binding is left out: other jobs share this machine's cores.
        try standIn(
            "mpirun",
            "arguments=(); while [ $# -gt 0 ]; do case $1 in --map-by | --bind-to) shift 2 ;; *) arguments+=(\"$1\"); shift ;; esac; done\n"
                + "PATH=${PATH#*:} exec mpirun --oversubscribe \"${arguments[@]}\"\n")
        let process = Process(), output = folder + "/batch"
        process.currentDirectoryURL = root
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = environment + ["KAIROS_TEST_HOLD=step:0:3", "KAIROS_TEST_HOLD_FOLDER=\(folder)", "bash", "launch/slurm/mpirun.sbatch"]
        let marks = ["OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_"]
        process.environment = ProcessInfo.processInfo.environment.filter { variable in !marks.contains { variable.key.hasPrefix($0) } }
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        process.standardOutput = FileHandle(forWritingAtPath: output)
        process.standardError = process.standardOutput
        try process.run()
        while process.isRunning, !FileManager.default.fileExists(atPath: folder + "/held-0") { usleep(5_000) }
        // B:USR1@120: to the batch script alone.
        kill(process.processIdentifier, SIGUSR1)
        process.waitUntilExit()
        let text = try String(contentsOfFile: output, encoding: .utf8)
        XCTAssertEqual(process.terminationStatus, 75, text)
        XCTAssertTrue(text.contains("interrupted: SIGUSR1 came in"), text)
        XCTAssertTrue(text.hasSuffix("interrupted with a checkpoint; the job goes back to the queue\nscontrol requeue 77\n"), text)
    }

    func testSrun() throws {
        for (code, last) in [(75, "interrupted with a checkpoint; the job goes back to the queue\nscontrol requeue 77\n"), (3, ""), (0, "")] {
            try standIn("srun", "echo srun \"$@\"; exit \(code)\n")
            let ended = try start(
                URL(fileURLWithPath: "/usr/bin/env"), environment + ["bash", root.appendingPathComponent("launch/slurm/srun.sbatch").path])
            XCTAssertEqual(ended.code, Int32(code))
            XCTAssertEqual(
                ended.output,
                "srun --mpi=pmix --cpus-per-task=1 --cpu-bind=cores --kill-on-bad-exit=1 \(executable.path) train \(folder)/run.yaml "
                    + "--output \(folder)/r --resume --set training.threads=1\n" + last)
        }
    }

    func testByHandTheScriptsSayWhatTheyNeed() throws {
        try standIn("srun", "echo started\n")
        try standIn("mpirun", "echo started\n")
        let path = "PATH=\(folder)/bin:" + (ProcessInfo.processInfo.environment["PATH"] ?? "")
        let job = ["SLURM_JOB_ID=77"], tasks = ["SLURM_NTASKS=2", "SLURM_CPUS_PER_TASK=1"], config = "CONFIG=\(folder)/run.yaml"
        for name in ["srun", "mpirun"] {
            let script = root.appendingPathComponent("launch/slurm/\(name).sbatch").path
            let cases: [(variables: [String], what: String, advice: String)] = [
                (
                    [], "this is a batch script for Slurm, and there is no Slurm job here (SLURM_JOB_ID is not set)",
                    "put in account, partition, sizes and paths, then write: sbatch launch/slurm/\(name).sbatch"
                ),
                (
                    job + ["SLURM_NTASKS=2"], "Slurm has not set SLURM_CPUS_PER_TASK",
                    "keep --ntasks-per-node and --cpus-per-task in this script, or give both to sbatch"
                ),
                (
                    job + tasks + ["CONFIG=none.yaml"], "there is no configuration 'none.yaml' in 'ROOT'",
                    "name it: CONFIG=FILE sbatch launch/slurm/\(name).sbatch"
                ),
                (
                    job + tasks + [config, "KAIROS=none"], "there is no program 'none' in 'ROOT'",
                    "run launch/build, or name it: KAIROS=PROGRAM sbatch launch/slurm/\(name).sbatch"
                ),
            ]
            for one in cases {
                let ended = try start(URL(fileURLWithPath: "/usr/bin/env"), ["-C", root.path, path] + one.variables + ["bash", script])
                XCTAssertEqual(ended.code, 2, ended.errors)
                XCTAssertEqual(
                    ended.errors.replacingOccurrences(of: root.path, with: "ROOT"), "error: \(one.what)\n  do: \(one.advice)\n")
                XCTAssertEqual(ended.output, "")
            }
        }
    }
}
