import Diagnostics
import Foundation

/// A line of `log.jsonl` as it is read back.
public enum LogLine: Equatable, Sendable {
    /// On training steps: has `loss`.
    case steps(StepRecord)
    /// On a round of pseudo-labels: has counts of their fates.
    case round(PseudoLabelRoundRecord)
    /// On a round that held-out recordings judged: has `kept`.
    case judged(GuardRecord)
    /// On an evaluation while the run trained: has `best_step`.
    case validation(ValidationRecord)
    /// On the beginning of a stage, by a method whose records are not known here.
    case stage(StageRecord)

    /// Steps done when the line was written.
    public var step: Int {
        switch self {
        case .steps(let record): record.step
        case .round(let record): record.step
        case .judged(let record): record.step
        case .validation(let record): record.step
        case .stage(let record): record.step
        }
    }

    /// The stage's name; nil in lines on steps that version 0.1 wrote.
    public var stage: String? {
        switch self {
        case .steps(let record): record.stage
        case .round(let record): record.stage
        case .judged(let record): record.stage
        case .validation(let record): record.stage
        case .stage(let record): record.stage
        }
    }

    /// Seconds since 1970-01-01 00:00 UTC; nil in lines that version 0.1 wrote.
    public var time: Double? {
        switch self {
        case .steps(let record): record.time
        case .round(let record): record.time
        case .judged(let record): record.time
        case .validation(let record): record.time
        case .stage(let record): record.time
        }
    }
}

extension LogLine: Decodable {
    /// Keys that tell of what kind a line is.
    enum Sign: String, CodingKey, CaseIterable {
        case loss, promoted, rejected, kept
        case bestStep = "best_step"
        case extendedTo = "extended_to"

        /// Whether such a line is written after its step: it says what the step has made, or how the run goes on after it. The others begin a stage.
        var followsItsStep: Bool {
            switch self {
            case .loss, .kept, .bestStep, .extendedTo: true
            case .promoted, .rejected: false
            }
        }
    }

    public init(from decoder: any Decoder) throws {
        let signs = try decoder.container(keyedBy: Sign.self)
        if signs.contains(.loss) {
            self = .steps(try StepRecord(from: decoder))
        } else if signs.contains(.promoted), signs.contains(.rejected) {
            self = .round(try PseudoLabelRoundRecord(from: decoder))
        } else if signs.contains(.kept) {
            self = .judged(try GuardRecord(from: decoder))
        } else if signs.contains(.bestStep) {
            self = .validation(try ValidationRecord(from: decoder))
        } else {
            self = .stage(try StageRecord(from: decoder))
        }
    }

    /// Numbers that JSON lacks stand as the strings "inf", "-inf" and "nan".
    static let decoder: JSONDecoder = {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return decoder
    }()
}

extension RunLog {
    /// Reads all lines of a log. The last line may be half written, of a run that still runs or was killed: it is left out then.
    ///
    /// - Throws: `Failure` (`.badInput`) when the log cannot be read, and naming the line that is no record.
    public static func lines(_ path: String) throws -> [LogLine] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure.badInput("the log cannot be read", at: .file(path), advice: "check the path")
        }
        let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return try lines.enumerated().compactMap { number, line in
            if line.isEmpty { return nil }
            if let record = try? LogLine.decoder.decode(LogLine.self, from: Data(line)) { return record }
            // What follows the last end of a line is not whole.
            if number == lines.count - 1 { return nil }
            throw Failure.badInput("the line is not a record of the log", at: .file(path), .line(number + 1), advice: "remove the line")
        }
    }

    /// Reads the lines on training steps.
    ///
    /// - Throws: as `lines`.
    public static func read(_ path: String) throws -> [StepRecord] {
        try lines(path).compactMap { if case .steps(let record) = $0 { record } else { nil } }
    }
}
