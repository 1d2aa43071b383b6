import Diagnostics
import Foundation

/// A file of events that TensorBoard reads. What is written stands in the file at once.
public final class EventFile {
    public let path: String
    /// Writes to the end of the file, wherever that is; negative once closed.
    private var descriptor: Int32

    /// Opens a file for appending.
    ///
    /// - Throws: `Failure` (`.failed`) when it cannot be opened.
    package init(appendingTo path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure.failed(
                "the event file could not be opened for writing: \(String(cString: strerror(errno)))", at: .file(path),
                advice: "check the folder's permissions")
        }
    }

    deinit { try? close() }

    /// - Throws: `Failure` (`.failed`) when the disk does not take it.
    package func append(_ event: BoardEvent) throws { try requireWritten(writeWhole(Data(RecordFraming.frame(event.encoded)), to: descriptor)) }

    /// Ends the file; harmless when it has ended.
    ///
    /// - Throws: `Failure` (`.failed`) when the disk did not take events that were written before.
    package func close() throws {
        guard descriptor >= 0 else { return }
        let code = Foundation.close(descriptor) == 0 ? 0 : errno
        descriptor = -1
        try requireWritten(code)
    }

    private func requireWritten(_ code: Int32) throws {
        guard code == 0 else {
            throw Failure.failed(
                "the event file could not be written: \(String(cString: strerror(code)))", at: .file(path),
                advice: "check the free space of the disk")
        }
    }

    /// Reads all events. The last one may be half written, of a run that still runs or was killed: it is left out then.
    ///
    /// - Throws: `Failure` (`.badInput`) when the file cannot be read, and naming the record that is damaged, counted from 1.
    public static func read(_ path: String) throws -> [BoardEvent] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure.badInput("the event file cannot be read", at: .file(path), advice: "check the path")
        }
        let (records, fault) = RecordFraming.records([UInt8](data))
        let events = records.prefix { BoardEvent($0) != nil }.compactMap { BoardEvent($0) }
        guard events.count == records.count, fault != .damaged else {
            throw Failure.badInput("record \(events.count + 1) is damaged", at: .file(path), advice: "remove the file")
        }
        return events
    }
}
