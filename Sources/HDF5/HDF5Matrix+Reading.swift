import Diagnostics
import Foundation

/// Reads that bypass the HDF5 library, and reads that are announced to the operating system in advance.
///
/// A disk is idle between two reads that do not follow one another: the system reads ahead only where a file is read in order. `POSIX_FADV_WILLNEED`
/// starts the reads that it cannot guess.
extension HDF5Matrix {
    /// Reads contiguous rows from the file itself, without the library's lock: threads read side by side, and while a checkpoint is written.
    ///
    /// - Returns: false where the rows do not lie in one piece, or could not be read; the library then reads them or says what is wrong.
    /// - Throws: `Failure.badInput` where the file ends before the rows do: the library would call what is missing zeros.
    func readDirectly(_ rows: Range<Int>, into target: UnsafeMutableRawPointer) throws -> Bool {
        guard let fileOffset, let descriptor, rows.lowerBound >= 0, rows.upperBound <= self.rows else { return false }
        let size = rows.count * bytesPerRow, first = fileOffset + rows.lowerBound * bytesPerRow
        // A large read out of order is taken for one of its kind, and nothing is read ahead. Of small ones in a row the system sees that they follow
        // one another, and reads on in large pieces, as far as it was set up to. Each is twice as large as the one before, up to 64 KiB: of what
        // memory holds, reads of 16 KiB alone take half as long again.
        var most = lastRead.move(to: rows) ? size : 16 << 10
        var done = 0
        while done < size {
            let count = pread(descriptor, target + done, min(most, size - done), off_t(first + done))
            if count < 0, errno == EINTR { continue }
            if count == 0 { throw endsEarly(at: first + done) }
            guard count > 0 else { return false }
            done += count
            most = max(most, min(2 * most, 64 << 10))
        }
        return true
    }

    private func endsEarly(at end: Int) -> Failure {
        .badInput(
            "the file has become shorter since it was opened: row \((end - (fileOffset ?? 0)) / bytesPerRow) lies beyond its end",
            at: .file(file.path), .dataset(name),
            advice: "let nothing write to a file that is in use; copy it again from its source, or make it again")
    }

    /// Whether the system itself reads far ahead in this file system, in pieces that are cheaper than those it is told of: from 1 MiB.
    package var systemReadsFarAhead: Bool {
        var information = stat()
        guard let descriptor, fstat(descriptor, &information) == 0 else { return false }
        let path = "/sys/class/bdi/\(Self.majorNumber(information.st_dev)):\(Self.minorNumber(information.st_dev))/read_ahead_kb"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return false }
        return (Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0) >= 1024
    }

    // As the C macros `major` and `minor` take a device's number apart on Linux.
    private static func majorNumber(_ device: dev_t) -> UInt64 { (UInt64(device) >> 8) & 0xfff | (UInt64(device) >> 32) & ~0xfff }
    private static func minorNumber(_ device: dev_t) -> UInt64 { UInt64(device) & 0xff | (UInt64(device) >> 12) & ~0xff }

    /// Announces rows that will be read soon; returns before they are read. Rows that continue where the read before them ends are left to the
    /// system, whose own reading ahead does better there. Of a matrix in chunks nothing is announced.
    ///
    /// - Parameters:
    ///   - reads: in their order.
    ///   - last: where the read before them ends; nil: not known.
    package func announce(_ reads: [Range<Int>], after last: Int?) {
        guard let fileOffset, let descriptor else { return }
        var last = last
        var bytes: [Range<Int>] = []
        for rows in reads {
            if rows.lowerBound != last {
                bytes.append(fileOffset + rows.lowerBound * bytesPerRow..<fileOffset + rows.upperBound * bytesPerRow)
            }
            last = rows.upperBound
        }
        for range in Self.merged(bytes) {
            // A wish: where it is not granted, the read itself will fetch.
            _ = posix_fadvise(descriptor, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_WILLNEED)
        }
    }

    /// The ranges with those that touch or overlap as one, in the order in which the first of each is read; empty ones left out.
    package static func merged(_ ranges: [Range<Int>]) -> [Range<Int>] {
        var result: [(range: Range<Int>, turn: Int)] = []
        for (turn, range) in ranges.enumerated().filter({ !$1.isEmpty }).sorted(by: { $0.1.lowerBound < $1.1.lowerBound }) {
            if let last = result.last, range.lowerBound <= last.range.upperBound {
                result[result.count - 1] = (last.range.lowerBound..<max(last.range.upperBound, range.upperBound), min(last.turn, turn))
            } else {
                result.append((range, turn))
            }
        }
        return result.sorted { $0.turn < $1.turn }.map(\.range)
    }
}

/// Where the last read ended; safe to use from several threads.
final class LastRead: @unchecked Sendable {
    private let lock = NSLock()
    private var end = 0

    /// - Returns: whether these rows continue where the last ones ended.
    func move(to rows: Range<Int>) -> Bool {
        lock.withLock {
            defer { end = rows.upperBound }
            return rows.lowerBound == end
        }
    }
}
