import Diagnostics
import Foundation

/// One line of `log.jsonl`: means over the steps since the line before (losses, norm) and sums over them (seconds).
public struct LogRecord: Codable, Equatable, Sendable {
    /// Steps done when the line was written.
    public var step: Int
    public var epoch: Double
    /// Parts of the loss by name, `total` among them.
    public var loss: [String: Double]
    public var learningRate: Double
    /// Before clipping.
    public var gradientNorm: Double
    public var lossNormalizer: Double
    public var videosPerSecond: Double
    public var secondsCompute: Double
    public var secondsWaitingData: Double
    public var secondsWaitingMPI: Double
    /// Of a run with `--timeline`: gradients were under way, and the share of that time in which rank 0 computed.
    public var secondsTransfer: Double?
    public var communicationHidden: Double?

    enum CodingKeys: String, CodingKey {
        case step, epoch, loss
        case learningRate = "learning_rate"
        case gradientNorm = "gradient_norm"
        case lossNormalizer = "loss_normalizer"
        case videosPerSecond = "videos_per_second"
        case secondsCompute = "seconds_compute"
        case secondsWaitingData = "seconds_waiting_data"
        case secondsWaitingMPI = "seconds_waiting_mpi"
        case secondsTransfer = "seconds_transfer"
        case communicationHidden = "communication_hidden"
    }

    public init(
        step: Int, epoch: Double, loss: [String: Double], learningRate: Double, gradientNorm: Double, lossNormalizer: Double, videosPerSecond: Double,
        secondsCompute: Double, secondsWaitingData: Double, secondsWaitingMPI: Double
    ) {
        self.step = step
        self.epoch = epoch
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.lossNormalizer = lossNormalizer
        self.videosPerSecond = videosPerSecond
        self.secondsCompute = secondsCompute
        self.secondsWaitingData = secondsWaitingData
        self.secondsWaitingMPI = secondsWaitingMPI
    }
}

/// The run's log, one JSON object per line: records, and notes of stages.
public final class RunLog {
    public let path: String
    /// Writes to the end of the file, wherever that is; negative once closed.
    private var descriptor: Int32

    /// Opens the log for appending.
    ///
    /// - Parameter step: lines beyond this step are cut off, and a line left half-written with them; 0 begins a new log.
    /// - Throws: `Failure` (`.failed`) when the log cannot be read, or be opened for writing.
    public init(path: String, cutBackTo step: Int) throws {
        self.path = path
        try replaceFile(at: path, with: try Self.kept(path, step))
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

    private static func kept(_ path: String, _ step: Int) throws -> Data {
        guard step > 0, FileManager.default.fileExists(atPath: path) else { return Data() }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure.failed(
                "the log of the run so far cannot be read", at: .file(path), advice: "check its permissions, or move it away to begin a new one")
        }
        // What a stage notes before its first step is noted again when the run goes on from just there.
        struct Stepped: Decodable {
            let step: Int
            let stage: String?
        }
        var result = Data()
        for line in data.split(separator: UInt8(ascii: "\n")) {
            guard let record = try? JSONDecoder().decode(Stepped.self, from: Data(line)), record.step < step + (record.stage == nil ? 1 : 0) else {
                continue
            }
            result += line + [UInt8(ascii: "\n")]
        }
        return result
    }

    public func append(_ record: LogRecord) throws { try write(record) }

    /// Notes the beginning of a stage.
    ///
    /// - Parameter note: encodes as an object with the keys `step` (steps done) and `stage` (its name).
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

    /// Reads a log; what stages noted at their beginning is left out.
    public static func read(_ path: String) throws -> [LogRecord] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure.badInput("the log cannot be read", at: .file(path), advice: "check the path")
        }
        struct Note: Decodable { let stage: String }
        return try data.split(separator: UInt8(ascii: "\n")).enumerated().compactMap { number, line in
            if (try? JSONDecoder().decode(Note.self, from: Data(line))) != nil { return nil }
            guard let record = try? JSONDecoder().decode(LogRecord.self, from: Data(line)) else {
                throw Failure.badInput("the line is not a record of the log", at: .file(path), .line(number + 1), advice: "remove the line")
            }
            return record
        }
    }
}
