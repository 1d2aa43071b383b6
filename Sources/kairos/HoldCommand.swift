import ArgumentParser
import CommandSupport
import Diagnostics
import Foundation

/// Locks a folder for a script: those of `launch/` that work in a folder of several runs.
struct HoldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Lock a folder for a script.",
        discussion: "Prints a line when no other job works in FOLDER, and keeps it locked until standard input ends.",
        shouldDisplay: false)

    @Argument(help: "The folder.")
    var folder: String

    func run() throws {
        // Meant for the script, which ends in its own time.
        for number in [SIGINT, SIGHUP] { signal(number, SIG_IGN) }
        let lock = try OutputLock(.folder(folder, names: []))
        defer { lock.release() }
        lock.warning.map(note)
        try StandardOutput.write("held")
        while readLine() != nil {}
    }
}
