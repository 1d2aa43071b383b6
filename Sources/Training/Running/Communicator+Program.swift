import Checkpoints
import Collectives
import Diagnostics

extension Communicator {
    /// Checks that all ranks run the same build of the program, compiled for the same processor; before anything else that ranks do together.
    ///
    /// - Throws: as `agree(on:name:)`.
    public func agreeOnProgram() throws {
        guard size > 1 else { return }
        try agree(on: ProgramVersion.text, name: "the program")
        try agree(on: Processor.compiledFor.joined(separator: " "), name: "what the program was compiled for")
    }
}
