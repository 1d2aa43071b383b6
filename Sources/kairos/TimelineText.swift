import Diagnostics
import Foundation
import RunRecords

/// What a recorded run says in the end.
enum TimelineText {
    /// A rank's sums with what follows from them.
    struct Encoded: Encodable {
        private let summary: Timeline.Summary
        init(_ summary: Timeline.Summary) { self.summary = summary }

        private enum CodingKeys: String, CodingKey { case hidden = "communication_hidden" }

        func encode(to encoder: any Encoder) throws {
            try summary.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encodeIfPresent(summary.hidden, forKey: .hidden)
        }
    }

    static func lines(_ ranks: [Timeline.Summary], folder: String) -> [String] {
        let total = ranks.reduce(0) { $0 + $1.seconds }
        guard let first = ranks.first, total > 0 else { return ["timeline    \(RunFolder(folder).timeline): no step was recorded"] }
        func share(_ part: (Timeline.Summary) -> Double) -> String {
            String(format: "%.1f %%", 100 * ranks.reduce(0) { $0 + part($1) } / total)
        }
        var lines = [
            "timeline    \(RunFolder(folder).timeline(rank: 0))"
                + (ranks.count > 1 ? " to rank-\(ranks.count - 1).json" : "") + ", \(first.steps) step\(first.steps == 1 ? "" : "s")",
            "            forward \(share(\.secondsForward)), backward \(share(\.secondsBackward)), adding gradients \(share(\.secondsAdding)), "
                + "optimiser \(share(\.secondsOptimizer)), waiting for data \(share(\.secondsData)), for ranks \(share(\.secondsRanks))",
        ]
        let transfer = ranks.reduce(0) { $0 + $1.secondsTransfer }
        if transfer > 0 {
            let hidden = 1 - ranks.reduce(0) { $0 + $1.secondsExposed } / transfer
            lines.append(
                "            gradients under way \(share(\.secondsTransfer)) of the time, "
                    + String(format: "%.1f %% of that hidden behind computing (per rank ", 100 * hidden)
                    + ranks.map { $0.hidden.map { String(format: "%.1f", 100 * $0) } ?? "-" }.joined(separator: ", ") + ")")
        }
        return lines
    }
}
