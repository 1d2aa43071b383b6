import Diagnostics
import Foundation

/// Writes a run's log, one JSON object per line: records of steps, and of the beginnings of stages. `lines` reads it back.
public final class RunLog {
    public let path: String
    /// Writes to the end of the file, wherever that is; negative once closed.
    private var descriptor: Int32

    /// Opens the log for appending.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - step: lines beyond this step are cut off, and a line left half-written with them; 0 begins a new log.
    ///   - isExtended: the run is made longer at this step. Lines that say so of the same step, from a job that ended before it had done another one,
    ///     are cut off too.
    /// - Throws: `Failure` (`.failed`) when the log cannot be read, or be opened for writing.
    public init(path: String, cutBackTo step: Int, isExtended: Bool = false) throws {
        self.path = path
        try replaceFile(at: path, with: try Self.kept(path, step, isExtended))
        descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure.failed(
                "the log could not be opened for writing: \(String(cString: strerror(errno)))", at: .file(path),
                advice: "check the folder's permissions")
        }
    }

    deinit { try? close() }

    /// Ends the log; harmless when it has ended.
    ///
    /// - Throws: `Failure` (`.failed`) when the disk did not take lines that were written before.
    public func close() throws {
        guard descriptor >= 0 else { return }
        let code = Foundation.close(descriptor) == 0 ? 0 : errno
        descriptor = -1
        try requireWritten(code)
    }

    private static func kept(_ path: String, _ step: Int, _ isExtended: Bool) throws -> Data {
        guard step > 0, FileManager.default.fileExists(atPath: path) else { return Data() }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure.failed(
                "the log of the run so far cannot be read", at: .file(path), advice: "check its permissions, or move it away to begin a new one")
        }
        // What a stage notes before its first step is noted again when the run goes on from just there; what is found after a step is not.
        struct Stepped: Decodable {
            let step: Int
            let followsItsStep: Bool
            let extends: Bool

            private enum Place: CodingKey { case step }

            init(from decoder: any Decoder) throws {
                step = try decoder.container(keyedBy: Place.self).decode(Int.self, forKey: .step)
                let signs = try decoder.container(keyedBy: LogLine.Sign.self)
                followsItsStep = LogLine.Sign.allCases.contains { $0.followsItsStep && signs.contains($0) }
                extends = signs.contains(.extendedTo)
            }
        }
        var result = Data()
        for line in data.split(separator: UInt8(ascii: "\n")) {
            guard let record = try? JSONDecoder().decode(Stepped.self, from: Data(line)), record.step < step + (record.followsItsStep ? 1 : 0),
                !(isExtended && record.extends && record.step == step)
            else { continue }
            result += line + [UInt8(ascii: "\n")]
        }
        return result
    }

    /// Writes a line on training steps.
    ///
    /// - Throws: `Failure` (`.failed`) when the disk does not take it.
    public func append(_ record: StepRecord) throws { try write(record) }

    /// Notes the beginning of a stage.
    ///
    /// - Parameter note: encodes as an object with the keys `step` (steps done) and `stage` (its name), without the key `loss`.
    /// - Throws: `Failure` (`.failed`) when the disk does not take it.
    public func append(note: some Encodable) throws { try write(note) }

    private func write(_ record: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let line = try encoder.encode(record) + [UInt8(ascii: "\n")]
        try requireWritten(writeWhole(line, to: descriptor))
    }

    private func requireWritten(_ code: Int32) throws {
        guard code == 0 else {
            throw Failure.failed(
                "the log could not be written: \(String(cString: strerror(code)))", at: .file(path), advice: "check the free space of the disk")
        }
    }
}
