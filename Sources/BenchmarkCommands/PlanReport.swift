import Foundation
import ScalingPlans
import TemporalAnnotations
import TrainingMethods

/// What `kairos plan` says.
struct PlanReport: Encodable {
    struct Stage: Encodable {
        var name: String
        var iterations: Int
    }

    /// A stage on so many ranks.
    struct StageTime: Encodable {
        var name: String
        var iterations: Int
        var seconds_per_step: Double
        /// Of detection, choice and broadcast before the first step.
        var seconds_labelling: Double
        var messages_per_step: Int
    }

    /// Ranks and recordings per rank.
    struct Row: Encodable {
        var ranks: Int
        var recordings_per_rank: Int
        var seconds_per_step: Double
        var seconds_per_epoch: Double
        var efficiency: Double
        /// Seconds of the whole run by what they go into.
        var seconds: [String: Double]
        var stages: [StageTime]
        var reduction_group: Int
        var messages_per_step: Int
        /// False: there are fewer recordings than a step takes.
        var is_possible: Bool

        init(_ row: ScalingPlan.Row) {
            ranks = row.ranks
            recordings_per_rank = row.recordingsPerRank
            seconds_per_step = row.secondsPerStep
            seconds_per_epoch = row.secondsPerEpoch
            efficiency = row.efficiency
            seconds = Dictionary(uniqueKeysWithValues: row.terms.named.map { ($0.name, $0.seconds) })
            stages = row.stages.map {
                StageTime(
                    name: $0.name, iterations: $0.iterations, seconds_per_step: $0.secondsPerStep, seconds_labelling: $0.labelling,
                    messages_per_step: $0.messages)
            }
            reduction_group = row.group
            messages_per_step = row.messages
            is_possible = row.isPossible
        }
    }

    var configuration: String
    var recordings: Int
    var stages: [Stage]
    var measured: PlanMeasurement
    var ranks: [Row]
    var best: Row?

    init(
        file: String, stages: [StageOutline], recordings: Int, measured: PlanMeasurement, rows: [ScalingPlan.Row], best: ScalingPlan.Row?
    ) {
        configuration = file
        self.recordings = recordings
        self.stages = stages.map { Stage(name: $0.name, iterations: $0.iterations) }
        self.measured = measured
        ranks = rows.map(Row.init)
        self.best = best.map(Row.init)
    }

    func text(leastEfficiency: Double) -> String {
        func cell(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(1, width - text.count)) + text }
        var lines = [
            "\(counted(recordings, "training recording")); "
                + stages.map { "\($0.name) \(counted($0.iterations, "iteration"))" }.joined(separator: ", "),
            String(
                format: "measured here: %.3f ms per 1,000 rows and %.1f ms per step of training, %.3f ms per 1,000 rows of detection",
                measured.secondsPerRow * 1e6, measured.secondsPerStep * 1e3, measured.secondsPerDetectedRow * 1e6),
            "",
            "ranks  recordings  s per step  s per epoch  efficiency   waiting  reduction  contrast    labels",
        ]
        for row in ranks {
            let whole = row.seconds.values.reduce(0, +)
            func share(_ name: String) -> String { String(format: "%.1f %%", 100 * (row.seconds[name] ?? 0) / whole) }
            lines.append(
                cell("\(row.ranks)", 5) + cell("\(row.recordings_per_rank) each", 12) + cell(String(format: "%.3f", row.seconds_per_step), 12)
                    + cell(String(format: "%.1f", row.seconds_per_epoch), 13) + cell(String(format: "%.1f %%", 100 * row.efficiency), 12)
                    + cell(share("waiting"), 10) + cell(share("reduction"), 11) + cell(share("contrast"), 10) + cell(share("labels"), 10)
                    + (row.is_possible ? "" : "  more than there are recordings"))
        }
        lines.append("")
        if let best {
            lines.append(
                "best: \(counted(best.ranks, "rank")) with \(counted(best.recordings_per_rank, "recording")) each: the shortest epoch with an efficiency of at least "
                    + String(format: "%.0f %%", 100 * leastEfficiency)
                    + "; more recordings per step than in the configuration change what is learnt")
        } else {
            lines.append(String(format: "none of these keeps an efficiency of %.0f %%", 100 * leastEfficiency))
        }
        return lines.joined(separator: "\n")
    }
}
