import ArgumentParser
import Diagnostics

/// How a command says an error.
package enum CommandErrors {
    /// Says an error on standard error (or the help that was asked for on standard output).
    ///
    /// - Parameters:
    ///   - error: a `Failure`, or an error of the parser of arguments.
    ///   - command: the one whose usage is named with an error of the parser.
    /// - Returns: the exit code.
    package static func say(_ error: any Error, as command: any ParsableCommand.Type = Nameless.self) -> Int32 {
        if let failure = error as? Failure {
            StandardError.write(failure.description + "\n")
            return failure.exitCode
        }
        let code = command.exitCode(for: error)
        let message = command.fullMessage(for: error)
        if code.isSuccess {
            do {
                try StandardOutput.write(message)
                return 0
            } catch {
                return say(error, as: command)
            }
        }
        StandardError.write(message + "\n")
        return code == .validationFailure ? 2 : 1
    }

    /// For errors within a command that has begun, which name no usage.
    package struct Nameless: ParsableCommand {
        package static let configuration = CommandConfiguration(commandName: "kairos")

        package init() {}
    }
}
