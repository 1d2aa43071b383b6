import Configuration
import DataParallel
import Diagnostics
import Foundation
import RunRecords
import TrainingMethods

/// One run of a grid.
public struct AblationRun: Equatable, Sendable {
    /// How far a run is.
    public enum State: String, Codable, Sendable {
        /// Its metrics are there.
        case done
        /// It left a checkpoint to continue from.
        case begun
        case new
    }

    public var setting: AblationGrid.Setting
    /// Above 0, to 1.
    public var labeledFraction: Double
    public var seed: Int
    /// The name of its method.
    public var method: String
    /// `SETTING-labels-FRACTION-seed-SEED`, the name of its folder.
    public var name: String
    public var folder: String
    public var state: State
    /// Of `kairos`: `train CONFIGURATION --output FOLDER --resume --set ...`.
    public var arguments: [String]
}

extension AblationGrid {
    /// The runs in the order of the table: settings, fractions, seeds; each one's configuration is read, so that mistakes are found before the
    /// first run.
    ///
    /// - Parameters:
    ///   - folder: holds the runs' folders.
    ///   - registry: knows the detectors and methods of the configurations.
    ///   - overrides: for all runs, over what the settings say (where the feature store lies, for example).
    /// - Throws: `Failure` with grid and setting for a configuration that `train` would refuse, and for a folder whose run had another one.
    public func plan(folder: String, overrides: [String] = [], registry: Registry) throws -> [AblationRun] {
        try settings.flatMap { setting in
            try labeledFractions.flatMap { fraction in
                try seeds.map { seed in
                    do {
                        return try run(setting, fraction, seed, folder: folder, overrides: overrides, registry)
                    } catch var failure as Failure {
                        failure.places = [.file(path), .key("settings.\(setting.name)")] + failure.places
                        throw failure
                    }
                }
            }
        }
    }

    private func run(
        _ setting: Setting, _ fraction: Double, _ seed: Int, folder: String, overrides: [String], _ registry: Registry
    ) throws -> AblationRun {
        let name = "\(setting.fileName)-labels-\(fraction.yaml)-seed-\(seed)", folder = "\(folder)/\(name)"
        let changes = setting.overrides + overrides + ["data.labeled_fraction=\(fraction.yaml)", "training.seed=\(seed)"]
        let planned = try RunConfiguration(path: configuration, overrides: changes, registry: registry)
        guard planned.data.evaluationSubset != nil else {
            throw Failure.wrongUsage(
                "the run is not evaluated, so it has nothing for the table", at: .key("data.evaluation_subset"), advice: "set data.evaluation_subset")
        }
        _ = try VirtualShards(count: planned.data.virtualShards, rank: 0, ranks: ranks)
        let files = RunFolder(folder)
        let state: AblationRun.State = files.hasMetrics ? .done : files.checkpoints(keep: 1).newest != nil ? .begun : .new
        if state != .new { try requireSame(planned, as: files.configuration) }
        return AblationRun(
            setting: setting, labeledFraction: fraction, seed: seed, method: planned.methodName, name: name, folder: folder, state: state,
            arguments: ["train", configuration, "--output", folder, "--resume"] + changes.flatMap { ["--set", $0] })
    }

    private func requireSame(_ planned: RunConfiguration, as path: String) throws {
        let before = try RunConfiguration(path: path, registry: planned.registry)
        for (old, new) in zip(before.lines, planned.lines) where old != new && !RunConfiguration.keysWithoutConsequence.contains(new.key) {
            throw Failure.wrongUsage(
                "the run there was made with \(old.key) = \(old.value), the grid says \(new.value)", at: .file(path), .key(new.key),
                advice: "choose another folder, or remove the run's folder to repeat it")
        }
    }
}
