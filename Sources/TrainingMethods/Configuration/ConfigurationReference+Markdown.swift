import Configuration
import Diagnostics

/// Tables in a document stand between marks, so that they can be found, compared and written again.
extension ConfigurationReference {
    /// All tables with their marks.
    public var markdown: String { tables.map(\.markdown).joined(separator: "\n") }

    /// A document with its tables written again; what stands outside the marks is kept.
    ///
    /// - Parameters:
    ///   - document: its text.
    ///   - file: the document's name, for errors.
    /// - Throws: `Failure` (`.badInput`) when a table has no place in it, or a place has no table.
    public func renewed(_ document: String, file: String) throws -> String {
        var result = "", rest = document[...], missing = tables.map(\.name)
        while let begin = rest.range(of: Table.beginning) {
            result += rest[..<begin.lowerBound]
            rest = rest[begin.lowerBound...]
            guard let end = rest.range(of: Table.end), let table = tables.first(where: { rest.hasPrefix($0.firstLine) }),
                let place = missing.firstIndex(of: table.name)
            else {
                let line = String(rest.prefix { $0 != "\n" })
                throw Failure.badInput(
                    "the mark '\(line)' begins no table, begins one twice, or has no end", at: .file(file),
                    advice: "correct or remove it; the tables are: \(tables.map(\.name).joined(separator: ", "))")
            }
            missing.remove(at: place)
            result += table.markdown
            rest = rest[end.upperBound...]
        }
        if let name = missing.first {
            throw Failure.badInput(
                "the document has no place for the table '\(name)'", at: .file(file),
                advice: "write '\(Table.beginning)\(name) -->' and '\(Table.end.dropLast())' on lines of their own where it belongs")
        }
        return result + rest
    }
}

extension ConfigurationReference.Table {
    static let beginning = "<!-- keys of "
    static let end = "<!-- end of keys -->\n"

    var firstLine: String { "\(Self.beginning)\(name) -->\n" }

    /// The table between its marks.
    public var markdown: String {
        let rows = keys.map { key in
            let cells = [key.unit, key.values].compactMap { $0 }.joined(separator: ", ")
            return "| `\(key.key)` | `\(key.defaultValue)` | \(cells) | \(key.meaning) |\n"
        }
        return "\(firstLine)\n| key | default | unit, values | meaning |\n|---|---|---|---|\n" + rows.joined() + "\n\(Self.end)"
    }
}
