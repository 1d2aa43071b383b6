import Diagnostics
import Foundation
import RunRecords

/// The event files of a run: one that holds its events, and of a run that went on the emptied one before it.
package struct EventFolder {
    package let path: String

    package init(path: String) { self.path = path }

    private static let prefix = "events.out.tfevents.", suffix = ".kairos"

    /// Numbers of the files, ascending: the order in which TensorBoard reads them.
    package var numbers: [Int] {
        RunFolder.numbers(in: path, prefix: Self.prefix, suffix: Self.suffix, digits: 10)
    }

    package func file(_ number: Int) -> String { "\(path)/\(Self.prefix)\(String(format: "%010d", number))\(Self.suffix)" }

    /// Begins a file that holds the run's events up to a step, in the place of the files so far.
    ///
    /// TensorBoard never reads a file again from its beginning. So this is a new file, and it begins with a mark that lets a TensorBoard that looks on
    /// forget what it has read.
    ///
    /// - Parameters:
    ///   - step: where the run begins or goes on.
    ///   - time: of the beginning, in seconds since 1970.
    /// - Throws: `Failure` (`.failed`) when the files so far cannot be read, or the new one not be written.
    package func begin(at step: Int, time: Double) throws -> EventFile {
        let old = numbers, new = file((old.last ?? 0) + 1)
        let beginning = [
            BoardEvent(time: time, step: 0, content: .version(BoardEvent.version)), BoardEvent(time: time, step: 0, content: .sessionStart),
        ]
        var bytes = beginning.flatMap { RecordFraming.frame($0.encoded) }
        for record in try kept(of: old, before: step) { bytes += RecordFraming.frame(record) }
        try RunFolder.make(path)
        // TensorBoard must not see the file before it is whole, not even by another name of its kind.
        let whole = "\(path)/continued"
        try replaceFile(at: whole, with: Data(bytes))
        guard rename(whole, new) == 0 else {
            throw Failure.failed(
                "the event file could not be put in its place: \(String(cString: strerror(errno)))", at: .file(new),
                advice: "check the folder's permissions and free space")
        }
        let result = try EventFile(appendingTo: new)
        // A TensorBoard that looks on comes to the new file from the one that it is reading, which has to be there.
        if let last = old.last { truncate(file(last), 0) }
        for number in old.dropLast() { unlink(file(number)) }
        return result
    }

    /// Records of events that stay when the run goes on at `step`; what follows a damaged one does not.
    private func kept(of files: [Int], before step: Int) throws -> [[UInt8]] {
        var kept: [[UInt8]] = []
        guard step > 0 else { return kept }
        for number in files {
            guard let data = FileManager.default.contents(atPath: file(number)) else {
                throw Failure.failed(
                    "the event file of the run so far cannot be read", at: .file(file(number)),
                    advice: "check its permissions, or move it away to begin a new one")
            }
            for record in RecordFraming.records([UInt8](data)).records {
                guard let event = BoardEvent(record) else { break }
                switch event.content {
                // Each file holds everything that was so before it.
                case .sessionStart: kept.removeAll()
                case .version, .other: break
                case .summary(let values):
                    if let tag = values.first?.tag, BoardTag.stays(tag, of: event.step, at: step) { kept.append(Array(record)) }
                }
            }
        }
        return kept
    }
}
