import Diagnostics
import Foundation

/// Where a value of a JSON file begins.
package struct JSONLine: Equatable, Sendable {
    /// From 1.
    package var number: Int
    /// In characters, from 1. Known on the first line alone: many files have no other.
    package var column: Int?

    package init(_ number: Int, column: Int? = nil) {
        self.number = number
        self.column = column
    }
}

extension Failure.Place {
    /// The line, and the column where the line does not say enough.
    package static func line(_ line: JSONLine) -> Failure.Place {
        line.column.map { .position(line: line.number, column: $0) } ?? .line(line.number)
    }
}

/// A JSON value that keeps its position and what `JSONSerialization` loses: the order of an object's members and names given twice.
package struct JSONNode {
    package enum Value {
        case null
        case bool(Bool)
        case number(Double)
        case string(String)
        case array([JSONNode])
        case object([(name: String, node: JSONNode)])
    }

    package var value: Value
    package var line: JSONLine

    package var number: Double? { if case .number(let number) = value { number } else { nil } }
    package var string: String? { if case .string(let string) = value { string } else { nil } }
    package var array: [JSONNode]? { if case .array(let array) = value { array } else { nil } }
    package var isNull: Bool { if case .null = value { true } else { false } }
    package var members: [(name: String, node: JSONNode)]? { if case .object(let members) = value { members } else { nil } }

    /// The first member of an object with this name; nil when there is none or the value is no object.
    package subscript(_ name: String) -> JSONNode? { members?.first { $0.name == name }?.node }

    /// The first name that occurs a second time in this object, with the line of the second.
    package var repeatedName: (name: String, line: JSONLine)? {
        var seen = Set<String>()
        for member in members ?? [] where !seen.insert(member.name).inserted { return (member.name, member.node.line) }
        return nil
    }

    /// "a number", "a list", ... for messages.
    package var kind: String {
        switch value {
        case .null: "null"
        case .bool: "true or false"
        case .number: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }

    /// - Throws: `Failure` (`.badInput`) when the file cannot be read or is not JSON. Python's `NaN` and `Infinity` are read as numbers, so
    ///   that the reader of the value can say which number is not finite.
    package static func read(_ path: String) throws -> JSONNode {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        let missing = Failure.badInput(
            exists ? (isFolder.boolValue ? "it is a folder, not a JSON file" : "the file cannot be read") : "there is no such file",
            at: .file(path), advice: "check the path and the permissions")
        if isFolder.boolValue { throw missing }
        return try parse(try readInput(path, unreadable: missing), file: path)
    }

    /// - Parameter file: the name to say in errors.
    /// - Throws: `Failure` (`.badInput`) when the bytes are not JSON.
    package static func parse(_ data: Data, file path: String) throws -> JSONNode {
        try data.withUnsafeBytes { bytes in
            var parser = JSONParser(bytes: bytes.bindMemory(to: UInt8.self))
            do {
                return try parser.document()
            } catch let error as JSONParser.Malformed {
                // Between `database` or `results` and the rest of a path stands a video.
                let isVideo = error.path.count > 1 && ["database", "results"].contains(error.path[0])
                let owner: [Failure.Place] = isVideo ? [.video(error.path[1])] : error.path.last.map { [.key($0)] } ?? []
                throw Failure(
                    .badInput, "the file is not JSON: \(error.what)", at: [.file(path), .line(error.line), .column(error.column)] + owner,
                    advice: "check that the path is right and that the file was copied whole")
            }
        }
    }
}
