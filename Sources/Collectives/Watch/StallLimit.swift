import Diagnostics
import Foundation

/// The time without progress after which a rank is named and the job ends, and how a user sets another limit.
public struct StallLimit: Equatable, Sendable {
    /// nil: ranks may take any time; dead ones are named nevertheless.
    public var seconds: Double?
    /// The setting that raises the limit.
    public var setting: String
    /// How the work is taken up again.
    public var again: String

    /// `setting` and `again` complete the message's advice: "raise training.stall_seconds", "start again with --resume".
    public init(seconds: Double?, setting: String, again: String = "start again") {
        self.seconds = seconds
        self.setting = setting
        self.again = again
    }

    /// That of a training.
    public static func training(_ seconds: Int?) -> StallLimit {
        StallLimit(seconds: seconds.map(Double.init), setting: "training.stall_seconds", again: "start again with --resume")
    }

    /// That of a detection with a configuration's limit.
    public static func detection(_ seconds: Int?) -> StallLimit {
        StallLimit(seconds: seconds.map(Double.init), setting: "training.stall_seconds (--set)")
    }

    private static let variable = "KAIROS_STALL_SECONDS"

    /// The limit until a configuration says another, and of commands without one: 60 s, or `KAIROS_STALL_SECONDS`.
    ///
    /// - Throws: `Failure` (`.wrongUsage`) when the variable is neither a number from 1 to 86,400 nor `null`.
    public static func usual(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> StallLimit {
        guard let text = environment[variable] else { return StallLimit(seconds: 60, setting: variable) }
        if text == "null" { return StallLimit(seconds: nil, setting: variable) }
        guard let seconds = Int(text), (1...86_400).contains(seconds) else {
            throw Failure.wrongUsage(
                "\(variable) is '\(text)', neither a number of seconds from 1 to 86400 nor null", advice: "correct the environment variable")
        }
        return StallLimit(seconds: Double(seconds), setting: variable)
    }

    /// What to do about a rank that has made no progress.
    package var advice: String {
        "look on that host for a stopped process, a full or slow disk, or a lost connection, then \(again); "
            + "where the operation rightly takes so long, raise \(setting)"
    }
}
