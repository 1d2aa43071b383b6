import Foundation

/// The folder of a run's checkpoints, `step-00000600.h5` and so on; the newest are kept.
public struct CheckpointFolder: Sendable {
    public let path: String
    /// Checkpoints kept.
    public let keep: Int

    public init(path: String, keep: Int) {
        self.path = path
        self.keep = keep
    }

    /// The path of the checkpoint of a step.
    public func file(step: Int) -> String { "\(path)/\(String(format: "step-%08ld.h5", step))" }

    /// The path of the checkpoint of the best evaluation while the run trained.
    public var best: String { "\(path)/best.h5" }

    /// Steps of the checkpoints there are, ascending.
    public var steps: [Int] { RunFolder.numbers(in: path, prefix: "step-", suffix: ".h5", digits: 8) }

    /// The path of the newest checkpoint; nil when there is none.
    public var newest: String? { steps.last.map(file) }

    /// Puts a checkpoint that does not read whole out of the way, so that it does not count among those kept.
    ///
    /// - Returns: its new path; nil when it could not be renamed.
    public func setAside(step: Int) -> String? {
        let new = file(step: step) + ".damaged"
        return rename(file(step: step), new) == 0 ? new : nil
    }

    /// Removes all but the newest `keep`.
    public func removeOld() {
        for step in steps.dropLast(keep) { try? FileManager.default.removeItem(atPath: file(step: step)) }
    }

    /// Removes checkpoints beyond `step`: those of a run that is begun again.
    public func removeAll(after step: Int) {
        for later in steps where later > step { try? FileManager.default.removeItem(atPath: file(step: later)) }
        if step < 0 { try? FileManager.default.removeItem(atPath: best) }
    }
}
