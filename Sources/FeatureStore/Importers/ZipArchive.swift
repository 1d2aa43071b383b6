import Diagnostics
import Foundation

/// The members of a ZIP file (stored or deflated; ZIP64), as `numpy.savez` writes them.
/// Format: PKWARE APPNOTE 6.3.10.
///
/// The directory at the end of the file says where members lie. All places and sizes in it are compared with the file before anything is read, and
/// with what deflate can make of the compressed bytes before memory is asked for.
package struct ZipArchive {
    package struct Member: Equatable {
        package let name: String
        /// Bytes once unpacked, as the directory says.
        package let size: Int
        fileprivate let isDeflated: Bool
        fileprivate let checksum: UInt32
        fileprivate let compressedSize: Int
        fileprivate let headerOffset: Int
    }

    package let members: [Member]
    private let bytes: InputBytes
    /// Where the directory begins: members lie before it.
    private let directoryOffset: Int

    /// Members of one file that are examined: more are no file of arrays.
    private static let mostMembers = 65_536
    /// Deflate makes at most 1,032 bytes of one.
    private static let mostInflation = 1032

    package static func isArchive(_ head: [UInt8]) -> Bool { head.starts(with: [0x50, 0x4b, 3, 4]) || head.starts(with: [0x50, 0x4b, 5, 6]) }

    package init(_ bytes: InputBytes) throws {
        self.bytes = bytes
        let end = try Self.findEnd(bytes)
        guard end.members <= Self.mostMembers else {
            throw Self.broken("it holds \(end.members) members, more than \(Self.mostMembers)", bytes)
        }
        guard end.offset >= 0, end.size >= 0, end.offset <= end.place, end.size <= end.place - end.offset else {
            throw Self.broken("its directory lies outside the file", bytes)
        }
        directoryOffset = end.offset
        let directory = try bytes.read(end.offset..<end.offset + end.size)
        var members: [Member] = []
        var names: Set<String> = []
        var place = 0
        for _ in 0..<end.members {
            guard let member = try Self.member(directory, &place, bytes) else { throw Self.broken("its directory is damaged", bytes) }
            guard names.insert(member.name).inserted else { throw Self.broken("it holds '\(member.name)' twice", bytes) }
            members.append(member)
        }
        self.members = members
    }

    // MARK: Members

    /// Unpacks the first `count` bytes of a member into `target`; when these are all, checks them against the recorded checksum.
    package func read(_ member: Member, first count: Int, into target: UnsafeMutableRawPointer) throws {
        precondition(count <= member.size)
        let reader = try reader(of: member)
        try reader.read(count, into: target)
        if count == member.size { try reader.finish() }
    }

    /// Unpacks a member from its first byte on.
    func reader(of member: Member) throws -> ZipMemberReader {
        let packed = try place(of: member)
        return try ZipMemberReader(
            bytes, packed: packed, name: member.name, size: member.size, checksum: member.checksum, isDeflated: member.isDeflated)
    }

    package func read(_ member: Member, first count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            if let base = buffer.baseAddress { try read(member, first: count, into: base) }
            filled = count
        }
    }

    /// Where the packed bytes of a member lie: behind a header of their own, whose lengths differ from the directory's.
    private func place(of member: Member) throws -> Range<Int> {
        let head = member.headerOffset
        guard head <= directoryOffset - 30 else { throw Self.broken("'\(member.name)' lies outside the file", bytes) }
        let header = try bytes.read(head..<head + 30)
        guard header.starts(with: [0x50, 0x4b, 3, 4]) else { throw Self.broken("'\(member.name)' is not where the directory says", bytes) }
        let first = head + 30 + Self.number(header, 26, 2) + Self.number(header, 28, 2)
        guard first <= directoryOffset, member.compressedSize <= directoryOffset - first else {
            throw Self.broken("'\(member.name)' lies outside the file", bytes)
        }
        return first..<first + member.compressedSize
    }

    // MARK: Directory

    private struct End {
        /// Where this record, or the ZIP64 one, lies: the directory lies before it.
        var place: Int
        var members: Int
        var size: Int
        var offset: Int
    }

    /// The record at the end of the file, with the numbers of the ZIP64 record where it refers to that.
    private static func findEnd(_ bytes: InputBytes) throws -> End {
        let first = max(0, bytes.count - 22 - 65_535)
        let tail = try bytes.read(first..<bytes.count)
        let last = tail.count - 22
        guard last >= 0,
            let found = stride(from: last, through: 0, by: -1).first(where: {
                number(tail, $0, 4) == 0x0605_4b50 && $0 + 22 + number(tail, $0 + 20, 2) == tail.count
            })
        else {
            throw Failure.badInput(
                "the .npz file ends early: it is a ZIP file without its directory", at: .file(bytes.path),
                advice: "copy the file again from its source and compare the sizes")
        }
        guard number(tail, found + 4, 2) == number(tail, found + 6, 2) else { throw broken("it is one of several parts", bytes) }
        let end = End(
            place: first + found, members: number(tail, found + 10, 2), size: number(tail, found + 12, 4), offset: number(tail, found + 16, 4))
        guard end.members == 0xffff || end.size == 0xffff_ffff || end.offset == 0xffff_ffff else { return end }
        let locator = end.place - 20
        guard locator >= 0 else { return end }
        let link = try bytes.read(locator..<end.place)
        guard number(link, 0, 4) == 0x0706_4b50 else { return end }
        guard let place = longNumber(link, 8), place <= locator - 56 else { throw broken("its directory lies outside the file", bytes) }
        let record = try bytes.read(place..<place + 56)
        guard number(record, 0, 4) == 0x0606_4b50, let members = longNumber(record, 32), let size = longNumber(record, 40),
            let offset = longNumber(record, 48)
        else { throw broken("its directory is damaged", bytes) }
        return End(place: place, members: members, size: size, offset: offset)
    }

    /// The entry of the directory at `place`, which moves behind it; nil where the directory ends before the entry does.
    private static func member(_ directory: [UInt8], _ place: inout Int, _ bytes: InputBytes) throws -> Member? {
        guard place <= directory.count - 46, number(directory, place, 4) == 0x0201_4b50 else { return nil }
        let nameEnd = place + 46 + number(directory, place + 28, 2)
        let extraEnd = nameEnd + number(directory, place + 30, 2)
        let end = extraEnd + number(directory, place + 32, 2)
        guard end <= directory.count else { return nil }
        let name = String(decoding: directory[place + 46..<nameEnd], as: UTF8.self)
        var (size, compressed, header) = (number(directory, place + 24, 4), number(directory, place + 20, 4), number(directory, place + 42, 4))
        // What does not fit 32 bits stands in the extra field 1, in this order, each where it is needed.
        var extra = nameEnd
        while extra <= extraEnd - 4 {
            let (kind, length) = (number(directory, extra, 2), number(directory, extra + 2, 2))
            let fieldEnd = extra + 4 + length
            guard fieldEnd <= extraEnd else { return nil }
            if kind == 1 {
                var field = extra + 4
                func widen(_ value: inout Int) -> Bool {
                    guard value == 0xffff_ffff else { return true }
                    guard field <= fieldEnd - 8, let wide = longNumber(directory, field) else { return false }
                    value = wide
                    field += 8
                    return true
                }
                guard widen(&size), widen(&compressed), widen(&header) else { return nil }
            }
            extra = fieldEnd
        }
        guard number(directory, place + 8, 2) & 1 == 0 else {
            throw Failure.badInput("'\(name)' is encrypted", at: .file(bytes.path), advice: "save the features again with numpy.savez")
        }
        let method = number(directory, place + 10, 2)
        guard method == 0 || method == 8 else {
            throw Failure.badInput(
                "'\(name)' is compressed by method \(method); stored (0) and deflated (8) are read", at: .file(bytes.path),
                advice: "save the features again with numpy.savez or numpy.savez_compressed")
        }
        guard compressed <= bytes.count, method == 8 ? size / mostInflation <= compressed : size == compressed else {
            throw broken("'\(name)' cannot be \(size) bytes in \(compressed)", bytes)
        }
        defer { place = end }
        return Member(
            name: name, size: size, isDeflated: method == 8, checksum: UInt32(number(directory, place + 16, 4)), compressedSize: compressed,
            headerOffset: header)
    }

    /// A little-endian number of up to 4 bytes.
    private static func number(_ bytes: [UInt8], _ place: Int, _ count: Int) -> Int {
        (0..<count).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
    }

    /// A little-endian number of 8 bytes, below 2^62.
    private static func longNumber(_ bytes: [UInt8], _ place: Int) -> Int? {
        let (low, high) = (number(bytes, place, 4), number(bytes, place + 4, 4))
        return high < 1 << 30 ? high << 32 | low : nil
    }

    static func broken(_ what: String, _ bytes: InputBytes) -> Failure {
        .badInput(
            "the .npz file is damaged: \(what)", at: .file(bytes.path), advice: "copy the file again from its source and compare the sizes")
    }
}
