import Diagnostics
import Foundation
import XCTest

final class NameListTests: XCTestCase {
    private func names(_ values: String..., known: Set<String> = []) throws -> [String] {
        try NameList.names(values, option: "--names") { known.contains($0) }
    }

    private func refuses(_ expected: String, kind: Failure.Kind = .badInput, line: UInt = #line, _ body: () throws -> [String]) {
        XCTAssertThrowsError(try body(), line: line) { error in
            XCTAssertEqual("\(error)", expected, line: line)
            XCTAssertEqual((error as? Failure)?.kind, kind, line: line)
        }
    }

    func testLists() throws {
        XCTAssertEqual(try names(), [])
        XCTAssertEqual(try names("a"), ["a"])
        XCTAssertEqual(try names("a,b", "c , d"), ["a", "b", "c", "d"])
        XCTAssertEqual(try names("a,b", "@c", "a,b,c", known: ["a,b", "@c"]), ["a,b", "@c", "a", "b", "c"])
        for value in ["", "a,", ",a", "a,,b"] {
            refuses("error: --names '\(value)' holds an empty name\n  do: write --names A,B or --names @FILE", kind: .wrongUsage) { try names(value) }
        }
    }

    func testFiles() throws {
        let path = NSTemporaryDirectory() + "/kairos-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func write(_ bytes: Data) throws { try bytes.write(to: URL(fileURLWithPath: path)) }
        try write(Data("one\r\ntwo, three\n\n  four  \n".utf8))
        XCTAssertEqual(try names("zero", "@" + path), ["zero", "one", "two, three", "four"])
        try write(Data("\n\n".utf8))
        refuses("error: the file of names given with --names is empty\n  where: file '\(path)'\n  do: write one name per line") {
            try names("@" + path)
        }
        try write(Data([0xff, 0xfe, 0x61]))
        refuses(
            "error: the file of names given with --names is not UTF-8 text\n  where: file '\(path)'\n  do: write one name per line, in UTF-8"
        ) { try names("@" + path) }
        refuses("error: the file of names given with --names cannot be read\n  where: file 'none'\n  do: check the path") { try names("@none") }
    }

    func testArguments() {
        XCTAssertEqual(NameList.argument(["a", "b"]), "a,b")
        XCTAssertEqual(NameList.argument(["a", "b,c"]), "@FILE (one name per line)")
        XCTAssertEqual(NameList.argument((0..<11).map(String.init)), "@FILE (one name per line)")
    }
}
