import CZlib
import Foundation
import TestSupport
import XCTest

/// Array files as NumPy writes them.
enum NumpyFixtures {
    /// A `.npy` file as numpy.save writes it.
    static func npy(
        shape: [Int], type: String = "<f4", fortran: Bool = false, version: UInt8 = 1, values: [Float]? = nil, drop: Int = 0
    ) -> Data {
        let sizes = shape.map { "\($0)," }.joined(separator: " ")
        var header = "{'descr': '\(type)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': (\(sizes)), }"
        let fixed = version == 1 ? 10 : 12
        header += String(repeating: " ", count: 63 - (fixed + header.utf8.count) % 64) + "\n"
        var data = Data([0x93] + Array("NUMPY".utf8) + [version, 0])
        let length = header.utf8.count
        data += version == 1 ? Data([UInt8(length & 255), UInt8(length >> 8)]) : Data((0..<4).map { UInt8(length >> (8 * $0) & 255) })
        data += Data(header.utf8)
        for value in values ?? (0..<shape.reduce(1, *)).map(Float.init) {
            let bytes = stored(value, String(type.dropFirst()))
            data += type.hasPrefix(">") ? Data(bytes.reversed()) : bytes
        }
        return data.dropLast(drop)
    }

    /// The bytes of a value, the lowest first; of types that are not known those of a float32.
    private static func stored(_ value: Float, _ type: String) -> Data {
        func integer(_ count: Int) -> Data {
            withUnsafeBytes(of: value < 0 ? UInt64(bitPattern: Int64(value)) : UInt64(value)) { Data($0.prefix(count)) }
        }
        switch type {
        case "f2": return withUnsafeBytes(of: Float16(value)) { Data($0) }
        case "f8": return withUnsafeBytes(of: Double(value)) { Data($0) }
        case "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8": return integer(type.last?.wholeNumberValue ?? 0)
        default: return withUnsafeBytes(of: value) { Data($0) }
        }
    }

    /// What differs from a plain ZIP file.
    struct Zip {
        var method: UInt16 = 0
        /// Sizes and places in ZIP64 fields and records.
        var isZip64 = false
        /// Added to the recorded sizes and checksums.
        var sizeError = 0
        var checksumError: UInt32 = 0
        var flags: UInt16 = 0
        var comment = ""
    }

    /// A `.npz` file as numpy.savez (stored) and numpy.savez_compressed (method 8) write it.
    static func npz(_ members: [(name: String, bytes: Data)], _ zip: Zip = Zip()) -> Data {
        var data = Data(), directory = Data()
        for (name, bytes) in members {
            let packed = zip.method == 8 ? deflated(bytes) : bytes
            let checksum = bytes.withUnsafeBytes {
                UInt32(truncatingIfNeeded: crc32(0, $0.bindMemory(to: UInt8.self).baseAddress, UInt32(bytes.count)))
            }
            let place = data.count
            let size = bytes.count + zip.sizeError
            let head =
                little(20, 2) + little(Int(zip.flags), 2) + little(Int(zip.method), 2) + little(0, 4)
                + little(Int(checksum &+ zip.checksumError), 4)
            let unknown = little(0xffff_ffff, 4)
            // numpy.savez writes ZIP64 fields in front of every member.
            let localExtra = little(1, 2) + little(16, 2) + little(size, 8) + little(packed.count, 8)
            data += little(0x0403_4b50, 4) + head + unknown + unknown + little(name.utf8.count, 2) + little(localExtra.count, 2)
            data += Data(name.utf8) + localExtra + packed
            let extra =
                little(0x7075, 2) + little(1, 2) + Data([7])
                + (zip.isZip64 ? little(1, 2) + little(24, 2) + little(size, 8) + little(packed.count, 8) + little(place, 8) : Data())
            directory += little(0x0201_4b50, 4) + little(20, 2) + head
            directory += zip.isZip64 ? unknown + unknown : little(packed.count, 4) + little(size, 4)
            directory += little(name.utf8.count, 2) + little(extra.count, 2) + little(0, 2 + 2 + 2 + 4)
            directory += (zip.isZip64 ? unknown : little(place, 4)) + Data(name.utf8) + extra
        }
        let place = data.count
        data += directory
        let count = members.count
        if zip.isZip64 {
            let record = data.count
            data += little(0x0606_4b50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 4) + little(0, 4)
            data += little(count, 8) + little(count, 8) + little(directory.count, 8) + little(place, 8)
            data += little(0x0706_4b50, 4) + little(0, 4) + little(record, 8) + little(1, 4)
        }
        data += little(0x0605_4b50, 4) + little(0, 2) + little(0, 2)
        data +=
            zip.isZip64
            ? little(0xffff, 2) + little(0xffff, 2) + little(0xffff_ffff, 4) + little(0xffff_ffff, 4)
            : little(count, 2) + little(count, 2) + little(directory.count, 4) + little(place, 4)
        return data + little(zip.comment.utf8.count, 2) + Data(zip.comment.utf8)
    }

    private static func little(_ value: Int, _ count: Int) -> Data { Data((0..<count).map { $0 < 8 ? UInt8(value >> (8 * $0) & 255) : 0 }) }

    private static func deflated(_ bytes: Data) -> Data {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer { stream.deallocate() }
        XCTAssertEqual(kairos_deflate_begin(stream), Z_OK)
        defer { deflateEnd(stream) }
        var input = [UInt8](bytes), output = [UInt8](repeating: 0, count: bytes.count + 1000)
        let made = input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                (stream.pointee.next_in, stream.pointee.avail_in) = (input.baseAddress, UInt32(input.count))
                (stream.pointee.next_out, stream.pointee.avail_out) = (output.baseAddress, UInt32(output.count))
                XCTAssertEqual(deflate(stream, Z_FINISH), Z_STREAM_END)
                return Int(stream.pointee.total_out)
            }
        }
        return Data(output[..<made])
    }
}

extension FolderTestCase {
    /// Writes a `.npy` file as numpy.save does.
    func npy(
        _ name: String, shape: [Int], type: String = "<f4", fortran: Bool = false, version: UInt8 = 1, values: [Float]? = nil, drop: Int = 0
    ) throws {
        try NumpyFixtures.npy(shape: shape, type: type, fortran: fortran, version: version, values: values, drop: drop)
            .write(to: URL(fileURLWithPath: path(name)))
    }
}
