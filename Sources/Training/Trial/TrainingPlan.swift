import Collectives
import Diagnostics
import Foundation
import TrainingMethods

/// `train --check`: what a run would be, without training.
public struct TrainingPlan: Encodable {
    /// A stage in `--json`.
    private struct Stage: Encodable {
        var name: String
        var iterations: Int
        var seconds_per_step: Double
        var seconds: Double
    }

    /// Ranks that were measured.
    var ranks: Int
    /// Numbers that the detector learns.
    var parameters: Int
    /// Of the rank that needs most: the estimate for the largest batches, or what the measured steps took where that is more.
    var memory_mib: Int
    var memory_mib_of_ranks: [Int]
    /// Of all stages.
    var iterations: Int
    /// The mean over all steps.
    var seconds_per_step: Double
    var seconds_training: Double
    /// At most.
    var seconds_detection: Double
    var seconds_total: Double
    private var stages: [Stage]

    /// Checks and measures; all ranks together.
    ///
    /// - Parameters:
    ///   - configuration: of the run.
    ///   - world: the ranks of the run.
    ///   - say: takes lines for the user before anything is measured; called on rank 0.
    /// - Throws: `Failure` as a training does before its first step and in its first steps.
    public init(_ configuration: RunConfiguration, _ world: Communicator, say: (String) -> Void) throws {
        let trial = try TrainingTrial(configuration, communicator: world)
        if world.isRoot { trial.notes.forEach(say) }
        try trial.readFeatures()
        let pace = try trial.measure()
        let peaks = try world.allGather(ComputeThreads.peakResidentMiB)
        let memory = zip(trial.memoryOfRanks, peaks).map { max($0 / (1 << 20) + 1, $1) }
        ranks = world.size
        parameters = trial.parameters
        memory_mib = memory.max() ?? 0
        memory_mib_of_ranks = memory
        iterations = pace.iterations
        seconds_per_step = pace.secondsPerStep
        seconds_training = pace.secondsOfTraining
        seconds_detection = pace.secondsOfDetection
        seconds_total = pace.secondsOfTraining + pace.secondsOfDetection
        stages = pace.stages.map {
            Stage(
                name: $0.name, iterations: $0.iterations, seconds_per_step: $0.secondsPerStep, seconds: Double($0.iterations) * $0.secondsPerStep)
        }
    }

    /// Stage by stage, then memory and time.
    public var text: String {
        let width = stages.map(\.name.count).max() ?? 0
        var lines = ["plan of \(iterations) steps"]
        lines += stages.map {
            "  \($0.name.padding(toLength: width, withPad: " ", startingAt: 0))  \($0.iterations) steps of \(Self.seconds($0.seconds_per_step)), "
                + Self.duration($0.seconds)
        }
        if seconds_detection > 0 { lines.append("  detection at the end, at most \(Self.duration(seconds_detection))") }
        lines += [
            "memory per rank  \(memory_mib) MiB", "time per step    \(Self.seconds(seconds_per_step)) (measured)",
            "whole run        \(Self.duration(seconds_total)) on \(ranks) rank\(ranks == 1 ? "" : "s")",
            "nothing was trained or written",
        ]
        return lines.joined(separator: "\n")
    }

    private static func seconds(_ seconds: Double) -> String { String(format: seconds < 10 ? "%.3f s" : "%.1f s", seconds) }

    private static func duration(_ seconds: Double) -> String { ProgressBar.duration(max(seconds, 1)) }
}
