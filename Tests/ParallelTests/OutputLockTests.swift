import Collectives
import Diagnostics
import Foundation
import XCTest

/// Locks of a job of several ranks: one holds, all may write.
final class OutputLockTests: StoreTestCase {
    private func files() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }

    func testRankZeroHoldsTheLockOfAll() throws {
        let lock = try world.lock(.file(folder + "/a.h5"))
        try world.barrier()
        XCTAssertEqual(try files(), ["a.h5.lock", "store.h5"])
        XCTAssertEqual(Set(try world.allGather(lock.part(of: "a.h5"))).count, 1, "all write into one file")
        XCTAssertNotNil(OutputLock.covering(folder + "/a.h5"))
        XCTAssertNil(OutputLock.covering(folder + "/b.h5"))
        try world.barrier()
        lock.release()
        try world.barrier()
        XCTAssertNil(OutputLock.covering(folder + "/a.h5"))
        XCTAssertEqual(try files(), ["store.h5"])
    }

    func testAnotherJobsLockIsRefusedOnEveryRank() throws {
        var owner = LockOwner.this
        (owner.host, owner.boot, owner.process, owner.token) = ("node7", "another", 29_818, "0123456789abcdef")
        if world.isRoot { try JSONEncoder().encode(owner).write(to: URL(fileURLWithPath: folder + "/run.lock")) }
        try world.barrier()
        XCTAssertThrowsError(try world.lock(.folder(folder, names: []))) {
            XCTAssertTrue("\($0)".hasPrefix("error: another job works in this folder: process 29818 on host 'node7', since "), "\($0)")
        }
        XCTAssertNil(OutputLock.covering(folder + "/a.h5"))
        try world.barrier()
    }
}
