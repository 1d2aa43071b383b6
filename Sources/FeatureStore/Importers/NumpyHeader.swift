import Diagnostics
import Foundation

/// The header of a NumPy array file (`.npy`, format versions 1, 2 and 3): floats of 2, 4 or 8 bytes, or integers of 1, 2, 4 or 8 bytes, in either order
/// of bytes, of shape [rows, columns].
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
///
/// Sizes of 1 beside the two are dropped, as [1, rows, columns] and [rows, columns, 1, 1] are often saved.
package struct NumpyHeader: Equatable {
    /// A type of numbers.
    package struct Element: Equatable, Sendable {
        enum Kind: String { case float, int, uint }

        let kind: Kind
        let bytes: Int
        let isBigEndian: Bool

        static let float32 = Element(kind: .float, bytes: 4, isBigEndian: false)

        private init(kind: Kind, bytes: Int, isBigEndian: Bool) { (self.kind, self.bytes, self.isBigEndian) = (kind, bytes, isBigEndian) }

        /// A type as NumPy writes it: the order of bytes (`<`, `>`; `|`: there is none), the kind (`f`, `i`, `u`) and the number of bytes.
        init?(_ text: String) {
            let kinds: [Character: Kind] = ["f": .float, "i": .int, "u": .uint]
            guard text.utf8.count == 3, let order = text.first, let kind = kinds[text.dropFirst().first ?? " "], let bytes = Int(text.suffix(1)),
                (kind == .float ? [2, 4, 8] : [1, 2, 4, 8]).contains(bytes), order == "<" || order == ">" || order == "|" && bytes == 1
            else { return nil }
            self.init(kind: kind, bytes: bytes, isBigEndian: order == ">")
        }

        var name: String { "\(kind.rawValue)\(8 * bytes)" }
    }

    package let element: Element
    package let rows: Int
    package let columns: Int
    /// Whether the first index runs fastest.
    package let isFortranOrder: Bool
    /// Where the values begin.
    package let offset: Int

    /// Headers are tens of bytes long; what is longer is none.
    private static let longest = 1 << 20

    /// - Parameters:
    ///   - size: bytes of the whole array file.
    ///   - places: where it is, for messages.
    ///   - read: gives the first bytes of the array file, as many as asked for and at most `size`.
    package init(size: Int, at places: [Failure.Place], read: (_ first: Int) throws -> [UInt8]) throws {
        func failure(_ what: String, _ advice: String) -> Failure { Failure(.badInput, what, at: places, advice: advice) }
        let again = "save the features again with numpy.save"
        let copy = "copy the file again from its source and compare the sizes"
        let head = try read(min(size, 12))
        guard head.count >= 10, head.starts(with: Self.magic) else { throw failure("this is not a .npy file", "save the features with numpy.save") }
        guard 1...3 ~= head[6], head[6] == 1 || head.count == 12 else {
            throw failure("the file has .npy version \(head[6]), versions 1 to 3 are read", again)
        }
        let length = head[6] == 1 ? Int(head[8]) | Int(head[9]) << 8 : (0..<4).reduce(0) { $0 | Int(head[8 + $1]) << (8 * $1) }
        offset = (head[6] == 1 ? 10 : 12) + length
        guard offset <= size else { throw failure("the file ends early: its header has \(length) bytes, the file \(size)", copy) }
        guard length <= Self.longest else { throw failure("the header has \(length) bytes, more than \(Self.longest)", again) }
        let header = String(decoding: try read(offset).suffix(length), as: UTF8.self)
        func broken() -> Failure {
            failure("the header is not that of a .npy file: \(header.trimmingCharacters(in: .whitespacesAndNewlines).prefix(100))", again)
        }
        guard let type = Self.value(of: "descr", in: header), let order = Self.value(of: "fortran_order", in: header),
            let sizes = Self.value(of: "shape", in: header), sizes.hasPrefix("("), ["True", "False"].contains(order)
        else { throw broken() }
        isFortranOrder = order == "True"
        let words = sizes.dropFirst().prefix { $0 != ")" }.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        let shape = try words.filter { !$0.isEmpty }.map { word in
            // Python 2 wrote 60L.
            guard let number = Int(word.hasSuffix("L") ? String(word.dropLast()) : word), 0..<(1 << 40) ~= number else { throw broken() }
            return number
        }
        let typeName = type.trimmingCharacters(in: CharacterSet(charactersIn: "'\""))
        guard !typeName.hasPrefix("|O") else {
            throw failure(
                "the array holds Python objects (pickled), which are not read", "save plain numbers: numpy.save(path, numpy.asarray(array, '<f4'))")
        }
        guard let element = Element(typeName) else {
            throw failure(
                "the values are of NumPy type '\(typeName.prefix(40))'; floats of 2, 4 or 8 bytes or integers were expected",
                "save them as numpy.save(path, array.astype('<f4'))")
        }
        self.element = element
        guard let (rows, columns) = Self.matrix(shape) else {
            throw failure(
                "the array has the shape \(shape); two sizes [rows, dimension] were expected",
                shape.count > 2
                    ? "save one array [rows, dimension] per video, such as the mean over the other sizes: array.mean(axis=...)"
                    : "save one array [rows, dimension] per video, such as array.reshape(-1, dimension)")
        }
        (self.rows, self.columns) = (rows, columns)
        // Sizes are below 2^40, so that one row fits; all rows need not.
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns * element.bytes)
        guard !overflow, count == size - offset else {
            let isShort = overflow || size - offset < count
            throw failure(
                "the file ends \(isShort ? "early" : "late"): its header promises \(rows) x \(columns) \(element.name) "
                    + "(\(overflow ? "more than \(Int.max)" : "\(count)") bytes of values), it holds \(size - offset)", copy)
        }
    }

    private init(_ element: Element, rows: Int, columns: Int, isFortranOrder: Bool, offset: Int) {
        (self.element, self.rows, self.columns, self.isFortranOrder, self.offset) = (element, rows, columns, isFortranOrder, offset)
    }

    /// Of some of the rows, stored in the same way.
    func with(rows: Int) -> NumpyHeader {
        NumpyHeader(element, rows: rows, columns: columns, isFortranOrder: isFortranOrder, offset: offset)
    }

    package static let magic: [UInt8] = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

    /// The two sizes that are left without sizes of 1; of an array of one row, that row.
    private static func matrix(_ shape: [Int]) -> (rows: Int, columns: Int)? {
        if shape.count == 2 { return (shape[0], shape[1]) }
        guard shape.count > 2 else { return nil }
        let sizes = shape.filter { $0 != 1 }
        switch sizes.count {
        case 0: return (1, 1)
        case 1: return (1, sizes[0])
        case 2: return (sizes[0], sizes[1])
        default: return nil
        }
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

    /// Turns values as they are stored into float32, [rows, columns] row-major; of wider types each becomes the nearest float32.
    func convert(_ stored: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
        let count = rows * columns
        func fill(_ value: (_ index: Int) -> Float) {
            guard isFortranOrder else {
                for index in 0..<count { target[index] = value(index) }
                return
            }
            for row in 0..<rows {
                for column in 0..<columns { target[row * columns + column] = value(column * rows + row) }
            }
        }
        let isBigEndian = element.isBigEndian
        func word<Word: FixedWidthInteger>(_ index: Int, _: Word.Type) -> Word {
            let word = stored.loadUnaligned(fromByteOffset: index * MemoryLayout<Word>.size, as: Word.self)
            return isBigEndian ? Word(bigEndian: word) : Word(littleEndian: word)
        }
        switch (element.kind, element.bytes) {
        case (.float, 4): fill { Float(bitPattern: word($0, UInt32.self)) }
        case (.float, 8): fill { Float(Double(bitPattern: word($0, UInt64.self))) }
        case (.float, _):
            fill {
                var half = word($0, UInt16.self)
                var value: Float = 0
                HalfPrecision.widen(&half, into: &value, count: 1)
                return value
            }
        case (.int, 1): fill { Float(word($0, Int8.self)) }
        case (.int, 2): fill { Float(word($0, Int16.self)) }
        case (.int, 4): fill { Float(word($0, Int32.self)) }
        case (.int, _): fill { Float(word($0, Int64.self)) }
        case (.uint, 1): fill { Float(word($0, UInt8.self)) }
        case (.uint, 2): fill { Float(word($0, UInt16.self)) }
        case (.uint, 4): fill { Float(word($0, UInt32.self)) }
        case (.uint, _): fill { Float(word($0, UInt64.self)) }
        }
    }
}
