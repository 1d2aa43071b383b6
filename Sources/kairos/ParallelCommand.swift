import Collectives
import Diagnostics
import Foundation

/// Runs the body of a command that all ranks run together, so that an error is said once.
///
/// Errors that all ranks share are said by rank 0, whose exit makes `mpirun` end the others; a rank that fails alone waits a moment for that, then
/// speaks.
func withRanks(_ body: (Communicator) throws -> Void) throws {
    let world = try Communicator.world()
    do {
        try body(world)
    } catch {
        guard world.size > 1, !world.isRoot else { throw error }
        Thread.sleep(forTimeInterval: 3)
        guard var failure = error as? Failure else { throw error }
        if !failure.places.contains(where: { if case .rank = $0 { true } else { false } }) { failure.places.insert(.rank(world.rank), at: 0) }
        throw failure
    }
}

/// Writes a line for people to standard error.
func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
