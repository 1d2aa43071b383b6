import Foundation

/// A recursive-descent reader of JSON (RFC 8259) over UTF-8 bytes.
struct JSONParser {
    struct Malformed: Error {
        var what: String
        var line: Int
        /// Counted in characters, from 1.
        var column: Int
        /// Names of the members in which the fault stands, from the root; between two members, the one before it.
        var path: [String]
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var line = 1
    private var path: [String] = []
    /// Characters of the first line before a position.
    private var counted = (end: 0, characters: 0)
    /// Deeper nesting is refused, so that no file can exhaust the stack.
    private static let deepest = 100

    init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    mutating func document() throws -> JSONNode {
        if hasMark {
            position = 3
            counted.end = 3
        }
        skipSpace()
        guard position < bytes.count else { throw malformed("it is empty") }
        let node = try value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw malformed("something follows after its end") }
        return node
    }

    /// - Parameter place: of the fault; nil: where the parser stands.
    private func malformed(_ what: String, at place: Int? = nil) -> Malformed {
        let place = place ?? position
        let first = (bytes[..<place].lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
        // Bytes that go on with a character, and those of a byte order mark, are not counted.
        let characters = bytes[max(first, hasMark && first == 0 ? 3 : 0)..<max(place, first)].reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
        return Malformed(what: what, line: line, column: characters + 1, path: path)
    }

    /// Of the value that begins here.
    private mutating func here() -> JSONLine {
        guard line == 1 else { return JSONLine(line) }
        for byte in bytes[counted.end..<position] where byte & 0xC0 != 0x80 { counted.characters += 1 }
        counted.end = position
        return JSONLine(1, column: counted.characters + 1)
    }

    private var hasMark: Bool { bytes.count >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\n"): line += 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): break
            default: return
            }
            position += 1
        }
    }

    private mutating func value(depth: Int) throws -> JSONNode {
        guard depth < Self.deepest else { throw malformed("more than \(Self.deepest) levels of nesting") }
        guard position < bytes.count else { throw malformed("it ends early") }
        let start = here()
        switch bytes[position] {
        case UInt8(ascii: "{"): return JSONNode(value: .object(try members(depth: depth)), line: start)
        case UInt8(ascii: "["): return JSONNode(value: .array(try elements(depth: depth)), line: start)
        case UInt8(ascii: "\""): return JSONNode(value: .string(try string()), line: start)
        default: return JSONNode(value: try scalar(), line: start)
        }
    }

    private mutating func members(depth: Int) throws -> [(name: String, node: JSONNode)] {
        var members: [(name: String, node: JSONNode)] = []
        position += 1
        skipSpace()
        if consume("}") { return members }
        let depthOfPath = path.count
        defer { path.removeLast(path.count - depthOfPath) }
        while true {
            guard position < bytes.count else { throw malformed("it ends early") }
            guard bytes[position] == UInt8(ascii: "\"") else { throw malformed("a name in quotation marks is missing") }
            let name = try string()
            path.removeLast(path.count - depthOfPath)
            path.append(name)
            skipSpace()
            guard consume(":") else { throw malformed("a ':' is missing after '\(name)'") }
            skipSpace()
            members.append((name, try value(depth: depth + 1)))
            skipSpace()
            if consume("}") { return members }
            guard consume(",") else { throw malformed(position < bytes.count ? "a ',' or '}' is missing" : "it ends early") }
            skipSpace()
        }
    }

    private mutating func elements(depth: Int) throws -> [JSONNode] {
        var elements: [JSONNode] = []
        position += 1
        skipSpace()
        if consume("]") { return elements }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if consume("]") { return elements }
            guard consume(",") else { throw malformed(position < bytes.count ? "a ',' or ']' is missing" : "it ends early") }
            skipSpace()
        }
    }

    private mutating func consume(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func string() throws -> String {
        position += 1
        let first = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\"), bytes[position] >= 0x20 {
            position += 1
        }
        var text = Array(bytes[first..<position])
        while true {
            guard position < bytes.count else { throw malformed("it ends inside a string") }
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") { break }
            guard byte >= 0x20 else { throw malformed("a string holds a control character or does not end on its line") }
            if byte == UInt8(ascii: "\\") {
                text.append(contentsOf: Array(String(try escaped()).utf8))
            } else {
                text.append(byte)
            }
        }
        guard !text.contains(0), let string = String(validating: text, as: UTF8.self) else {
            throw malformed("a string is not UTF-8")
        }
        return string
    }

    private mutating func escaped() throws -> Character {
        guard position < bytes.count else { throw malformed("it ends inside a string") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw malformed("a string holds half a surrogate pair") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw malformed("a string holds half a surrogate pair") }
            return Character(scalar)
        default: throw malformed("a string holds an unknown escape")
        }
    }

    private mutating func hexadecimal() throws -> UInt32 {
        guard position + 4 <= bytes.count, let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16) else {
            throw malformed("a string holds an unknown escape")
        }
        position += 4
        return code
    }

    private mutating func scalar() throws -> JSONNode.Value {
        let first = position
        while position < bytes.count, isScalarByte(bytes[position]) { position += 1 }
        let text = String(decoding: bytes[first..<position], as: UTF8.self)
        switch text {
        case "null": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "NaN": return .number(.nan)
        case "Infinity": return .number(.infinity)
        case "-Infinity": return .number(-.infinity)
        default: break
        }
        guard let head = text.utf8.first, head == UInt8(ascii: "-") || (0x30...0x39).contains(head),
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }), let number = Double(text)
        else {
            throw malformed(text.isEmpty ? "a value is missing" : "'\(text.prefix(20))' is no JSON value", at: first)
        }
        return .number(number)
    }

    private func isScalarByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
    }
}
