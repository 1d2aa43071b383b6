import ArgumentParser

struct BenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Measure parts of the work, alone or under mpirun.",
        subcommands: [
            BenchmarkCollectivesCommand.self, BenchmarkSelectionCommand.self, BenchmarkStepCommand.self, BenchmarkStoreCommand.self,
            BenchmarkSuppressionCommand.self,
        ])
}
