import Checkpoints
import Diagnostics
import Foundation
import RunRecords
import TrainingMethods

/// A run that goes on for longer than it was begun for.
extension TrainingRun {
    /// Keys that say how long a run is.
    static let lengthKeys: Set<String> = ["training.iterations", "training.epochs"]

    /// - Throws: `Failure` (`.wrongUsage`) for a folder without a checkpoint.
    static func requireCheckpoint(_ folder: RunFolder, extends: Bool, goesOn: Bool) throws {
        guard extends, !goesOn else { return }
        throw Failure.wrongUsage(
            "there is no checkpoint to extend the run from", at: .file(folder.path), advice: "leave --extend out, or name the folder of a run")
    }

    /// The configuration's key that says how long the run is, "iterations" or "epochs".
    static func lengthKey(_ configuration: RunConfiguration) -> String { configuration.training.epochs != nil ? "epochs" : "iterations" }

    private static func length(_ configuration: RunConfiguration) -> Int { configuration.training.epochs ?? configuration.training.iterations ?? 0 }

    /// Checks that the run may last longer than its checkpoint says, and what changes then.
    ///
    /// - Parameter before: the configuration of the checkpoint, which `trainer` has been restored from.
    /// - Returns: nil when the checkpoint is of a run of this length already.
    /// - Throws: `Failure` (`.wrongUsage`) for a shorter length, another unit, and for stages that are followed by others.
    func extended(_ before: RunConfiguration, _ checkpoint: Checkpoint) throws -> ExtensionRecord? {
        let unit = Self.lengthKey(configuration), old = Self.length(before), new = Self.length(configuration)
        let places: [Failure.Place] = [.file(checkpoint.path), .key("--extend")]
        guard Self.lengthKey(before) == unit else {
            throw Failure(
                .wrongUsage, "the run was begun with a length in \(Self.lengthKey(before)), now it is in \(unit)", at: places,
                advice: "give the configuration of the run (\(folder.configuration))")
        }
        guard new >= old else {
            throw Failure(
                .wrongUsage, "the run has \(old) \(unit), it cannot be extended to \(new)", at: places, advice: "give more than \(old) \(unit)")
        }
        guard new > old else { return nil }
        let stages = try stagesOf(before), all = trainer.stages
        func ends(_ list: [TrainingStage]) -> [String] { list.dropLast().map { "\($0.name) \($0.iterations)" } }
        guard ends(stages) == ends(all), stages.last?.name == all.last?.name, let last = all.last, let oldLast = stages.last else {
            throw Failure(
                .wrongUsage,
                "the run cannot be extended: its length is that of the stage '\(configuration.method.mainStage)', and later stages learn from what "
                    + "it has left (\(all.map(\.name).joined(separator: ", ")))",
                at: places, advice: "begin a new run of that length; training.initial_weights takes weights over")
        }
        let first = trainer.iterations - last.iterations, step = trainer.state.step,
            place = trainer.stageSteps.lastIndex { $0.lowerBound <= step } ?? 0
        let local = step - trainer.stageSteps[place].lowerBound
        func rate(_ stage: TrainingStage, _ step: Int) -> Double { stage.schedule.rate(at: stage.firstIteration + step) }
        return ExtensionRecord(
            step: step, stage: all[place].name, from: first + oldLast.iterations, to: trainer.iterations, rate: rate(all[place], local),
            rateBefore: rate(stages[place], min(local, stages[place].iterations - 1)))
    }

    /// For the user.
    static func text(_ extended: ExtensionRecord) -> String {
        func text(_ rate: Double) -> String { String(format: "%.3g", rate) }
        return "the run is extended from \(extended.from) to \(extended.to) iterations: learning rates follow the schedule over the new length, step "
            + "\(extended.step + 1) is made at \(text(extended.rate)), by the old length it was \(text(extended.rateBefore))"
    }
}
