import ArgumentParser

package struct BenchmarkCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Measure steps, communication, contrast, reading and selection, on one or several ranks.",
        subcommands: [
            BenchmarkCollectivesCommand.self, BenchmarkContrastCommand.self, BenchmarkSelectionCommand.self, BenchmarkStepCommand.self,
            BenchmarkStoreCommand.self, BenchmarkSuppressionCommand.self,
        ])

    package init() {}
}
