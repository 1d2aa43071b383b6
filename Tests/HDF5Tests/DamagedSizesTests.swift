import Diagnostics
import Foundation
import HDF5
import TestSupport
import XCTest

/// Sizes that damage has changed: a file is refused before memory is asked for.
final class DamagedSizesTests: FolderTestCase {
    private func contents(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name)))) }
    private func write(_ bytes: [UInt8], _ name: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path(name))) }
    private func number(_ bytes: [UInt8], _ first: Int) -> Int { (0..<8).reduce(0) { $0 | Int(bytes[first + $1]) << (8 * $1) } }

    /// A file without a seal whose sizes are beyond what it can hold: nothing is asked of the memory.
    func testSizesAreComparedWithTheFile() throws {
        func values(_ bytes: Int) -> String { "1048576 values of \(bytes) bytes in \(12_345 * bytes) bytes" }
        let kinds: [(name: String, write: (HDF5File) throws -> Void, read: (HDF5File) throws -> Void, fault: String)] = [
            (
                "ints", { try $0.writeInts("x", shape: [12_345], [Int](repeating: 1, count: 12_345)) }, { _ = try $0.readInts("x") },
                values(8) + " at byte 896"
            ),
            (
                "doubles", { try $0.writeDoubles("x", shape: [12_345], [Double](repeating: 1, count: 12_345)) }, { _ = try $0.readDoubles("x") },
                values(8) + " at byte 904"
            ),
            (
                "floats", { try $0.writeFloats("x", shape: [12_345], [Float](repeating: 1, count: 12_345)) }, { _ = try $0.readFloats("x") },
                values(4) + " at byte 904"
            ),
            (
                "bytes", { try $0.writeBytes("x", [UInt8](repeating: 1, count: 12_345)) }, { _ = try $0.readBytes("x") },
                "values beyond the end of the file at byte 896"
            ),
            (
                "strings", { try $0.writeStrings("x", [String](repeating: "abc", count: 12_345)) }, { _ = try $0.readStrings("x") },
                values(3) + " at byte 888"
            ),
        ]
        for kind in kinds {
            let file = try HDF5File.create(path("a.h5"))
            try kind.write(file)
            try file.finishWriting()
            let whole = try contents("a.h5")
            for size in [1 << 20, 1 << 40, 1 << 61, Int.max] {
                try write(replacing(12_345, by: size, in: whole), "b.h5")
                XCTAssertThrowsError(try kind.read(try HDF5File.open(path("b.h5"))), "\(kind.name) \(size)") {
                    XCTAssertEqual(($0 as? Failure)?.kind, .badInput, "\(kind.name) \(size): \($0)")
                }
            }
            try write(replacing(12_345, by: 1 << 20, in: whole), "b.h5")
            assertFailure(
                """
                error: the file's index is damaged: \(kind.fault)
                  where: file 'FOLDER/b.h5'
                  do: copy the file again from its source, or make it again
                """
            ) { try kind.read(try HDF5File.open(path("b.h5"))) }
        }
        let file = try HDF5File.create(path("a.h5"))
        try file.setAttribute(of: "", named: "sizes", [Int](repeating: 3, count: 1_234))
        try file.finishWriting()
        try write(replacing(1_234, by: 1 << 50, in: try contents("a.h5")), "b.h5")
        XCTAssertThrowsError(try HDF5File.open(path("b.h5")).intsAttribute(of: "", named: "sizes")) {
            XCTAssertEqual(($0 as? Failure)?.kind, .badInput, "\($0)")
        }
    }

    /// Every place that holds a number, as 8 bytes.
    private func replacing(_ old: Int, by new: Int, in bytes: [UInt8]) -> [UInt8] {
        var result = bytes
        for place in 0..<bytes.count - 8 where number(bytes, place) == old {
            for index in 0..<8 { result[place + index] = UInt8(truncatingIfNeeded: new >> (8 * index)) }
        }
        return result
    }
}
