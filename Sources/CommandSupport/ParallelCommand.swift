import ArgumentParser
import Collectives
import Diagnostics
import Foundation
import Training

/// Runs the body of a command that all ranks run together, so that an error is said once.
///
/// Errors that all ranks share are said by rank 0, which then ends all ranks. A rank that fails alone waits a moment for that, then speaks and ends
/// all ranks itself: those that wait for it would wait forever where nobody watches over exit codes (`srun` without `--kill-on-bad-exit`). An
/// interruption is an orderly end that all ranks come to together: they end MPI, then each exits with the code of interruptions.
///
/// - Parameter mindsSignals: `body` asks `Interruption` whether to end; otherwise the watch ends several ranks at a signal, and the signal one alone.
package func withRanks(mindsSignals: Bool = false, _ body: (Communicator) throws -> Void) throws {
    let launched = JobEnvironment().launched
    if mindsSignals || launched != nil { Interruption.catchSignals() }
    let limit: StallLimit
    do {
        limit = try .usual()
    } catch {
        // Rank 0 speaks; its exit ends the others under mpirun.
        if let launched, launched.rank > 0 { Thread.sleep(forTimeInterval: 3) }
        throw error
    }
    let world = try Communicator.world(watched: limit)
    do {
        StallWatch.warnings.forEach(note)
        if !mindsSignals { StallWatch.current?.endAtSignals() }
        let job = JobEnvironment()
        try job.requireOneWorld(ranks: world.size)
        try world.agreeOnProgram()
        if world.isRoot, let warning = job.idleHostsWarning(ranks: world.size, hosts: Set(world.hosts).count, hostName: world.hostName) {
            note(warning)
        }
        try body(world)
        RunWindow.finished.pass()
    } catch {
        guard world.size > 1 else { throw error }
        if let failure = error as? Failure, failure.kind == .interrupted {
            if world.isRoot { _ = CommandErrors.say(failure) }
            world.finalize()
            Foundation.exit(failure.exitCode)
        }
        // A failing message may mean a dead rank, which the watch names.
        if world.hasFailed { Thread.sleep(forTimeInterval: 1) }
        Thread.sleep(forTimeInterval: world.secondsBeforeSpeaking)
        var said = error
        if var failure = error as? Failure, !failure.places.contains(where: { if case .rank = $0 { true } else { false } }) {
            failure.places.insert(.rank(world.rank), at: 0)
            said = failure
        }
        world.takeOver()
        world.abort(CommandErrors.say(said))
    }
}

/// Refuses to run on several ranks, for commands that work alone: each rank would do the same work and write the same files.
///
/// Asks the environment, so that such a command need not start MPI.
package func requireOneRank(_ command: String) throws {
    let environment = ProcessInfo.processInfo.environment
    func number(_ names: [String]) -> Int? { names.lazy.compactMap { environment[$0].flatMap(Int.init) }.first }
    guard let ranks = number(["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"]), ranks > 1 else { return }
    let failure = Failure.wrongUsage(
        "'kairos \(command)' works on one rank, \(ranks) were started", advice: "start it without mpirun, or with one rank")
    if (number(["OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"]) ?? 0) > 0 {
        // Rank 0 speaks; its exit ends the others under mpirun.
        Thread.sleep(forTimeInterval: 3)
        Foundation.exit(failure.exitCode)
    }
    throw failure
}

/// Writes a line for the user to standard error.
package func note(_ text: String) { StandardError.write(text + "\n") }
