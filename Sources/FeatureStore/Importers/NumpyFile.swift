import Diagnostics
import Foundation

/// A NumPy `.npy` file (format versions 1, 2 and 3) of little-endian float16, float32 or float64.
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
struct NumpyFile {
    enum Element: String {
        case float16 = "<f2"
        case float32 = "<f4"
        case float64 = "<f8"

        var bytes: Int {
            switch self {
            case .float16: 2
            case .float32: 4
            case .float64: 8
            }
        }
        var name: String {
            switch self {
            case .float16: "float16"
            case .float32: "float32"
            case .float64: "float64"
            }
        }
    }

    let path: String
    let element: Element
    let shape: [Int]
    /// Whether the first index runs fastest.
    let isFortranOrder: Bool
    private let offset: Int

    /// Reads the header and checks it against the size of the file.
    init(path: String) throws {
        self.path = path
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw Failure.badInput("the file does not exist or cannot be opened", at: .file(path), advice: "check the path and its permissions")
        }
        defer { try? handle.close() }
        let size = Int((try? handle.seekToEnd()) ?? 0)
        try? handle.seek(toOffset: 0)
        let head = Array((try? handle.read(upToCount: 12)) ?? Data())
        guard head.count >= 10, head.prefix(6) == [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] else {
            throw Failure.badInput("this is not a .npy file", at: .file(path), advice: "save the features with numpy.save")
        }
        guard 1...3 ~= head[6], head[6] == 1 || head.count == 12 else {
            throw Failure.badInput(
                "the file has .npy version \(head[6]), versions 1 to 3 are read", at: .file(path), advice: "save the features again with numpy.save")
        }
        let length = head[6] == 1 ? Int(head[8]) | Int(head[9]) << 8 : (0..<4).reduce(0) { $0 | Int(head[8 + $1]) << (8 * $1) }
        offset = (head[6] == 1 ? 10 : 12) + length
        guard offset <= size else {
            throw Failure.badInput(
                "the file ends early: its header has \(length) bytes, the file \(size)", at: .file(path),
                advice: "copy the file again from its source and compare the sizes")
        }
        try? handle.seek(toOffset: UInt64(offset - length))
        let header = String(decoding: (try? handle.read(upToCount: length)) ?? Data(), as: UTF8.self)
        func broken() -> Failure {
            .badInput(
                "the header is not that of a .npy file: \(header.trimmingCharacters(in: .whitespacesAndNewlines).prefix(100))", at: .file(path),
                advice: "save the features again with numpy.save")
        }
        guard let type = Self.value(of: "descr", in: header), let order = Self.value(of: "fortran_order", in: header),
            let sizes = Self.value(of: "shape", in: header), sizes.hasPrefix("("), ["True", "False"].contains(order)
        else { throw broken() }
        isFortranOrder = order == "True"
        let words = sizes.dropFirst().prefix { $0 != ")" }.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        shape = try words.filter { !$0.isEmpty }.map { word in
            guard let number = Int(word), 0..<(1 << 40) ~= number else { throw broken() }
            return number
        }
        let typeName = type.trimmingCharacters(in: CharacterSet(charactersIn: "'\""))
        guard let element = Element(rawValue: typeName) else {
            throw Failure.badInput(
                "the values are of NumPy type '\(typeName)'; float16, float32 or float64, little-endian, were expected", at: .file(path),
                advice: "save them as numpy.save(path, array.astype('<f4'))")
        }
        self.element = element
        guard shape.count == 2 else {
            throw Failure.badInput(
                "the array has the shape \(shape); two sizes [rows, dimension] were expected", at: .file(path),
                advice: "save one array [rows, dimension] per video, such as array.reshape(-1, dimension)")
        }
        // Sizes are below 2^40, so that one row fits; all rows need not.
        let (count, overflow) = shape[0].multipliedReportingOverflow(by: shape[1] * element.bytes)
        guard !overflow, count == size - offset else {
            let isShort = overflow || size - offset < count
            throw Failure.badInput(
                "the file ends \(isShort ? "early" : "late"): its header promises \(shape[0]) x \(shape[1]) \(element.name) "
                    + "(\(overflow ? "more than \(Int.max)" : "\(count)") bytes of values), it holds \(size - offset)",
                at: .file(path), advice: "copy the file again from its source and compare the sizes")
        }
    }

    /// Reads all values as float32 into `target`, [shape[0], shape[1]] row-major.
    func read(into target: UnsafeMutablePointer<Float>) throws {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
        } catch {
            throw Failure.badInput("the file could not be read: \(error.localizedDescription)", at: .file(path), advice: "check its permissions")
        }
        let count = shape[0] * shape[1]
        guard data.count == offset + count * element.bytes else {
            throw Failure.badInput("the file changed while it was read", at: .file(path), advice: "start again when nothing writes to it")
        }
        var ordered: UnsafeMutablePointer<Float>?
        if isFortranOrder { ordered = .allocate(capacity: max(count, 1)) }
        defer { ordered?.deallocate() }
        let place = ordered ?? target
        data.withUnsafeBytes { bytes in
            let values = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            switch element {
            case .float32:
                UnsafeMutableRawBufferPointer(start: place, count: count * 4).copyMemory(from: values)
            case .float64:
                for index in 0..<count { place[index] = Float(values.loadUnaligned(fromByteOffset: index * 8, as: Double.self)) }
            case .float16:
                for index in 0..<count { place[index] = Self.widen(values.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)) }
            }
        }
        if let ordered {
            for row in 0..<shape[0] {
                for column in 0..<shape[1] { target[row * shape[1] + column] = ordered[column * shape[0] + row] }
            }
        }
    }

    private static func widen(_ half: UInt16) -> Float {
        var half = half
        var value: Float = 0
        HalfPrecision.widen(&half, into: &value, count: 1)
        return value
    }

    /// The text of a value of the header's dictionary: up to the comma that ends it (parentheses counted).
    private static func value(of key: String, in header: String) -> String? {
        guard let found = header.range(of: "'\(key)'") ?? header.range(of: "\"\(key)\""), let colon = header[found.upperBound...].firstIndex(of: ":")
        else { return nil }
        var depth = 0
        var text = ""
        for character in header[header.index(after: colon)...] {
            if "([{".contains(character) { depth += 1 }
            if ")]}".contains(character) { depth -= 1 }
            if depth < 0 || depth == 0 && character == "," { break }
            text.append(character)
        }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
