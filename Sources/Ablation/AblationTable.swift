import DetectionMetrics
import Diagnostics
import Foundation
import RunRecords

/// What the runs of a grid found, as far as they are done: written as Markdown for the user and as JSON for programs.
public struct AblationTable: Encodable, Equatable, Sendable {
    /// A run that is done.
    public struct Row: Encodable, Equatable, Sendable {
        public var name: String
        public var setting: String
        /// Above 0, to 1.
        public var labeledFraction: Double
        public var seed: Int
        /// Per tIoU threshold, and their mean; fractions.
        public var mAP: [Double]
        public var averageMAP: Double
        public var measures: [RunMeasure]

        enum CodingKeys: String, CodingKey {
            case name, setting, seed, mAP, measures
            case labeledFraction = "labeled_fraction"
            case averageMAP = "average_mAP"
        }
    }

    /// A run that failed, and its error as `launch/ablation` has kept it.
    public struct FailedRun: Encodable, Equatable, Sendable {
        public var name: String
        public var error: String
    }

    /// Setting and fraction over the seeds.
    public struct Cell: Encodable, Equatable, Sendable {
        public var setting: String
        /// Above 0, to 1.
        public var labeledFraction: Double
        /// Runs that are done.
        public var runs: Int
        /// Means over them; nil without any.
        public var mAP: [Double]?
        /// Mean of `mAP` over the tIoU thresholds, a fraction; nil without any run.
        public var averageMAP: Double?
        /// Sample standard deviation of `averageMAP` (n - 1); nil with fewer than two runs.
        public var deviation: Double?

        enum CodingKeys: String, CodingKey {
            case setting, runs, mAP, deviation
            case labeledFraction = "labeled_fraction"
            case averageMAP = "average_mAP"
        }
    }

    public var settings: [String]
    public var labeledFractions: [Double]
    public var seeds: [Int]
    /// Empty while no run is done.
    public var tiouThresholds: [Double]
    /// Setting by setting, within a setting fraction by fraction.
    public var cells: [Cell]
    public var rows: [Row]
    /// nil when no run has failed.
    public var failures: [FailedRun]?

    enum CodingKeys: String, CodingKey {
        case settings, seeds, cells, failures
        case rows = "runs"
        case labeledFractions = "labeled_fractions"
        case tiouThresholds = "tiou_thresholds"
    }

    /// Reads the metrics of the runs that are done.
    ///
    /// - Parameters:
    ///   - grid: the runs that were planned.
    ///   - runs: those of the grid, with their folders.
    ///   - measures: what else is to be told of a run (`Registry.measures`).
    /// - Throws: `Failure` (`.badInput`) for metrics that cannot be read or that are of other tIoU thresholds than the others.
    public init(_ grid: AblationGrid, runs: [AblationRun], measures: (AblationRun) throws -> [RunMeasure] = { _ in [] }) throws {
        settings = grid.settings.map(\.name)
        labeledFractions = grid.labeledFractions
        seeds = grid.seeds
        tiouThresholds = []
        rows = []
        for run in runs where run.state == .done {
            let files = RunFolder(run.folder)
            let result = try files.readMetrics(advice: "remove the run's folder to repeat the run")
            guard rows.isEmpty || result.tiouThresholds == tiouThresholds, result.mAP.count == result.tiouThresholds.count else {
                throw Failure.badInput(
                    "the metrics are of the tIoU thresholds \(result.tiouThresholds), those before of \(tiouThresholds)", at: .file(files.metrics),
                    advice: "remove the run's folder to repeat the run")
            }
            tiouThresholds = result.tiouThresholds
            rows.append(
                Row(
                    name: run.name, setting: run.setting.name, labeledFraction: run.labeledFraction, seed: run.seed, mAP: result.mAP,
                    averageMAP: result.averageMAP, measures: try measures(run)))
        }
        let failed = runs.filter { $0.state != .done }.compactMap { run -> FailedRun? in
            guard let bytes = FileManager.default.contents(atPath: run.folder + ".failed") else { return nil }
            return FailedRun(name: run.name, error: String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
        }
        failures = failed.isEmpty ? nil : failed
        cells = []
        for setting in settings {
            for fraction in labeledFractions {
                cells.append(Self.cell(setting, fraction, rows.filter { $0.setting == setting && $0.labeledFraction == fraction }))
            }
        }
    }

    private static func cell(_ setting: String, _ fraction: Double, _ rows: [Row]) -> Cell {
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        var cell = Cell(setting: setting, labeledFraction: fraction, runs: rows.count)
        guard let first = rows.first else { return cell }
        let average = mean(rows.map(\.averageMAP))
        cell.mAP = first.mAP.indices.map { i in mean(rows.map { $0.mAP[i] }) }
        cell.averageMAP = average
        if rows.count > 1 {
            let squares = rows.map { ($0.averageMAP - average) * ($0.averageMAP - average) }
            cell.deviation = (squares.reduce(0, +) / Double(rows.count - 1)).squareRoot()
        }
        return cell
    }

    // MARK: Markdown

    /// Two tables in per cent: settings by fractions, and every run.
    public var markdown: String {
        let thresholds = tiouThresholds.map { String(format: "%g", $0) }
        var text = "Average mAP in per cent"
        if !thresholds.isEmpty { text += " over the tIoU thresholds \(thresholds.joined(separator: ", "))" }
        text += ": mean" + (seeds.count > 1 ? " ± standard deviation over the seeds \(seeds.map(String.init).joined(separator: ", "))" : "")
        if settings.count > 1 { text += "; in brackets the difference from '\(settings[0])'" }
        text += ".\n\n" + Self.line(["setting"] + labeledFractions.map { "\(Self.percent($0)) % labels" }) + Self.rule(labeledFractions.count + 1)
        for (i, setting) in settings.enumerated() {
            let own = cells[i * labeledFractions.count..<(i + 1) * labeledFractions.count]
            text += Self.line([setting] + zip(own, cells).map { describe($0, base: i == 0 ? nil : $1) })
        }
        if let failures {
            text += "\nRuns that failed:\n\n"
            for run in failures { text += "- \(run.name): " + run.error.replacingOccurrences(of: "\n", with: "\n  ") + "\n" }
        }
        guard !rows.isEmpty else { return text }
        var names: [String] = []
        for measure in rows.flatMap(\.measures) where !names.contains(measure.name) { names.append(measure.name) }
        let head = ["setting", "labels", "seed"] + thresholds + ["average"] + names
        text += "\nEvery run: mAP in per cent per tIoU threshold.\n\n" + Self.line(head) + Self.rule(head.count)
        for row in rows {
            let measured = names.map { name in row.measures.first { $0.name == name }.map { Self.number(100 * $0.value) } ?? "–" }
            let precisions = (row.mAP + [row.averageMAP]).map { Self.number(100 * $0) }
            text += Self.line([row.setting, "\(Self.percent(row.labeledFraction)) %", "\(row.seed)"] + precisions + measured)
        }
        return text
    }

    private func describe(_ cell: Cell, base: Cell?) -> String {
        let done = cell.runs < seeds.count ? " (\(cell.runs) of \(seeds.count) runs)" : ""
        guard let average = cell.averageMAP else { return "–" + done }
        var text = Self.number(100 * average)
        if let deviation = cell.deviation { text += " ± \(Self.number(100 * deviation))" }
        if let base = base?.averageMAP { text += String(format: " (%+.1f)", 100 * (average - base)) }
        return text + done
    }

    private static func line(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacingOccurrences(of: "|", with: "\\|") }.joined(separator: " | ") + " |\n"
    }
    private static func rule(_ columns: Int) -> String { String(repeating: "|---", count: columns) + "|\n" }
    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }
    private static func percent(_ fraction: Double) -> String { String(format: "%g", 100 * fraction) }

    /// Writes `table.md` and `table.json` into `folder`.
    ///
    /// - Throws: `Failure` (`.failed`) when one of them cannot be written.
    public func write(to folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try replaceFile(at: folder + "/table.md", with: Data(markdown.utf8))
        try replaceFile(at: folder + "/table.json", with: try encoder.encode(self) + [UInt8(ascii: "\n")])
    }
}
