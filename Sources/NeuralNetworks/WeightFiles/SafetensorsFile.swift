import Diagnostics
import Foundation
import TemporalAnnotations

/// Named arrays in the safetensors format: 8 bytes little-endian header length, a JSON header of dtypes, shapes and byte ranges, then the values.
///
/// Reads F64, F32, F16 and BF16 into float32; writes F32.
public struct SafetensorsFile {
    /// A named array.
    public struct Array: Equatable, Sendable {
        public var name: String
        public var shape: [Int]
        /// Row-major.
        public var values: [Float]
        /// `values` row-major, as many as the product of `shape`.
        public init(name: String, shape: [Int], values: [Float]) {
            self.name = name
            self.shape = shape
            self.values = values
        }
    }

    /// In the order of their values in the file.
    public var arrays: [Array]
    public var metadata: [String: String]

    /// A file to be written: the values stand in the order of `arrays`.
    public init(arrays: [Array], metadata: [String: String] = [:]) {
        self.arrays = arrays
        self.metadata = metadata
    }

    /// Writes the file in one piece.
    ///
    /// - Throws: `Failure` (`.failed`) when the file cannot be written.
    public func write(to path: String) throws {
        var members: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }
            members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        var offset = 0
        members += arrays.map { array in
            let first = offset
            offset += array.values.count * 4
            let shape = array.shape.map(String.init).joined(separator: ",")
            return "\(Self.quoted(array.name)):{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(first),\(offset)]}"
        }
        var header = "{\(members.joined(separator: ","))}"
        // Values begin at a multiple of 8.
        header += String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        var data = Data(capacity: 8 + header.utf8.count + offset)
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { data.append(contentsOf: $0) }
        data.append(contentsOf: header.utf8)
        for array in arrays { array.values.withUnsafeBytes { data.append(contentsOf: $0) } }
        try replaceFile(at: path, with: data)
    }

    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}

extension SafetensorsFile {
    /// A tensor as the header tells of it.
    private struct Entry {
        let name: String
        let dtype: String
        let shape: [Int]
        let range: [Int]
    }

    /// Bytes of the longest header that is read, as in the published reader.
    private static let longestHeader = 100_000_000

    /// Reads a file.
    ///
    /// - Throws: `Failure.badInput` for a missing file, one that is not safetensors or ends early, arrays of other types, and headers whose tensors
    ///   have one name, share bytes or leave bytes over.
    public init(path: String) throws {
        let missing = Failure.badInput("the weight file cannot be read", at: .file(path), advice: "check the path")
        try self.init(data: try readInput(path, unreadable: missing), file: path)
    }

    /// - Parameter path: the name to say in errors.
    package init(data: Data, file path: String) throws {
        let bytes = [UInt8](data)
        guard bytes.count >= 8 else {
            throw Failure.badInput(
                "the file has \(bytes.count) bytes, fewer than the 8 of a safetensors header length", at: .file(path),
                advice: "copy the file again from its source")
        }
        let length = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= Self.longestHeader, bytes[8...].first.map({ $0 == UInt8(ascii: "{") }) ?? true else {
            throw Failure.badInput(
                "the file is not safetensors: it does not begin with a header's length and '{'", at: .file(path),
                advice: "convert PyTorch checkpoints first: safetensors.torch.save_file(torch.load(CHECKPOINT)['state_dict'], 'weights.safetensors')")
        }
        guard Int(length) <= bytes.count - 8 else {
            throw Failure.badInput(
                "the file ends early: its header has \(length) bytes, \(bytes.count - 8) follow", at: .file(path),
                advice: "copy the file again from its source")
        }
        let base = 8 + Int(length)
        let entries: [Entry]
        (entries, metadata) = try Self.header(Data(bytes[8..<base]), path)
        arrays = try entries.map { entry in
            Array(name: entry.name, shape: entry.shape, values: try Self.values(entry, bytes: bytes, base: base, path: path))
        }
        try Self.requireEveryByteOnce(entries, bytes.count - base, path)
    }

    /// The tensors in the order of their values, and the metadata.
    private static func header(_ data: Data, _ path: String) throws -> ([Entry], [String: String]) {
        let broken = Failure.badInput("the safetensors header is not JSON of the expected form", at: .file(path), advice: "write the file again")
        guard let root = try? JSONNode.parse(data, file: path), let members = root.members else { throw broken }
        if let repeated = root.repeatedName {
            throw Failure.badInput(
                "the header names the tensor twice", at: .file(path), .parameter(repeated.name), advice: "write the file again")
        }
        var entries: [Entry] = [], metadata: [String: String] = [:]
        for (name, node) in members {
            guard let parts = node.members, node.repeatedName == nil else { throw broken }
            if name == "__metadata__" {
                for part in parts {
                    guard let text = part.node.string else { throw broken }
                    metadata[part.name] = text
                }
                continue
            }
            guard let dtype = node["dtype"]?.string, let shape = integers(node["shape"]), let range = integers(node["data_offsets"]) else {
                throw broken
            }
            entries.append(Entry(name: name, dtype: dtype, shape: shape, range: range))
        }
        entries.sort { ($0.range.first ?? 0, $0.range.last ?? 0, $0.name) < ($1.range.first ?? 0, $1.range.last ?? 0, $1.name) }
        return (entries, metadata)
    }

    private static func integers(_ node: JSONNode?) -> [Int]? {
        guard let list = node?.array else { return nil }
        let numbers = list.compactMap { $0.number.flatMap { Int(exactly: $0) } }
        return numbers.count == list.count ? numbers : nil
    }

    /// Values that two tensors share, or that none has, are a sign of damage or of something hidden.
    private static func requireEveryByteOnce(_ entries: [Entry], _ count: Int, _ path: String) throws {
        var end = 0, last = ""
        for entry in entries {
            guard entry.range[0] >= end else {
                throw Failure.badInput(
                    "its values begin at byte \(entry.range[0]) of the data, those of '\(last)' end at byte \(end)", at: .file(path),
                    .parameter(entry.name), advice: "write the file again")
            }
            guard entry.range[0] == end else {
                throw Failure.badInput(
                    "\(entry.range[0] - end) bytes of the data before its values belong to no tensor", at: .file(path), .parameter(entry.name),
                    advice: "write the file again")
            }
            (end, last) = (entry.range[1], entry.name)
        }
        guard end == count else {
            throw Failure.badInput(
                "the file ends late: \(count - end) bytes follow the values of the last tensor", at: .file(path),
                advice: "copy the file again from its source")
        }
    }

    private static func values(_ entry: Entry, bytes: [UInt8], base: Int, path: String) throws -> [Float] {
        guard let width = ["F64": 8, "F32": 4, "F16": 2, "BF16": 2][entry.dtype] else {
            throw Failure.badInput(
                "the values have type \(entry.dtype); F64, F32, F16 and BF16 can be read", at: .file(path), .parameter(entry.name),
                advice: "convert the tensor to float32")
        }
        var count = 1
        for extent in entry.shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard extent >= 0, !overflow, product <= 1 << 40 else {
                throw Failure.badInput(
                    "the shape \(entry.shape) is impossible", at: .file(path), .parameter(entry.name), advice: "write the file again")
            }
            count = product
        }
        let offsets = entry.range
        guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] - offsets[0] == count * width else {
            throw Failure.badInput(
                "the byte range \(offsets) does not hold \(count) values of \(entry.dtype) (\(count * width) bytes)", at: .file(path),
                .parameter(entry.name),
                advice: "write the file again")
        }
        guard offsets[1] <= bytes.count - base else {
            throw Failure.badInput(
                "the file ends early: values reach to byte \(offsets[1]) of the data, \(bytes.count - base) are there", at: .file(path),
                .parameter(entry.name),
                advice: "copy the file again from its source")
        }
        return bytes.withUnsafeBytes { raw in
            let start = base + offsets[0]
            func load<Element: FixedWidthInteger>(_ i: Int, _ type: Element.Type) -> Element {
                Element(littleEndian: raw.loadUnaligned(fromByteOffset: start + i * width, as: type))
            }
            return (0..<count).map { i in
                switch entry.dtype {
                case "F64": Float(Double(bitPattern: load(i, UInt64.self)))
                case "F32": Float(bitPattern: load(i, UInt32.self))
                case "BF16": Float(bitPattern: UInt32(load(i, UInt16.self)) << 16)
                default: half(load(i, UInt16.self))
                }
            }
        }
    }

    /// IEEE half precision to single.
    static func half(_ bits: UInt16) -> Float {
        let sign: Float = bits & 0x8000 == 0 ? 1 : -1
        let exponent = Int(bits >> 10 & 0x1F)
        let fraction = Float(bits & 0x3FF)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * (1 + fraction * 0x1p-10) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
        }
    }
}
