import Diagnostics
import Foundation

/// The folder of a run: the path of every file that a run leaves there.
///
/// The files are read back by `RunFolder`'s methods.
public struct RunFolder: Equatable, Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    /// The configuration with all its keys, YAML.
    public var configuration: String { "\(path)/config.yaml" }
    /// One JSON object per line (`RunLog`).
    public var log: String { "\(path)/log.jsonl" }
    /// What the evaluation found; written last.
    public var metrics: String { "\(path)/metrics.json" }
    /// The detections at the end of the run, ActivityNet's results JSON.
    public var predictions: String { "\(path)/predictions.json" }
    /// The actions of the recordings that the run learns from and is evaluated on, as far as they are known; ActivityNet's annotation JSON.
    public var truth: String { "\(path)/truth.json" }
    /// The folder of the checkpoints.
    public var checkpoints: String { "\(path)/checkpoints" }
    /// The folder of the rounds' pseudo-labels.
    public var pseudoLabels: String { "\(path)/pseudo_labels" }
    /// The folder of what the ranks did when, in a run with `--timeline`.
    public var timeline: String { "\(path)/timeline" }
    /// The folder of the event files that TensorBoard reads, in a run with `training.tensorboard`.
    public var tensorBoard: String { "\(path)/tensorboard" }

    /// The pseudo-labels of a round, counted from 1.
    public func pseudoLabels(round: Int) -> String { "\(pseudoLabels)/round-\(round).json" }
    /// What a rank did when.
    public func timeline(rank: Int) -> String { "\(timeline)/rank-\(rank).json" }
    /// The checkpoints, of which the newest `keep` stay.
    public func checkpoints(keep: Int) -> CheckpointFolder { CheckpointFolder(path: checkpoints, keep: keep) }

    /// Files in the run's folder.
    public var files: [String] { [configuration, log, metrics, predictions, truth] }
    /// Folders in the run's folder.
    public var subfolders: [String] { [checkpoints, pseudoLabels, timeline, tensorBoard] }
    /// Names of everything that a run writes in its folder.
    public static let names: [String] = {
        let folder = RunFolder("")
        return (folder.files + folder.subfolders).map { String($0.dropFirst()) }
    }()

    /// Makes a folder of the run's, unless it is there.
    ///
    /// - Throws: `Failure` (`.failed`) when it cannot be made.
    package static func make(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw Failure.failed("the folder cannot be made: \(error.localizedDescription)", at: .file(path), advice: "check the run's folder")
        }
    }

    // MARK: What is there

    /// Whether the run has ended and was evaluated.
    public var hasMetrics: Bool { FileManager.default.fileExists(atPath: metrics) }
    /// Whether the run has left its detections.
    public var hasPredictions: Bool { FileManager.default.fileExists(atPath: predictions) }
    /// The rounds whose pseudo-labels are there, ascending.
    public var rounds: [Int] { Self.numbers(in: pseudoLabels, prefix: "round-", suffix: ".json") }
    /// The ranks whose timeline is there, ascending.
    public var recordedRanks: [Int] { Self.numbers(in: timeline, prefix: "rank-", suffix: ".json") }

    /// The numbers N of the files PREFIX N SUFFIX in a folder, ascending; none when there is no such folder.
    package static func numbers(in folder: String, prefix: String, suffix: String, digits least: Int = 1) -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.compactMap { name -> Int? in
            guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.utf8.count >= prefix.utf8.count + suffix.utf8.count else { return nil }
            let digits = name.dropFirst(prefix.count).dropLast(suffix.count)
            return digits.count >= least && digits.allSatisfy { $0.isASCII && $0.isNumber } ? Int(digits) : nil
        }.sorted()
    }
}
