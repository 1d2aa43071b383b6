import Foundation
import HDF5
import TestSupport
import XCTest

final class HDF5FileTests: FolderTestCase {
    func testValuesOfEveryTypeComeBack() throws {
        let file = try HDF5File.create(path("a.h5"))
        let floats: [Float] = [1, -2.5, .pi, 1e-30, 0, 7]
        try file.writeFloats("a/b/floats", shape: [2, 3], floats)
        try file.writeDoubles("a/doubles", [0.1, 1e300])
        try file.writeInts("ints", shape: [2, 1], [-1, Int.max])
        try file.writeStrings("a/strings", ["walking", "", "größer"])
        try file.writeBytes("bytes", [0, 255, 3])
        try file.writeFloats("empty", shape: [0, 4], [])
        try file.writeFloats("scalar", shape: [], [3])
        try file.writeStrings("none", [])
        file.close()

        let reader = try HDF5File.open(path("a.h5"))
        XCTAssertEqual(try reader.shape(of: "a/b/floats"), [2, 3])
        XCTAssertEqual(try reader.readFloats("a/b/floats"), floats)
        XCTAssertEqual(try reader.readDoubles("a/b/floats"), floats.map(Double.init))
        XCTAssertEqual(try reader.readDoubles("a/doubles"), [0.1, 1e300])
        XCTAssertEqual(try reader.readFloats("a/doubles"), [0.1, .infinity])
        XCTAssertEqual(try reader.readInts("ints"), [-1, Int.max])
        XCTAssertEqual(try reader.readStrings("a/strings"), ["walking", "", "größer"])
        XCTAssertEqual(try reader.readBytes("bytes"), [0, 255, 3])
        XCTAssertEqual(try reader.shape(of: "empty"), [0, 4])
        XCTAssertEqual(try reader.readFloats("empty"), [])
        XCTAssertEqual(try reader.shape(of: "scalar"), [])
        XCTAssertEqual(try reader.readFloats("scalar"), [3])
        XCTAssertEqual(try reader.readStrings("none"), [])
        XCTAssertEqual(try reader.children(of: ""), ["a", "bytes", "empty", "ints", "none", "scalar"])
        XCTAssertEqual(try reader.children(of: "a"), ["b", "doubles", "strings"])
        XCTAssertTrue(reader.exists("a/b/floats"))
        XCTAssertFalse(reader.exists("a/x/floats"))
    }

    func testAttributesComeBack() throws {
        let file = try HDF5File.create(path("a.h5"))
        try file.writeInts("group/data", [1])
        try file.setAttribute(of: "", named: "format", "a store")
        try file.setAttribute(of: "/", named: "version", 3)
        try file.setAttribute(of: "/", named: "version", 4)
        try file.setAttribute(of: "group", named: "rate", 0.25)
        try file.setAttribute(of: "group/data", named: "flag", true)
        try file.setAttribute(of: "group/data", named: "sizes", [1, 2, 3])
        try file.setAttribute(of: "group/data", named: "rates", [0.5, 1.5])
        try file.setAttribute(of: "group/data", named: "nothing", [Double]())
        file.close()

        let reader = try HDF5File.open(path("a.h5"))
        XCTAssertEqual(try reader.stringAttribute(of: "", named: "format"), "a store")
        XCTAssertEqual(try reader.intAttribute(of: "", named: "version"), 4)
        XCTAssertEqual(try reader.doubleAttribute(of: "group", named: "rate"), 0.25)
        XCTAssertEqual(try reader.boolAttribute(of: "group/data", named: "flag"), true)
        XCTAssertEqual(try reader.intsAttribute(of: "group/data", named: "sizes"), [1, 2, 3])
        XCTAssertEqual(try reader.doublesAttribute(of: "group/data", named: "rates"), [0.5, 1.5])
        XCTAssertEqual(try reader.doublesAttribute(of: "group/data", named: "nothing"), [])
        XCTAssertEqual(try reader.attributeNames(of: "group/data"), ["flag", "nothing", "rates", "sizes"])
        XCTAssertFalse(reader.hasAttribute(of: "group", named: "format"))
    }

    func testEqualContentsMakeEqualFiles() throws {
        for name in ["a.h5", "b.h5"] {
            let file = try HDF5File.create(path(name))
            try file.writeFloats("x/y", shape: [2], [1, 2])
            try file.setAttribute(of: "", named: "format", "a store")
            file.close()
            if name == "a.h5" { Thread.sleep(forTimeInterval: 1.1) }  // a time stamp would differ by now
        }
        XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path("a.h5"))), try Data(contentsOf: URL(fileURLWithPath: path("b.h5"))))
    }

    func testManyThreadsMayRead() throws {
        let file = try HDF5File.create(path("a.h5"))
        for index in 0..<8 { try file.writeFloats("x/\(index)", shape: [1000], (0..<1000).map { Float($0 * index) }) }
        file.close()
        let reader = try HDF5File.open(path("a.h5"))
        let failures = ManagedAtomicCount()
        DispatchQueue.concurrentPerform(iterations: 64) { index in
            let values = try? reader.readFloats("x/\(index % 8)")
            if values?.count != 1000 || values?[999] != Float(999 * (index % 8)) { failures.increment() }
        }
        XCTAssertEqual(failures.value, 0)
    }

    func testFailures() throws {
        try Data("hello world, not HDF5".utf8).write(to: URL(fileURLWithPath: path("text.h5")))
        assertFailure("error: the file does not exist\n  where: file 'FOLDER/none.h5'\n  do: check the path") { try HDF5File.open(path("none.h5")) }
        assertFailure("error: this is a folder, not a file\n  where: file 'FOLDER'\n  do: give the path of a file") { try HDF5File.open(folder) }
        assertFailure(
            """
            error: this is not an HDF5 file
              where: file 'FOLDER/text.h5'
              do: give a file that kairos or another HDF5 program has written
            """
        ) { try HDF5File.open(path("text.h5")) }

        let file = try HDF5File.create(path("a.h5"))
        try file.writeFloats("values", shape: [1000], [Float](repeating: 1, count: 1000))
        try file.writeStrings("names", ["a"])
        file.close()
        let whole = try Data(contentsOf: URL(fileURLWithPath: path("a.h5")))
        try whole.prefix(3000).write(to: URL(fileURLWithPath: path("cut.h5")))
        assertFailure(
            """
            error: the file ends early: its header promises \(whole.count) bytes, it holds 3000
              where: file 'FOLDER/cut.h5'
              do: copy the file again from its source, or make it again
            """
        ) { try HDF5File.open(path("cut.h5")) }

        let reader = try HDF5File.open(path("a.h5"))
        assertFailure(
            """
            error: the file holds no dataset 'x/y'
              where: file 'FOLDER/a.h5', dataset 'x/y'
              do: check that the file is of the kind expected here
            """
        ) { try reader.readFloats("x/y") }
        assertFailure(
            """
            error: it holds text, floats were expected
              where: file 'FOLDER/a.h5', dataset 'names'
              do: check that the file is of the kind expected here
            """
        ) { try reader.readFloats("names") }
        assertFailure(
            """
            error: the attribute 'format' of the root is missing
              where: file 'FOLDER/a.h5'
              do: check that the file is of the kind expected here
            """
        ) { try reader.stringAttribute(of: "", named: "format") }
        assertFailure(
            """
            error: the file could not be made: No such file or directory
              where: file 'FOLDER/no/a.h5'
              do: check the folder's permissions and free space
            """.replacingOccurrences(of: folder, with: "FOLDER"), kind: .failed
        ) { try HDF5File.create(path("no/a.h5")) }
    }
}

/// A counter that threads may share.
final class ManagedAtomicCount: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0
    func increment() { lock.withLock { count += 1 } }
    var value: Int { lock.withLock { count } }
}
