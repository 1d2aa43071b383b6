import Configuration
import Diagnostics
import XCTest

/// Keys of a section that only this test knows.
final class ConfigurationKeysTests: XCTestCase {
    private enum Colour: String, ConfigurationChoice { case red, green }

    private struct Section: ConfigurationSection {
        var rows = 3
        var rate = 0.5
        var weight: Float = 0.1
        var colour: Colour? = .red
        var ranges = [[1.0, 2.0]]
        var isOn = true
        var path: String?

        mutating func visit(_ keys: ConfigurationKeys) throws {
            try keys.value("rows", &rows, .within(0...1_048_576), unit: "rows", meaning: "so many")
            try keys.value("rate", &rate, .upTo(1, above: 0), meaning: "so fast")
            try keys.value("weight", &weight, .below(2, atLeast: 0), meaning: "so heavy")
            try keys.value("colour", &colour, meaning: "of the paint")
            try keys.value("ranges", &ranges, Requirement("which must be [low, 2.0]") { $0.allSatisfy { $0.count == 2 } }, meaning: "pairs")
            try keys.value("is_on", &isOn, meaning: "whether")
            try keys.value("path", &path, unit: "path", meaning: "where")
        }
    }

    private func read(_ yaml: String) throws -> (Section, ConfigurationKeys) {
        let keys = ConfigurationKeys(document: try ConfigurationNode(yaml: yaml, file: "s.yaml"))
        var section = Section()
        try section.visit(keys)
        try keys.refuseUnknownKeys()
        return (section, keys)
    }

    func testValuesAreReadAndListed() throws {
        let (section, keys) = try read("{rows: 7, weight: 0.3, colour: null, ranges: [[3, 4]], path: a/b}")
        XCTAssertEqual([section.rows], [7])
        XCTAssertEqual(section.weight, 0.3)
        XCTAssertNil(section.colour)
        XCTAssertEqual(section.ranges, [[3, 4]])
        XCTAssertEqual(keys.written, ["rows", "weight", "colour", "ranges", "path"])
        XCTAssertEqual(
            section.lines.map { "\($0.key): \($0.value)" },
            ["rows: 7", "rate: 0.5", "weight: 0.3", "colour: null", "ranges: [[3.0, 4.0]]", "is_on: true", "path: a/b"])
        XCTAssertEqual(Section.defaultLines.map(\.value), ["3", "0.5", "0.1", "red", "[[1.0, 2.0]]", "true", "null"])
    }

    func testDescriptions() throws {
        let keys = try read("{}").1.descriptions
        XCTAssertEqual(keys.map(\.key), ["rows", "rate", "weight", "colour", "ranges", "is_on", "path"])
        XCTAssertEqual(
            keys.map(\.type), ["integer", "number", "number", "choice or null", "list of list of number", "boolean", "string or null"])
        XCTAssertEqual(
            keys.map(\.values),
            ["from 0 to 2^20", "above 0 and at most 1", "at least 0 and below 2", "red, green", "must be [low, 2]", "true, false", nil])
        XCTAssertEqual(keys.map(\.unit), ["rows", nil, nil, nil, nil, nil, "path"])
        XCTAssertEqual(keys.map(\.choices), [nil, nil, nil, ["red", "green"], nil, nil, nil])
        XCTAssertEqual(keys[0].meaning, "so many")
    }

    func testRefusals() {
        XCTAssertThrowsError(try read("rows: -1\n")) {
            XCTAssertEqual(
                "\($0)",
                """
                error: expected a whole number, from 0 to 1048576, found -1
                  where: file 's.yaml', key 'rows', line 1
                  do: correct the value, or leave the key out for its default 3
                """)
        }
        XCTAssertThrowsError(try read("colour: blue\n")) {
            XCTAssertEqual(
                "\($0)",
                """
                error: expected one of red, green or null, found the text 'blue'
                  where: file 's.yaml', key 'colour', line 1
                  do: correct the value, or leave the key out for its default red
                """)
        }
    }

    /// A number of few digits is written with these digits, whatever its type holds of them.
    func testDigitsOfFloats() {
        for text in ["0.1", "0.0005", "10000.0", "1.0e-05", "0.3"] {
            XCTAssertEqual(Float(text)?.yaml, text)
            XCTAssertEqual(Double(text)?.yaml, text)
        }
        XCTAssertEqual(Float.infinity.yaml, ".inf")
    }

    func testAlternatives() {
        XCTAssertEqual(alternatives([]), "")
        XCTAssertEqual(alternatives(["a"]), "a")
        XCTAssertEqual(alternatives(["a", "b"]), "a or b")
        XCTAssertEqual(alternatives(["a", "b", "c"]), "a, b or c")
    }

    func testValuesAsJSON() throws {
        for (yaml, json) in [("null", "null"), ("[[1.5, 2], [x]]", "[[1.5,2],[\"x\"]]"), ("true", "true"), ("\"\"", "\"\""), ("{a: 1}", "{\"a\":1}")]
        {
            XCTAssertEqual(String(decoding: try JSONEncoder().encode(try ConfigurationNode.Content(flow: yaml)), as: UTF8.self), json)
        }
    }
}
