import Ablation
import Diagnostics
import Foundation
import Sampling
import StandardRegistry
import TrainingMethods
import XCTest

/// Documents that would keep the program busy, or waiting, are refused at once.
final class ConfigurationLimitsTests: XCTestCase {
    private func refused(_ expected: String, _ body: () throws -> Void, line: UInt = #line) {
        XCTAssertThrowsError(try body(), line: line) { XCTAssertEqual("\($0)", expected, line: line) }
    }
    private func read(_ yaml: String) throws { _ = try RunConfiguration(yaml: yaml, file: "c.yaml") }

    /// Ten lines that stand for 9^9 values.
    func testAliasBombs() throws {
        let bomb = (1..<10).map { "a\($0): &a\($0) [" + Array(repeating: "*a\($0 - 1)", count: 9).joined(separator: ", ") + "]" }
        let text = "a0: &a0 [x]\n" + bomb.joined(separator: "\n")
        let expected = "error: 81 aliases (*NAME) are used, at most 16 are read\n  where: file 'c.yaml'\n  do: write the values out in each place"
        refused(expected) { try read(text) }
        // In keys, in flow, beside quotation marks, on lines with comments.
        refused(expected.replacingOccurrences(of: "81", with: "17")) {
            try read("a: &a [x]\nb: {" + (0..<17).map { "? *a : \($0)" }.joined(separator: ", ") + "}")
        }
        refused(expected.replacingOccurrences(of: "81", with: "17")) { try read("a: &a x\n" + (0..<17).map { "b\($0):\t*a # c\n" }.joined()) }
        refused(expected.replacingOccurrences(of: "81", with: "17")) { try read("{\"a\": &a x" + (0..<17).map { ",\"b\($0)\":*a" }.joined() + "}") }
        refused(expected.replacingOccurrences(of: "file 'c.yaml'", with: "key '--set data.store'").replacingOccurrences(of: "81", with: "20")) {
            _ = try RunConfiguration(yaml: "", file: "c.yaml", overrides: ["data.store=[&a x\(String(repeating: ", *a", count: 20))]"])
        }
        refused(expected.replacingOccurrences(of: "81", with: "81")) { _ = try AblationGrid(yaml: text, file: "c.yaml") }
    }

    /// Asterisks in comments and in words are no aliases; a few aliases are read.
    func testFewAliasesAreRead() throws {
        let comments = String(repeating: "# *see* the **docs**\n", count: 20)
        let text = comments + "data:\n  store: a*b*c.h5\ntraining:\n  iterations: &n 5\n  warmup_iterations: *n\n"
        let run = try RunConfiguration(yaml: text, file: "c.yaml")
        XCTAssertEqual(run.training.warmupIterations, 5)
        XCTAssertEqual(run.data.store, "a*b*c.h5")
    }

    func testDeepNesting() throws {
        let expected =
            "error: values are nested more than 32 deep\n  where: file 'c.yaml'\n"
            + "  do: write sections such as 'data:' and 'training:' with their keys indented below them"
        refused(expected) { try read("data: " + String(repeating: "[", count: 40) + String(repeating: "]", count: 40)) }
        refused(expected) { try read((0..<40).map { String(repeating: " ", count: $0) + "a:\n" }.joined()) }
        for open in ["[", "{a: ", "- ", "? "] {
            XCTAssertThrowsError(try read(String(repeating: open, count: 200_000)), open) {
                XCTAssertEqual(($0 as? Failure)?.kind, .wrongUsage, "\($0)")
            }
        }
    }

    func testLargeDocuments() throws {
        refused("error: there are more than 100000 values\n  where: file 'c.yaml'\n  do: check the path") {
            try read("data: [" + String(repeating: "1,", count: 100_001) + "]")
        }
        refused("error: the text has 1048577 bytes, at most 1048576 are read\n  where: file 'c.yaml'\n  do: check the path") {
            try read(String(repeating: "#", count: 1 << 20 + 1))
        }
    }

    func testWhatIsNotAFile() throws {
        let folder = NSTemporaryDirectory() + "kairos-limits-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        XCTAssertEqual(mkfifo(folder + "/pipe", 0o666), 0)
        for (path, what) in [(folder, "a folder"), (folder + "/pipe", "a pipe"), ("/dev/zero", "a device")] {
            let expected = "error: this is \(what), not a file\n  where: file '\(path)'\n  do: give the path of a file"
            refused(expected) { _ = try RunConfiguration(path: path) }
            refused(expected) { _ = try AblationGrid(path: path) }
            refused(expected) { _ = try LabeledSubset.readOrder(path) }
        }
        let large = folder + "/large.yaml"
        try Data(count: 1 << 20 + 1).write(to: URL(fileURLWithPath: large))
        refused("error: the file has 1048577 bytes, at most 1048576 are read\n  where: file '\(large)'\n  do: check the path") {
            _ = try RunConfiguration(path: large)
        }
    }
}
