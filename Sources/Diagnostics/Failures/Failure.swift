/// The only type of error that a user sees: what went wrong, where, and what to do about it.
///
///     error: the file ends early: its header promises 3 x 4 float32 (48 bytes of values), it holds 20
///       where: file 'features/video_1.npy', video 'video_1'
///       do: copy the file again from its source and compare the sizes
public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
    /// Decides the exit code of the command.
    public enum Kind: Int32, Sendable {
        /// The work was understood but could not be finished (exit code 1).
        case failed = 1
        /// Wrong command line or configuration (exit code 2).
        case wrongUsage = 2
        /// The data given are missing, malformed or do not fit together (exit code 3).
        case badInput = 3
        /// Nothing is wrong: a signal asked to end, what was done is kept (exit code 75, EX_TEMPFAIL of sysexits.h: try again).
        case interrupted = 75
    }

    /// One part of the place at which the error was found.
    public enum Place: Equatable, Sendable, CustomStringConvertible {
        case file(String)
        case video(String)
        case key(String)
        case dataset(String)
        case parameter(String)
        case line(Int)
        /// Counted in characters, from 1.
        case column(Int)
        /// A place in a text; the column is counted in characters, from 1.
        case position(line: Int, column: Int)
        case rank(Int)
        case step(Int)

        public var description: String {
            switch self {
            case .file(let path): "file '\(path)'"
            case .video(let id): "video '\(id)'"
            case .key(let key): "key '\(key)'"
            case .dataset(let name): "dataset '\(name)'"
            case .parameter(let name): "parameter '\(name)'"
            case .line(let number): "line \(number)"
            case .column(let number): "column \(number)"
            case .position(let line, let column): "line \(line), column \(column)"
            case .rank(let rank): "rank \(rank)"
            case .step(let step): "step \(step)"
            }
        }
    }

    public var kind: Kind
    /// What went wrong, with the numbers, as one sentence without a full stop.
    public var what: String
    /// Where, from the widest place to the narrowest.
    public var places: [Place]
    /// What to do, as an imperative without a full stop.
    public var advice: String

    /// `what` is a sentence without a full stop, `advice` an imperative without one; `places` from the widest to the narrowest.
    public init(_ kind: Kind, _ what: String, at places: [Place] = [], advice: String) {
        self.kind = kind
        self.what = what
        self.places = places
        self.advice = advice
    }

    /// A failure of exit code 1.
    public static func failed(_ what: String, at places: Place..., advice: String) -> Failure {
        Failure(.failed, what, at: places, advice: advice)
    }

    /// Wrong usage, exit code 2.
    public static func wrongUsage(_ what: String, at places: Place..., advice: String) -> Failure {
        Failure(.wrongUsage, what, at: places, advice: advice)
    }

    /// Bad input data, exit code 3.
    public static func badInput(_ what: String, at places: Place..., advice: String) -> Failure {
        Failure(.badInput, what, at: places, advice: advice)
    }

    /// Of the process: the kind's raw value.
    public var exitCode: Int32 { kind.rawValue }

    public var description: String {
        var lines = ["\(kind == .interrupted ? "interrupted" : "error"): \(what)"]
        if !places.isEmpty { lines.append("  where: " + places.map(\.description).joined(separator: ", ")) }
        lines.append("  do: \(advice)")
        return lines.joined(separator: "\n")
    }
}
