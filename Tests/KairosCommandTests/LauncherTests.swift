import Foundation
import XCTest

/// `launch/mpirun` with stand-ins for `mpirun` and `df`: what it looks at first, what it passes on, and that it ends.
final class LauncherTests: CommandTestCase {
    private var launcher: String { root.appendingPathComponent("launch/mpirun").path }

    private func standIn(_ name: String, _ body: String) throws {
        try FileManager.default.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
        try write("#!/bin/bash\n" + body, "bin/" + name)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(folder)/bin/\(name)")
    }

    /// Runs a script of bash with the stand-ins before other programs and `$M` for the launcher.
    private func shell(_ script: String) throws -> Ended {
        let text = "PATH=\(folder)/bin:$PATH; M=\(launcher); cd \(folder); " + script
        return try start(URL(fileURLWithPath: "/bin/bash"), ["-c", text])
    }

    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder + "/" + name) }

    func testRoomForOpenMPI() throws {
        try standIn("mpirun", "touch FOLDER/started\n")
        try FileManager.default.createDirectory(atPath: folder + "/t", withIntermediateDirectories: true)
        let temporary = "free space there, or name another folder on a local disk with TMPDIR=FOLDER"
        let shared = "remove what lies in /dev/shm, enlarge it (mount -o remount,size=..., docker run --shm-size=...), or start fewer ranks"
        // What df says of TMPDIR and of /dev/shm.
        let cases: [(ranks: Int, temporary: String, shared: String, what: String, advice: String)] = [
            (
                2, "64 9999", "999999 9999", "the folder for temporary files 'FOLDER/t' has 64 KiB free, Open MPI needs 8416 KiB for 2 ranks",
                temporary
            ),
            (1, "64 9999", "0 0", "the folder for temporary files 'FOLDER/t' has 64 KiB free, Open MPI needs 8408 KiB for 1 rank", temporary),
            (
                4, "99999 59", "999999 9999", "the folder for temporary files 'FOLDER/t' has room for 59 more files, Open MPI needs 60 for 4 ranks",
                temporary
            ),
            (3, "99999 9999", "12599 9999", "the shared memory '/dev/shm' has 12599 KiB free, Open MPI needs 12600 KiB for 3 ranks", shared),
            (3, "99999 9999", "99999 2", "the shared memory '/dev/shm' has room for 2 more files, Open MPI needs 3 for 3 ranks", shared),
            (3, "99999 -", "12600 3", "", ""), (1, "8408 45", "0 0", "", ""),
        ]
        for one in cases {
            try standIn("df", "case ${!#} in /dev/shm) echo \(one.shared) ;; *) echo \(one.temporary) ;; esac\n")
            let ended = try shell("TMPDIR=\(folder)/t $M \(one.ranks) true")
            XCTAssertEqual(ended.errors, one.what.isEmpty ? "" : "error: \(one.what)\n  do: \(one.advice)\n")
            XCTAssertEqual(ended.code, one.what.isEmpty ? 0 : 1)
            XCTAssertEqual(exists("started"), one.what.isEmpty, "\(one)")
        }
        try FileManager.default.removeItem(atPath: folder + "/bin/df")
        try FileManager.default.removeItem(atPath: folder + "/started")
        let file = try shell("touch file; TMPDIR=\(folder)/file $M 2 true")
        XCTAssertEqual(
            file.errors, "error: the folder for temporary files 'FOLDER/file' is not a folder\n  do: name another folder with TMPDIR=FOLDER\n")
        // Not even root makes files there.
        let dead = try shell("TMPDIR=/proc $M 1 true")
        XCTAssertTrue(dead.errors.hasPrefix("error: the folder for temporary files '/proc' "), dead.errors)
        XCTAssertEqual([file.code, dead.code], [1, 1])
        XCTAssertFalse(exists("started"))
    }

    func testTheBuiltProgramIsFoundFromAnyFolder() throws {
        let found = try shell("cd /; $M 1 kairos inspect --help")
        XCTAssertEqual(found.code, 0, found.errors)
        XCTAssertTrue(found.output.hasPrefix("OVERVIEW: Say what a feature store"), found.output)
        // Another project, in which nothing is built.
        let copy = "mkdir -p p/launch; cp \(root.path)/launch/{mpirun,room.sh} p/launch; "
        let none = try shell(copy + "PATH=/usr/bin:/bin p/launch/mpirun 2 kairos train c.yaml")
        XCTAssertEqual(none.errors, "error: the program 'kairos' is not built\n  do: run launch/build\n")
        let named = try shell(copy + "p/launch/mpirun 2 --oversubscribe --map-by slot p/.build/release/kairos train c.yaml")
        XCTAssertEqual(
            named.errors, "error: there is no program 'p/.build/release/kairos'\n  do: run launch/build, or name the program that it has built\n")
        let other = try shell("$M 2 nosuchprogram --help")
        XCTAssertEqual(
            other.errors,
            "error: there is no program 'nosuchprogram'\n"
                + "  do: name a program that is on the PATH, or its path, for example: launch/mpirun 2 kairos --help\n")
        XCTAssertEqual([none.code, named.code, other.code], [1, 1, 1])
    }

    func testStreamsArePassedOn() throws {
        let ended = try shell("printf 'one\\ntwo' | $M 1 bash -c 'cat; echo said >&2; exit 5'")
        XCTAssertEqual(ended.code, 5)
        XCTAssertEqual(ended.output, "one\ntwo")
        XCTAssertTrue(ended.errors.hasPrefix("said\n"), ended.errors)
        let full = try shell("$M 1 echo hi > /dev/full")
        XCTAssertEqual(full.code, 1)
        XCTAssertEqual(full.errors, "error: standard output could not be written\n  do: free space where it goes, or send it to another place\n")
        // The reader has gone before anything is written.
        let gone = try shell("($M 1 bash -c 'while [ ! -e closed ]; do sleep 0.01; done; echo hi'; echo $? > code) | (exec 0<&-; touch closed)")
        XCTAssertEqual(gone.errors, "")
        XCTAssertEqual(try String(decoding: file("code"), as: UTF8.self), "141\n")
    }

    func testTheProgramsErrorIsLast() throws {
        let dashes = String(repeating: "-", count: 74)
        let block = "\(dashes)\nPrimary job  terminated normally, but 1 process returned\na non-zero exit code.\n\(dashes)\n"
        let error = "error: it is so\n  where: rank 1\n  do: look\n"
        let more =
            "[vm:1] 1 more process has sent help message help-mpi-api.txt / mpi-abort\n"
            + "[vm:1] Set MCA parameter \"orte_base_help_aggregate\" to 0 to see all help / error messages\n"
            + "[vm:1] [[26621,0],0] ORTE_ERROR_LOG: Out of resource in file show_help.c at line 501\n"
        let cases: [(said: String, shown: String)] = [
            (error + block + block + more, error), (block + error + block, block + error), (block + more, block + more),
            ("mpirun: Forwarding signal 10 to job\ninterrupted: it is so\n" + block, "interrupted: it is so\n"),
            // The error of another rank within a block is not lost, nor a line of dashes that begins nothing, nor an unfinished line.
            ("\(dashes)\nMPI_ABORT\n\(error)\(dashes)\n", error),
            ("\(dashes)\nwords", "\(dashes)\nwords"), ("words", "words"),
        ]
        for one in cases {
            try write(one.said, "said")
            try standIn("mpirun", "cat FOLDER/said >&2; exit 3\n")
            let ended = try shell("$M 2 true")
            XCTAssertEqual(ended.errors.trimmingCharacters(in: .newlines), one.shown.trimmingCharacters(in: .newlines))
            XCTAssertEqual(ended.code, 3)
        }
        // Open MPI itself.
        try FileManager.default.removeItem(atPath: folder + "/bin/mpirun")
        let ended = try shell("$M 2 \(executable.path) train none.yaml --output r")
        XCTAssertEqual(ended.code, 3, ended.errors)
        XCTAssertEqual(ended.errors.split(separator: "\n").last?.hasPrefix("  do: "), true, ended.errors)
    }

    /// - Returns: the exit code.
    private func signalTwice(_ body: String) throws -> Int32 {
        try standIn("mpirun", body)
        let ended = try shell(
            """
            $M 2 true & launcher=$!
            while [ ! -e started ]; do sleep 0.01; done
            kill -TERM $launcher; kill -TERM $launcher
            while [ ! -e asked ]; do sleep 0.01; done
            sleep 0.3
            kill -TERM $launcher
            wait $launcher
            """)
        return ended.code
    }

    /// Also where mpirun itself does not listen: it and its ranks are killed then.
    func testTheSecondSignalEnds() throws {
        let rank = "bash -c 'trap \"\" TERM; echo $$ > FOLDER/rank; while true; do sleep 1; done' &\n"
        let wait = "touch FOLDER/started; while true; do sleep 0.05; done\n"
        // Twice at once is once.
        XCTAssertEqual(try signalTwice("trap 'touch FOLDER/asked' USR1; trap 'exit 9' TERM\n" + wait), 9)
        for name in ["started", "asked"] { try FileManager.default.removeItem(atPath: folder + "/" + name) }
        XCTAssertEqual(try signalTwice("trap 'touch FOLDER/asked' USR1; trap '' TERM\n" + rank + wait), 137)
        let process = try XCTUnwrap(Int32(String(decoding: file("rank"), as: UTF8.self).trimmingCharacters(in: .newlines)))
        let state = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        XCTAssertTrue(state == nil || state?.contains(") Z ") == true, state ?? "")
    }

    func testAnMpirunThatOutlivesItsRanksIsEnded() throws {
        // Stopped, it neither ends nor takes note of its children's end.
        try standIn("mpirun", "sleep 0.5 & wait; sleep 0 & kill -STOP $$\n")
        let ended = try shell("$M 2 true")
        XCTAssertEqual(ended.code, 1)
        XCTAssertEqual(
            ended.errors,
            """
            error: mpirun did not end although all its ranks had: it was killed
              do: look at the lines above for what ended the ranks, then start again (train with --resume)

            """)
    }

    func testAKilledLauncherTakesItsJobWithIt() throws {
        try standIn("mpirun", "trap 'touch FOLDER/ended; exit 1' TERM; touch FOLDER/started; while true; do sleep 0.05; done\n")
        let ended = try shell(
            "$M 1 true & while [ ! -e started ]; do sleep 0.01; done; kill -KILL $!; while [ ! -e ended ]; do sleep 0.01; done")
        XCTAssertEqual(ended.code, 0)
    }

    /// `kairos hold`, for scripts that work in a folder of several runs.
    func testScriptsHoldTheirFolder() throws {
        try write("settings: {a: {}}\n", "grid.yaml")
        let ended = try shell(
            """
            mkdir grid; mkfifo line; \(executable.path) hold grid < line > said & exec 8> line
            while [ ! -s said ]; do sleep 0.01; done
            \(root.path)/launch/ablation grid.yaml grid; echo $?; ls grid
            exec 8>&-; wait; ls grid
            """)
        XCTAssertEqual(ended.output, "1\nrun.lock\n")
        XCTAssertTrue(ended.errors.hasPrefix("error: another job works in this folder: process "), ended.errors)
        XCTAssertTrue(ended.errors.hasSuffix("/grid'\n  do: wait until it ends, or choose another output\n"), ended.errors)
    }
}
