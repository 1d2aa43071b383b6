import ArgumentParser
import CommandSupport
import Diagnostics
import Foundation
import Reports
import RunRecords

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write what was learnt in one or several runs as one HTML page.",
        discussion: """
            Examples:
              kairos report runs/sbhar --output sbhar.html
              kairos report runs/sbhar/supervised runs/sbhar/apl_seed0 runs/sbhar/apl_seed1 --output compared.html

            The page needs no network and no other file. It shows configuration, curves, stages and rounds, average precision, confusion of classes,
            error analysis, timelines of recordings, pseudo-labels and time. Several runs stand side by side, with their differences from the first
            one; of runs that differ in the seed alone it shows mean and spread. A run may still be going on. docs/reports.md describes every part.
            """)

    @Argument(help: "Folders of runs; the first is the one that others are compared with.")
    var runs: [String]
    @Option(help: "The HTML file to write (default: report.html in the first run's folder).")
    var output: String?
    @Option(help: "Ground truth of the evaluated recordings, ActivityNet JSON; default: what each run has left (truth.json).")
    var annotations: String?
    @Option(help: "Timelines of so many recordings, of each run and kind.")
    var recordings = 8
    @OptionGroup var report: OutputOptions

    /// Runs compared at most.
    private static let most = 64

    func validate() throws {
        if !(0...200).contains(recordings) { throw ValidationError("--recordings must be from 0 to 200, not \(recordings)") }
        if runs.count > Self.most { throw ValidationError("\(runs.count) runs are given, at most \(Self.most) can be compared") }
    }

    func run() throws {
        try requireOneRank("report")
        let path = output ?? "\(runs[0])/report.html"
        try requireApart(path, runs)
        if output != nil { try requireWritablePlace(of: path, apartFrom: [annotations]) }
        let read = try runs.map { try ReportedRun(path: $0, annotations: annotations) }
        var limits = RunReport.Limits()
        limits.recordings = recordings
        try replaceFile(at: path, with: Data(RunReport(read, limits: limits).html().utf8))
        for run in read { run.notes.forEach { note("note: '\(run.folder.path)': \($0)") } }
        try report.report(["path": path], text: "report  \(path)")
    }
}

struct PlotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plot",
        abstract: "Write one figure of a run as SVG.",
        discussion: """
            Examples:
              kairos plot runs/sbhar --figure loss --output loss.svg
              kairos plot runs/sbhar --figure timeline --recording exp03_user02 --output timeline.svg
              kairos plot runs/sbhar --figure precision-recall --class WALKING --output walking.svg

            Figures:
            \(RunFigure.allCases.map { "  \($0.rawValue.padding(toLength: 22, withPad: " ", startingAt: 0))\($0.words)" }.joined(separator: "\n"))

            They follow the reader's light or dark theme.
            """)

    @Argument(help: "The folder of the run.")
    var folder: String
    @Option(help: "Which figure; the list is above.")
    var figure: String
    @Option(help: "The SVG file to write.")
    var output: String
    @Option(help: "For timeline: the recording (default: the first that is evaluated).")
    var recording: String?
    @Option(name: .customLong("class"), help: "For precision-recall: the class whose curves are drawn (default: all classes at tIoU 0.5).")
    var className: String?
    @Option(help: "Ground truth of the evaluated recordings, ActivityNet JSON; default: what the run has left (truth.json).")
    var annotations: String?
    @OptionGroup var report: OutputOptions

    func run() throws {
        try requireOneRank("plot")
        let names = RunFigure.allCases.map(\.rawValue)
        guard let kind = RunFigure(rawValue: figure) else {
            throw Failure.wrongUsage(
                "the figure '\(figure)' is unknown" + (nearestName(to: figure, among: names).map { "; did you mean '\($0)'?" } ?? ""),
                at: .key("--figure"), advice: "give one of \(names.joined(separator: ", "))")
        }
        for (option, isGiven, owner) in [("--recording", recording != nil, RunFigure.timeline), ("--class", className != nil, .precisionRecall)]
        where isGiven && kind != owner {
            throw Failure.wrongUsage(
                "\(option) is for the figure \(owner.rawValue)", at: .key(option), advice: "leave it out, or give --figure \(owner.rawValue)")
        }
        try requireApart(output, [folder])
        try requireWritablePlace(of: output, apartFrom: [annotations])
        let svg = try kind.svg(of: try ReportedRun(path: folder, annotations: annotations), recording: recording, className: className)
        try replaceFile(at: output, with: Data(svg.utf8))
        try report.report(["path": output], text: "figure  \(output)")
    }
}

/// Refuses an output that would replace a file of a run.
private func requireApart(_ output: String, _ runs: [String]) throws {
    for run in runs {
        let folder = RunFolder(run)
        guard let file = folder.files.first(where: { areSamePlace($0, output) }) else { continue }
        throw Failure.wrongUsage("the output would replace a file of the run", at: .file(file), advice: "choose another --output")
    }
}
