import Foundation

/// The figures of a store's recordings as text with small histograms.
public enum StatisticsText {
    /// The lines of all blocks, one block for all recordings and one for each subset.
    public static func text(_ statistics: [StoreStatistics]) -> String { statistics.flatMap(lines).joined(separator: "\n") }

    /// Classes shown of each block.
    private static let mostClasses = 40
    /// Characters of the longest bar.
    private static let widest = 40

    private static func lines(_ one: StoreStatistics) -> [String] {
        var lines = [one.subset.map { "subset '\($0)'" } ?? "all recordings"]
        var labels = "\(one.labelledRecordings) with actions"
        if one.weaklyLabelledRecordings > 0 { labels += ", \(one.weaklyLabelledRecordings) with weak labels only" }
        lines.append("  recordings \(one.recordings), \(labels); \(one.rows) rows of \(one.dimension) values")
        lines += block("rows of a recording", one.recordingRows, one.recordingHistogram)
        guard one.actions > 0 else { return lines + ["  actions    none", ""] }
        lines.append("  actions    \(one.actions)" + (one.actionsPerRecording.map { ", per recording \(spread($0))" } ?? ""))
        lines += block("rows of an action", one.actionRows, one.actionHistogram)
        if let background = one.background { lines.append("  background \(percent(background)) of the recordings with actions") }
        lines.append(
            "  overlap    \(percent(one.sameClassOverlap)) of the actions overlap another of their class, \(percent(one.otherClassOverlap)) one of "
                + "another class")
        return lines + classes(one.classes) + [""]
    }

    private static func classes(_ all: [StoreStatistics.Class]) -> [String] {
        let width = min(32, all.prefix(mostClasses).map(\.name.count).max() ?? 0)
        let shown = all.prefix(mostClasses).map { one in
            "    \(one.name.padding(toLength: max(width, one.name.count), withPad: " ", startingAt: 0))  "
                + "\(one.actions) in \(one.recordings) recording\(one.recordings == 1 ? "" : "s")"
                + (one.actionRows.map { ", rows \(spread($0))" } ?? "")
        }
        return ["  classes    \(all.count)"] + shown + (all.count > mostClasses ? ["    and \(all.count - mostClasses) more"] : [])
    }

    private static func block(_ name: String, _ values: ValueSpread?, _ histogram: PowerHistogram) -> [String] {
        guard let values else { return [] }
        let most = histogram.bins.map(\.count).max() ?? 1
        return ["  \(name): \(spread(values))"]
            + histogram.bins.map { bin in
                let bar = String(repeating: "#", count: (bin.count * widest + most - 1) / max(most, 1))
                let from = number(bin.from), below = number(bin.below)
                return "  \(pad(from, 9)) to below \(pad(below, 7))  \(bar)\(bar.isEmpty ? "" : " ")\(bin.count)"
            }
    }

    /// "24.5 (5 % 22, 95 % 60.5; 12 to 66)": the median, quantiles, the least and the greatest.
    private static func spread(_ values: ValueSpread) -> String {
        guard values.least < values.greatest else { return number(values.median) }
        return "median \(number(values.median)) (5 % \(number(values.low)), 95 % \(number(values.high)); "
            + "\(number(values.least)) to \(number(values.greatest)))"
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(format: "%.0f", value) : String(format: value < 10 ? "%.2f" : "%.1f", value)
    }

    private static func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
}
