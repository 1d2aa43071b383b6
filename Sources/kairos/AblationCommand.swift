import Ablation
import ArgumentParser
import CommandSupport
import Diagnostics
import StandardRegistry
import TrainingMethods

struct AblationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ablation",
        abstract: "Compare settings x label fractions x seeds: plan the runs, tabulate their metrics.",
        discussion: """
            launch/ablation GRID.yaml [FOLDER] plans, trains what is not done yet, and writes the table. docs/ablation.md describes the grid.
            """,
        subcommands: [AblationPlanCommand.self, AblationTableCommand.self])
}

struct AblationOptions: ParsableArguments {
    @Argument(help: "The grid, a YAML file.")
    var grid: String
    @Argument(help: "Holds the runs' folders.")
    var folder: String
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Set a key of every run's configuration; takes precedence over the settings.", valueName: "key.path=value"))
    var set: [String] = []
    @OptionGroup var output: OutputOptions

    func plan() throws -> (grid: AblationGrid, runs: [AblationRun]) {
        let grid = try AblationGrid(path: grid)
        return (grid, try grid.plan(folder: folder, overrides: set, registry: .standard))
    }
}

struct AblationPlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Print one line per run: name, state (done, begun, new), ranks, and the arguments of kairos, separated by tabs.",
        discussion: """
            Example:
              kairos ablation plan configs/ablation_sbhar.yaml runs/ablation_sbhar --set data.store=sbhar.h5

            Every run's configuration is read, so that mistakes are found before the first run.
            """)

    @OptionGroup var options: AblationOptions

    private struct Line: Encodable {
        var name: String
        var state: AblationRun.State
        var ranks: Int
        var arguments: [String]
    }

    func run() throws {
        try requireOneRank("ablation plan")
        let plan = try options.plan()
        for run in plan.runs where run.arguments.contains(where: { $0.isEmpty || $0.contains("\t") || $0.contains("\n") }) {
            throw Failure.wrongUsage(
                "an argument of a run is empty or holds a tab or the end of a line", at: .file(options.grid), .key("settings.\(run.setting.name)"),
                advice: "rename the files or folders so that their names do not")
        }
        let lines = plan.runs.map { Line(name: $0.name, state: $0.state, ranks: plan.grid.ranks, arguments: $0.arguments) }
        try options.output.report(
            ["runs": lines],
            text: lines.map { ([$0.name, $0.state.rawValue, "\($0.ranks)"] + $0.arguments).joined(separator: "\t") }.joined(separator: "\n"))
    }
}

struct AblationTableCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table",
        abstract: "Write FOLDER/table.md and FOLDER/table.json from the metrics of the runs that are done.",
        discussion: """
            Example:
              kairos ablation table configs/ablation_sbhar.yaml runs/ablation_sbhar --set data.store=sbhar.h5

            For runs with pseudo-labels whose quality was measured, the table has that of the last round too.
            """)

    @OptionGroup var options: AblationOptions

    func run() throws {
        try requireOneRank("ablation table")
        let plan = try options.plan()
        let table = try AblationTable(plan.grid, runs: plan.runs, measures: Registry.standard.measures)
        try table.write(to: options.folder)
        try options.output.report(table, text: table.markdown)
    }
}
