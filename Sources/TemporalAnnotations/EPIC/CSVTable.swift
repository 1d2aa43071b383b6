import Diagnostics
import Foundation

/// A CSV file with a line of names, by RFC 4180: fields in quotation marks may hold commas, ends of lines and doubled quotation marks.
struct CSVTable {
    let path: String
    let names: [String]
    /// The fields of every row, and the line where it begins.
    let rows: [(line: Int, fields: [String])]

    /// - Throws: `Failure` (`.badInput`) for a file that cannot be read, is no such table, or has a row with another number of fields.
    init(path: String) throws {
        self.path = path
        let data = try readInput(
            path, unreadable: .badInput("the file does not exist or cannot be read", at: .file(path), advice: "check the path and the permissions"))
        guard let text = String(data: data, encoding: .utf8) else {
            throw Failure.badInput("the file is not UTF-8", at: .file(path), advice: "check that it is the CSV file, not packed")
        }
        var rows = try Self.rows(text, path: path)
        guard !rows.isEmpty else { throw Failure.badInput("the file is empty", at: .file(path), advice: "check the path") }
        names = rows.removeFirst().fields
        for row in rows where row.fields.count != names.count {
            throw Failure.badInput(
                "the row has \(row.fields.count) fields, the first line names \(names.count)", at: .file(path), .line(row.line),
                advice: "copy the file again from its source")
        }
        self.rows = rows
    }

    /// The place of a column.
    ///
    /// - Throws: `Failure` (`.badInput`) when there is none of this name.
    func column(_ name: String) throws -> Int {
        guard let place = names.firstIndex(of: name) else {
            throw Failure.badInput(
                "the file has no column '\(name)'; its columns are " + listed(names), at: .file(path), advice: "check that it is the right file")
        }
        return place
    }

    private static func rows(_ text: String, path: String) throws -> [(line: Int, fields: [String])] {
        var rows: [(line: Int, fields: [String])] = []
        var fields: [String] = [], field: [UInt8] = [], line = 1, first = 1
        var isQuoted = false, wasQuoted = false
        func string(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        func endRow() {
            // An empty line is none.
            if !(fields.isEmpty && field.isEmpty && !wasQuoted) { rows.append((first, fields + [string(field)])) }
            (fields, field, wasQuoted) = ([], [], false)
        }
        var bytes = Array(text.utf8)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        var place = 0
        while place < bytes.count {
            let byte = bytes[place]
            if byte == UInt8(ascii: "\n") { line += 1 }
            switch byte {
            case UInt8(ascii: "\"") where isQuoted:
                if place + 1 < bytes.count, bytes[place + 1] == byte {
                    field.append(byte)
                    place += 1
                } else {
                    isQuoted = false
                }
            case UInt8(ascii: "\"") where field.isEmpty && !wasQuoted: (isQuoted, wasQuoted) = (true, true)
            case UInt8(ascii: ",") where !isQuoted:
                fields.append(string(field))
                (field, wasQuoted) = ([], false)
            case UInt8(ascii: "\r") where !isQuoted: break
            case UInt8(ascii: "\n") where !isQuoted:
                endRow()
                first = line
            default: field.append(byte)
            }
            place += 1
        }
        guard !isQuoted else {
            throw Failure.badInput(
                "a quotation mark of this row is not closed", at: .file(path), .line(first), advice: "copy the file again from its source")
        }
        endRow()
        return rows
    }
}
