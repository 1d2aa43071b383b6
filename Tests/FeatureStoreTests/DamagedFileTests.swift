import Diagnostics
import Digests
import FeatureStore
import Foundation
import HDF5
import TestSupport
import XCTest

/// Files that were damaged after they were written: each is read or refused, whatever stands in it.
final class DamagedFileTests: FolderTestCase {
    private func contents(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name)))) }
    private func write(_ bytes: [UInt8], _ name: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path(name))) }

    private func store(rows: [Int] = [200, 300]) throws -> [UInt8] {
        try FeatureStoreWriter().write(CountingSource(rows: rows), to: path("a.h5"))
        return try contents("a.h5")
    }

    private func number(_ bytes: [UInt8], _ first: Int) -> Int { (0..<8).reduce(0) { $0 | Int(bytes[first + $1]) << (8 * $1) } }

    // MARK: The digest of the index

    /// The form is written down here once more, as docs/feature-store.md has it.
    func testTheSealIsThatOfTheDocument() throws {
        let bytes = try store(), end = Damage.endOfHDF5(bytes), magic = Array("KairosIx".utf8)
        XCTAssertEqual(bytes.count - end, 72 + 16)
        XCTAssertEqual(Array(bytes[end..<end + 8]), magic)
        XCTAssertEqual(number(bytes, end + 8), end)
        XCTAssertEqual(number(bytes, end + 16), 1)
        let first = number(bytes, end + 24), count = number(bytes, end + 32)
        XCTAssertEqual(count, 500 * 3 * 4)
        XCTAssertEqual(bytes[first + 4..<first + 8].withUnsafeBytes { $0.loadUnaligned(as: Float.self) }, 0.125)
        var hash = SHA256()
        hash.update(bytes[end..<end + 40])
        hash.update(bytes[..<first])
        hash.update(bytes[(first + count)..<end])
        XCTAssertEqual(Array(bytes[end + 40..<end + 72]), hash.bytes())
        XCTAssertEqual(number(bytes, end + 72), 88)
        XCTAssertEqual(Array(bytes[(end + 80)...]), magic)
    }

    func testADamagedIndexIsRefused() throws {
        let whole = try store(), end = Damage.endOfHDF5(whole)
        let matrix = number(whole, end + 24)..<number(whole, end + 24) + number(whole, end + 32)
        var damaged = whole
        damaged[100] ^= 1
        try write(damaged, "b.h5")
        var hash = SHA256()
        hash.update(damaged[end..<end + 40])
        hash.update(damaged[..<matrix.lowerBound])
        hash.update(damaged[matrix.upperBound..<end])
        let found = hash.bytes().prefix(6).map { String(format: "%02x", $0) }.joined()
        let recorded = whole[end + 40..<end + 46].map { String(format: "%02x", $0) }.joined()
        assertFailure(
            """
            error: the file's index is damaged: its digest is \(found)..., \(recorded)... is recorded
              where: file 'FOLDER/b.h5'
              do: copy the file again from its source, or make it again
            """
        ) { try FeatureStore(path: path("b.h5")) }
        // Wherever it is, the seal itself included; the values of the matrix are left to `inspect --verify`.
        for place in stride(from: 8, to: whole.count, by: 61) {
            damaged = whole
            damaged[place] ^= 0x10
            try write(damaged, "b.h5")
            if matrix.contains(place) {
                XCTAssertNoThrow(try FeatureStore(path: path("b.h5")), "byte \(place)")
            } else {
                XCTAssertThrowsError(try FeatureStore(path: path("b.h5")), "byte \(place)") {
                    XCTAssertEqual(($0 as? Failure)?.kind, .badInput, "byte \(place): \($0)")
                }
            }
        }
        try write(Array(whole.dropLast(5)), "b.h5")
        assertFailure(
            """
            error: the file ends early: the digest of its index is not whole
              where: file 'FOLDER/b.h5'
              do: copy the file again from its source, or make it again
            """
        ) { try FeatureStore(path: path("b.h5")) }
    }

    /// Stores of version 0.1.0 and of other programs.
    func testAStoreWithoutASealIsRead() throws {
        let whole = try store()
        try write(Array(whole.prefix(Damage.endOfHDF5(whole))), "b.h5")
        XCTAssertEqual(try FeatureStore(path: path("b.h5")).digest, try FeatureStore(path: path("a.h5")).digest)
        // A program that changes the file takes the seal off.
        let file = try HDF5File.openForWriting(path("a.h5"))
        try file.setAttribute(of: "", named: "note", "changed")
        try file.finishWriting()
        let changed = try contents("a.h5")
        XCTAssertEqual(changed.count, Damage.endOfHDF5(changed))
        XCTAssertNoThrow(try FeatureStore(path: path("a.h5")))
    }

    func testRandomDamagesAreReadOrRefused() throws {
        let whole = try store(rows: [2, 3]), digest = try FeatureStore(path: path("a.h5")).digest
        let regions = whole.indices.filter { whole[$0] != 0 }.map { $0..<$0 + 1 }
        var refused = 0
        for number in 0..<250 {
            try write(Damage.damaged(whole, seed: 1, number: number, regions: regions), "b.h5")
            do {
                let store = try FeatureStore(path: path("b.h5"))
                XCTAssertEqual(store.digest, digest, "number \(number)")
            } catch {
                XCTAssertEqual((error as? Failure)?.kind, .badInput, "number \(number): \(error)")
                refused += 1
            }
        }
        XCTAssertGreaterThan(refused, 150)
    }

    /// A store as other programs and version 0.1.0 write it.
    private func bareStore() throws -> [UInt8] {
        let whole = try store(rows: [2, 3])
        return Array(whole.prefix(Damage.endOfHDF5(whole)))
    }

    /// The library would follow each of these: over the end of its memory, or for ever.
    func testTheIndexOfAFileWithoutASealIsWalkedThrough() throws {
        let whole = try bareStore()
        func place(_ signature: String) throws -> Int {
            let found = Data(whole).range(of: Data(signature.utf8))
            return try XCTUnwrap(found?.lowerBound, signature)
        }
        func refused(_ what: String, at place: Int, _ change: (inout [UInt8]) -> Void, line: UInt = #line) throws {
            var damaged = whole
            change(&damaged)
            try write(damaged, "b.h5")
            assertFailure(
                """
                error: the file's index is damaged: \(what) at byte \(place)
                  where: file 'FOLDER/b.h5'
                  do: copy the file again from its source, or make it again
                """, line: line
            ) { try FeatureStore(path: path("b.h5")) }
        }
        let list = try place("SNOD"), tree = try place("TREE"), heap = try place("HEAP"), global = try place("GCOL")
        try refused("a group's list of 65535 entries", at: list) {
            $0[list + 6] = 255
            $0[list + 7] = 255
        }
        try refused("a tree of no known kind, or with 65535 entries", at: tree) {
            $0[tree + 6] = 255
            $0[tree + 7] = 255
        }
        try refused("'HEAP' is missing", at: heap) { $0[heap] = 0 }
        let names = number(whole, heap + 24), free = number(whole, heap + 16)
        try refused("a free piece of 0 bytes", at: names + free) { for index in 8..<16 { $0[names + free + index] = 0 } }
        try refused("a block beyond the end of the file", at: 1 << 40) {
            $0[heap + 24 + 5] = 1
            for index in 0..<5 { $0[heap + 24 + index] = 0 }
        }
        // The texts of attributes.
        let size = number(whole, global + 24)
        try refused("an object of \(size | 0xff00) bytes in a global heap", at: global + 16) { $0[global + 25] = 255 }
        // Found by fuzzing: numbers that lead out of the block, and beyond the integers.
        try refused("a global heap of no known version", at: global) { for index in 8..<16 { $0[global + index] = index == 8 ? 2 : 0 } }
        try refused("a free piece beyond its heap", at: heap) { for index in 16..<24 { $0[heap + index] = index == 23 ? 0x7f : 0xfe } }
        try refused("groups without room", at: 16) { $0[16] = 0 }
        try refused("an object of no known version", at: number(whole, 64)) { $0[self.number(whole, 64)] = 9 }
        try refused("a group of two places", at: 80) { $0[80] ^= 8 }
    }

    func testRandomDamagesWithoutASeal() throws {
        let whole = try bareStore()
        let regions = whole.indices.filter { whole[$0] != 0 }.map { $0..<$0 + 1 }
        var refused = 0
        for number in 0..<150 {
            try write(Damage.damaged(whole, seed: 1, number: number, regions: regions), "b.h5")
            do {
                _ = try FeatureStore(path: path("b.h5"))
            } catch {
                XCTAssertEqual((error as? Failure)?.kind, .badInput, "number \(number): \(error)")
                refused += 1
            }
        }
        XCTAssertGreaterThan(refused, 50)
    }

    // MARK: What is not a file

    func testALockIsNamed() throws {
        _ = try store()
        let holder = open(path("a.h5"), O_RDWR)
        XCTAssertEqual(flock(holder, LOCK_EX), 0)
        assertFailure(
            """
            error: the file is locked by another program: Resource temporarily unavailable
              where: file 'FOLDER/a.h5'
              do: wait until the program that uses it has ended; if there is none, set HDF5_USE_FILE_LOCKING=FALSE in the environment
            """
        ) { try FeatureStore(path: path("a.h5")) }
        // The library empties the file that it is to make before it asks for the lock.
        assertFailure(
            """
            error: the file is locked by another program: Resource temporarily unavailable
              where: file 'FOLDER/a.h5'
              do: wait until the program that uses it has ended; if there is none, set HDF5_USE_FILE_LOCKING=FALSE in the environment
            """, kind: .failed
        ) { try HDF5File.create(path("a.h5")) }
        close(holder)
    }

    func testPipesAreNotWaitedFor() throws {
        XCTAssertEqual(mkfifo(path("pipe"), 0o666), 0)
        let expected = "error: this is a pipe, not a file\n  where: file 'FOLDER/pipe'\n  do: give the path of a file"
        assertFailure(expected) { try FeatureStore(path: path("pipe")) }
    }
}
