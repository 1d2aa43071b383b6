import Collectives
import Diagnostics

extension Communicator {
    /// Checks that all ranks run the same program, compiled for the same processor.
    ///
    /// - Throws: as `agree(on:name:)`.
    func agreeOnProgram() throws {
        try agree(on: ProgramVersion.current, name: "the program's version")
        try agree(on: Processor.compiledFor.joined(separator: " "), name: "what the program was compiled for")
    }
}
