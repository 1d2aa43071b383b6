import CZlib
import Diagnostics

/// The bytes of a member of a ZIP file, unpacked from the first one on, as many at a time as are asked for.
final class ZipMemberReader {
    private let bytes: InputBytes
    private let name: String
    private let size: Int
    private let checksum: UInt32
    private let packed: Range<Int>
    /// Of the next packed bytes.
    private var place: Int
    private var made = 0
    private var found = crc32(0, nil, 0)
    private var isEnded = false
    /// nil: the member is stored as it is. zlib knows a stream by its address.
    private let stream: UnsafeMutablePointer<z_stream>?
    private let input: UnsafeMutablePointer<UInt8>
    private static let inputBytes = 65_536

    /// - Parameters:
    ///   - bytes: of the archive.
    ///   - packed: where the member lies.
    ///   - name: of the member, for messages.
    ///   - size: bytes once unpacked.
    ///   - checksum: of these, as the directory records it.
    ///   - isDeflated: whether they are compressed.
    /// - Throws: `Failure.failed` when zlib has no memory.
    init(_ bytes: InputBytes, packed: Range<Int>, name: String, size: Int, checksum: UInt32, isDeflated: Bool) throws {
        (self.bytes, self.packed, self.name, self.size, self.checksum) = (bytes, packed, name, size, checksum)
        place = packed.lowerBound
        input = .allocate(capacity: Self.inputBytes)
        guard isDeflated else {
            stream = nil
            return
        }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        self.stream = stream
        guard kairos_inflate_begin(stream) == Z_OK else {
            throw Failure.failed("zlib could not begin: there is no memory", at: .file(bytes.path), advice: "use a machine with more memory")
        }
    }

    deinit {
        if let stream {
            inflateEnd(stream)
            stream.deallocate()
        }
        input.deallocate()
    }

    /// Unpacks the next `count` bytes.
    ///
    /// - Throws: `Failure.badInput` when the member does not hold as many, or is damaged.
    func read(_ count: Int, into target: UnsafeMutableRawPointer) throws {
        if stream == nil {
            try bytes.read(place..<place + count, into: target)
            place += count
            made += count
        } else {
            var done = 0
            while done < count {
                guard !isEnded else {
                    throw ZipArchive.broken("'\(name)' unpacks to \(made) bytes, \(size) are recorded", bytes)
                }
                let new = try inflate(target + done, room: count - done)
                done += new
                made += new
            }
        }
        for first in Swift.stride(from: 0, to: count, by: 1 << 30) {
            found = crc32(found, (target + first).assumingMemoryBound(to: UInt8.self), UInt32(min(1 << 30, count - first)))
        }
    }

    /// Checks, once all bytes were read, that no more come and that they have the recorded checksum.
    ///
    /// - Throws: `Failure.badInput` otherwise.
    func finish() throws {
        var beyond: UInt8 = 0
        while stream != nil, !isEnded {
            guard try inflate(&beyond, room: 1) == 0 else {
                throw ZipArchive.broken("'\(name)' unpacks to more than the \(size) bytes that are recorded", bytes)
            }
        }
        guard UInt32(truncatingIfNeeded: found) == checksum else {
            throw ZipArchive.broken("the checksum of '\(name)' is not the recorded one", bytes)
        }
    }

    /// Lets zlib go on: bytes that it made, which may be none.
    private func inflate(_ target: UnsafeMutableRawPointer, room: Int) throws -> Int {
        guard let stream else { return 0 }
        func damaged() -> Failure { ZipArchive.broken("the compressed values of '\(name)' are damaged", bytes) }
        if stream.pointee.avail_in == 0, place < packed.upperBound {
            let count = min(Self.inputBytes, packed.upperBound - place)
            try bytes.read(place..<place + count, into: input)
            place += count
            stream.pointee.next_in = input
            stream.pointee.avail_in = UInt32(count)
        }
        let asked = min(room, 1 << 30)
        stream.pointee.next_out = target.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(asked)
        let status = CZlib.inflate(stream, Z_NO_FLUSH)
        let new = asked - Int(stream.pointee.avail_out)
        isEnded = status == Z_STREAM_END
        switch status {
        case Z_OK, Z_STREAM_END: return new
        // There was nothing to go on with: fine while more packed bytes come.
        case Z_BUF_ERROR where new > 0 || place < packed.upperBound && stream.pointee.avail_in == 0: return new
        default: throw damaged()
        }
    }
}
