import CHDF5
import Diagnostics
import Digests
import Foundation

/// The digest of an HDF5 file's index, behind the end of the HDF5 file itself, where its programs do not look: SHA-256 over all bytes but the values
/// of large arrays. It is compared before the HDF5 library reads the file, which trusts what it reads and would crash on damage.
///
/// All numbers are 8 bytes, little-endian:
///
///     magic "KairosIx"
///     where the seal begins: bytes of the HDF5 file
///     n, the number of ranges that are left out
///     n times: first byte and number of bytes of a range, ascending and apart
///     32 bytes: SHA-256 over the seal up to here, then all bytes of the HDF5 file outside the ranges, in order
///     bytes of the whole seal
///     magic "KairosIx"
///
/// A file without a seal is read nevertheless. A program that changes the file through the HDF5 library removes the seal.
enum IndexSeal {
    static let magic = Array("KairosIx".utf8)
    /// Bytes of a seal besides its ranges.
    private static let frame = 72
    private static let advice = "copy the file again from its source, or make it again"

    // MARK: Writing

    /// Seals a finished file.
    ///
    /// - Parameter ranges: bytes that are left out, in any order.
    /// - Throws: `Failure.failed` when the file cannot be read or written.
    static func append(to path: String, leavingOut ranges: [Range<Int>]) throws {
        let file = open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { throw unfinished(path) }
        defer { close(file) }
        var information = stat()
        guard fstat(file, &information) == 0 else { throw unfinished(path) }
        let size = Int(information.st_size), ranges = HDF5Matrix.merged(ranges).sorted { $0.lowerBound < $1.lowerBound }
        var seal = magic + bytes(size) + bytes(ranges.count)
        for range in ranges { seal += bytes(range.lowerBound) + bytes(range.count) }
        guard let digest = digest(of: file, size: size, head: seal, leavingOut: ranges) else { throw unfinished(path) }
        seal += digest
        seal += bytes(seal.count + 16) + magic
        var done = 0
        while done < seal.count {
            let count = seal.withUnsafeBytes { pwrite(file, $0.baseAddress.map { $0 + done }, seal.count - done, off_t(size + done)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw unfinished(path) }
            done += count
        }
    }

    private static func unfinished(_ path: String) -> Failure {
        .failed(
            "the file could not be written whole: \(String(cString: strerror(errno)))", at: .file(path),
            advice: "free space on the disk, then start again")
    }

    // MARK: Checking

    /// Compares a file's index with its seal, when it has one.
    ///
    /// - Returns: whether it has one.
    /// - Throws: `Failure.badInput` when they differ, or the seal itself is not whole.
    static func check(_ path: String) throws -> Bool {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return false }
        defer { close(file) }
        var information = stat()
        guard fstat(file, &information) == 0 else { return false }
        let size = Int(information.st_size)
        guard size >= frame, let end = read(file, size - 16, 16) else { return false }
        let length = number(end, 0)
        // A few bytes of the magic may be what is damaged.
        guard isMagic(end[8...]) else {
            if let begin = promisedEnd(file), begin < size, let head = read(file, begin, min(8, size - begin)), isMagic(head[...]) {
                throw Failure.badInput("the file ends early: the digest of its index is not whole", at: .file(path), advice: advice)
            }
            return false
        }
        guard length >= frame, length <= size, length <= frame + 16 << 20, let seal = read(file, size - length, length),
            Array(seal[..<8]) == magic, Array(end[8...]) == magic, number(seal, 8) == size - length, number(seal, 16) == (length - frame) / 16,
            length % 16 == frame % 16
        else { throw damaged(path) }
        var ranges: [Range<Int>] = [], last = 0
        for index in 0..<(length - frame) / 16 {
            let first = number(seal, 24 + 16 * index), count = number(seal, 32 + 16 * index)
            guard first >= last, count > 0, first <= size - length, count <= size - length - first else { throw damaged(path) }
            ranges.append(first..<first + count)
            last = first + count
        }
        let head = length - 48
        guard let found = digest(of: file, size: size - length, head: Array(seal[..<head]), leavingOut: ranges) else { throw damaged(path) }
        let recorded = Array(seal[head..<head + 32])
        guard found == recorded else {
            throw damaged(path, ": its digest is \(SHA256.hex(found.prefix(6)))..., \(SHA256.hex(recorded.prefix(6)))... is recorded")
        }
        return true
    }

    private static func damaged(_ path: String, _ detail: String = "") -> Failure {
        .badInput("the file's index is damaged\(detail)", at: .file(path), advice: advice)
    }

    private static func isMagic(_ bytes: ArraySlice<UInt8>) -> Bool { zip(bytes, magic).filter { $0 == $1 }.count >= 6 }

    /// Where the HDF5 file ends, as its first block (version 0, as it is written here) says; nil for other forms.
    private static func promisedEnd(_ file: Int32) -> Int? {
        guard let block = read(file, 0, 48), block[8] == 0, block[13] == 8, block[14] == 8 else { return nil }
        return number(block, 40) >= 48 ? number(block, 40) : nil
    }

    // MARK: Bytes

    private static func bytes(_ number: Int) -> [UInt8] { withUnsafeBytes(of: UInt64(number).littleEndian) { Array($0) } }

    /// Negative for a number beyond `Int`.
    private static func number(_ bytes: [UInt8], _ first: Int) -> Int {
        Int(truncatingIfNeeded: (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[first + $1]) << UInt64(8 * $1) })
    }

    /// nil where the file does not hold them.
    private static func read(_ file: Int32, _ first: Int, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return bytes.withUnsafeMutableBytes { fill($0, file, first) } ? bytes : nil
    }

    private static func fill(_ target: UnsafeMutableRawBufferPointer, _ file: Int32, _ first: Int) -> Bool {
        var done = 0
        while done < target.count {
            let count = pread(file, target.baseAddress.map { $0 + done }, target.count - done, off_t(first + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private static func digest(of file: Int32, size: Int, head: [UInt8], leavingOut ranges: [Range<Int>]) -> [UInt8]? {
        var hash = SHA256()
        hash.update(head)
        var buffer = [UInt8](repeating: 0, count: min(max(size, 1), 1 << 16))
        var place = 0
        for range in ranges + [size..<size] {
            while place < range.lowerBound {
                let count = min(buffer.count, range.lowerBound - place)
                let isRead = buffer.withUnsafeMutableBytes { bytes in
                    let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
                    guard fill(part, file, place) else { return false }
                    hash.update(UnsafeRawBufferPointer(part))
                    return true
                }
                guard isRead else { return nil }
                place += count
            }
            place = range.upperBound
        }
        return hash.bytes()
    }
}

extension HDF5File {
    /// Closes a written file as `finishWriting()` does, and seals it (`IndexSeal`). One process alone.
    ///
    /// - Parameter datasets: contiguous ones whose values are left out of the seal, since their readers check them.
    /// - Throws: `Failure.failed` when it cannot be written, `.badInput` when there is no dataset of such a name.
    public func finishWriting(sealedWithout datasets: [String]) throws {
        let ranges = try HDF5Library.locked { try datasets.compactMap(placeOfValues) }
        try finishWriting()
        try IndexSeal.append(to: path, leavingOut: ranges)
    }
}
