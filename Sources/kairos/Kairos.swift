import ArgumentParser
import BenchmarkCommands
import Checkpoints
import CommandSupport
import Diagnostics
import Foundation

@main
struct Kairos: ParsableCommand {
    /// Computed, since the build's digest is taken from the whole program: when it is asked for alone.
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "kairos",
            abstract: "Temporal action localization from few or weak labels, trained data-parallel over MPI.",
            discussion: """
                Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad input data, 75 interrupted by a signal (start it again, train with --resume).

                With several ranks, a rank that makes no progress for 60 s is named and the job ends. The environment variable KAIROS_STALL_SECONDS sets
                another limit; in a training, training.stall_seconds does.
                """,
            version: CommandLine.arguments.contains("--version") ? "kairos \(ProgramVersion.text)" : ProgramVersion.current,
            subcommands: [
                AblationCommand.self,
                BenchmarkCommand.self,
                ConfigurationCommand.self,
                ConfigureCommand.self,
                DetectCommand.self,
                EvaluateCommand.self,
                ExportCommand.self,
                HoldCommand.self,
                ImportCommand.self,
                InspectCommand.self,
                PlanCommand.self,
                PlotCommand.self,
                ProbeCommand.self,
                ReportCommand.self,
                SynthesizeCommand.self,
                TrainCommand.self,
            ])
    }

    /// Parses, runs, and turns every error into one message on standard error and the documented exit code.
    static func main() {
        Processor.require()
        StandardOutput.secure()
        // A file beyond the user's limit is an error of the write, not the end without a word.
        signal(SIGXFSZ, SIG_IGN)
        do {
            var command = try parseAsRoot(joinedNegatives(Array(CommandLine.arguments.dropFirst())))
            try command.run()
        } catch {
            Foundation.exit(CommandErrors.say(error, as: Kairos.self))
        }
    }

    /// `--option -1` as `--option=-1`: a number is no name of an option, and is refused, or taken, as what it is.
    private static func joinedNegatives(_ arguments: [String]) -> [String] {
        arguments.reduce(into: []) { result, argument in
            if argument.hasPrefix("-"), Double(argument) != nil, let option = result.last, option.hasPrefix("--"), !option.contains("=") {
                result[result.count - 1] = option + "=" + argument
            } else {
                result.append(argument)
            }
        }
    }
}
