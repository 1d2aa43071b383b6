import Diagnostics
import Foundation
import XCTest

/// Who may write an output when another job does, did, or may do.
final class OutputLockTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private func files(_ path: String = "") throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder + path).sorted() }

    /// A process other than this one: the one that has started it.
    private func stranger(names: [String] = []) throws -> LockOwner {
        var owner = LockOwner.this
        owner.process = getppid()
        owner.start = try XCTUnwrap(LockOwner.status(of: getppid())?.start)
        owner.since = "2026-02-03 04:05:06 UTC"
        owner.token = "0123456789abcdef"
        owner.names = names
        return owner
    }

    /// On a machine that cannot be asked.
    private func distant(names: [String] = []) throws -> LockOwner {
        var owner = try stranger(names: names)
        owner.host = "node7"
        owner.boot = "another"
        owner.process = 29_818
        return owner
    }

    private func write(_ owner: LockOwner, _ name: String, secondsAgo: Double = 0) throws {
        try JSONEncoder().encode(owner).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        let date = Date(timeIntervalSinceNow: -secondsAgo)
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: "\(folder)/\(name)")
    }

    private func refusal(_ output: OutputLock.Output) -> String {
        var text = ""
        XCTAssertThrowsError(try OutputLock(output)) { text = "\($0)".replacingOccurrences(of: folder, with: "FOLDER") }
        return text
    }

    func testALockNamesItsOwnerAndGoesWithIt() throws {
        let lock = try OutputLock(.file(folder + "/a.h5"))
        let owner = try JSONDecoder().decode(LockOwner.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/a.h5.lock")))
        XCTAssertEqual(owner.process, getpid())
        XCTAssertEqual(owner.host, ProcessInfo.processInfo.hostName.components(separatedBy: ".")[0])
        XCTAssertEqual(owner.token, LockOwner.this.token)
        XCTAssertEqual(owner.life(), .runs)
        XCTAssertEqual(try files(), ["a.h5.lock"])
        // One process is one owner.
        let again = try OutputLock(.file(folder + "/a.h5"))
        lock.release()
        XCTAssertEqual(try files(), ["a.h5.lock"])
        again.release()
        XCTAssertEqual(try files(), [])
        var dropped: OutputLock? = try OutputLock(.folder(folder, names: []))
        XCTAssertEqual(try files(), ["run.lock"])
        XCTAssertNotNil(dropped)
        dropped = nil
        XCTAssertEqual(try files(), [])
    }

    func testALockOfARunningProcessIsRefused() throws {
        let owner = "process \(getppid()) on host '\(LockOwner.this.host)', since 2026-02-03 04:05:06 UTC"
        try write(stranger(), "a.h5.lock", secondsAgo: 86_400)
        XCTAssertEqual(
            refusal(.file(folder + "/a.h5")),
            """
            error: another job is writing this file: \(owner)
              where: file 'FOLDER/a.h5'
              do: wait until it ends, or choose another output
            """)
        try write(stranger(), "run.lock")
        XCTAssertEqual(
            refusal(.folder(folder, names: ["log.jsonl"])),
            """
            error: another job works in this folder: \(owner)
              where: file 'FOLDER'
              do: wait until it ends, or choose another output
            """)
        // Nothing is written by any way, and nothing is left.
        XCTAssertThrowsError(try replaceFile(at: folder + "/a.h5", with: Data("x".utf8)))
        try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "a.h5")
        XCTAssertThrowsError(try replaceFile(at: folder + "/link", with: Data("x".utf8)))
        XCTAssertEqual(try files(), ["a.h5.lock", "link", "run.lock"])
        // Other files are free.
        XCTAssertNoThrow(try replaceFile(at: folder + "/b.h5", with: Data("x".utf8)))
    }

    func testALockOfAProcessThatIsGoneIsTakenOver() throws {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/bin/true")
        try child.run()
        child.waitUntilExit()
        var ended = try stranger()
        ended.process = child.processIdentifier
        var reused = try stranger()
        reused.start += 1
        for owner in [ended, reused] {
            XCTAssertEqual(owner.life(), .gone)
            try write(owner, "a.h5.lock")
            for name in ["a.h5.0123456789abcdef.part", "a.h5.lock.0123456789abcdef.part", "a.h5.part", "b.h5.0123456789abcdef.part", "a.part"] {
                try Data("half".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
            }
            let lock = try OutputLock(.file(folder + "/a.h5"))
            XCTAssertNil(lock.warning)
            // What other files' writers have left is not this one's.
            XCTAssertEqual(try files(), ["a.h5.lock", "a.part", "b.h5.0123456789abcdef.part"])
            lock.release()
        }
        XCTAssertEqual(try files(), ["a.part", "b.h5.0123456789abcdef.part"])
    }

    func testALockOfAnotherMachineIsTakenOverWhenItIsNoLongerRenewed() throws {
        try write(distant(), "a.h5.lock", secondsAgo: 200)
        XCTAssertEqual(
            refusal(.file(folder + "/a.h5")),
            """
            error: another job is writing this file: process 29818 on host 'node7', since 2026-02-03 04:05:06 UTC
              where: file 'FOLDER/a.h5'
              do: wait until it ends, or choose another output; where that process is known to be dead, wait 5 minutes, or remove \
            'FOLDER/a.h5.lock'
            """)
        try write(distant(), "a.h5.lock", secondsAgo: 400)
        let lock = try OutputLock(.file(folder + "/a.h5"))
        let warning = try XCTUnwrap(lock.warning).replacingOccurrences(of: folder, with: "FOLDER")
        let words =
            "warning: took over 'FOLDER/a.h5.lock' from process 29818 on host 'node7', since 2026-02-03 04:05:06 UTC, which has not renewed it for "
        XCTAssertTrue(warning.hasPrefix(words), warning)
        XCTAssertGreaterThanOrEqual(Int(warning.dropFirst(words.count).dropLast(2)) ?? 0, 399, warning)
        // What is no lock is refused while it is new.
        try Data().write(to: URL(fileURLWithPath: folder + "/b.h5.lock"))
        XCTAssertTrue(refusal(.file(folder + "/b.h5")).hasPrefix("error: another job is writing this file: an unknown process\n"))
    }

    /// A pipe is not waited on, and nothing is taken for a lock that comes and goes.
    func testWhatStandsInALocksPlace() throws {
        let path = folder + "/c.h5.lock", manager = FileManager.default
        func requireRefusal(_ fault: String) throws {
            XCTAssertEqual(
                refusal(.file(folder + "/c.h5")),
                """
                error: the lock 'FOLDER/c.h5.lock' \(fault)
                  where: file 'FOLDER/c.h5'
                  do: remove it when no other job writes there, then start again
                """)
            XCTAssertEqual(try files(), ["c.h5.lock"])
            try manager.removeItem(atPath: path)
        }
        XCTAssertEqual(mkfifo(path, 0o600), 0)
        try requireRefusal("is not a file")
        try manager.createDirectory(atPath: path, withIntermediateDirectories: false)
        try requireRefusal("is a folder, not a file")
        try manager.createSymbolicLink(atPath: path, withDestinationPath: "nowhere")
        try requireRefusal("is a symbolic link that leads to no file")
    }

    /// A batch system puts a job back in the queue when nothing of it runs any more.
    func testALaterStartOfTheSameJobTakesOver() throws {
        var before = try distant(), now = LockOwner.this
        (before.job, before.restarts) = ("cluster 77", 0)
        XCTAssertEqual(before.life(seenBy: now), .unknown)
        (now.job, now.restarts) = ("cluster 77", 1)
        XCTAssertEqual(before.life(seenBy: now), .gone)
        XCTAssertEqual(now.life(seenBy: before), .unknown)
        now.restarts = 0
        XCTAssertEqual(before.life(seenBy: now), .unknown)
        (now.job, now.restarts) = ("cluster 78", 1)
        XCTAssertEqual(before.life(seenBy: now), .unknown)
        // A container has process numbers of its own.
        var container = try stranger()
        container.processSpace = "pid:[1]"
        XCTAssertEqual(container.life(), .unknown)
    }

    func testARunsFilesAreNotWrittenByOthers() throws {
        try FileManager.default.createDirectory(atPath: folder + "/checkpoints", withIntermediateDirectories: true)
        try write(distant(names: ["predictions.json", "checkpoints"]), "run.lock")
        for name in ["predictions.json", "checkpoints/step-1.h5"] {
            XCTAssertTrue(refusal(.file("\(folder)/\(name)")).hasPrefix("error: another job is writing this file: process 29818 on host 'node7'"))
        }
        XCTAssertNoThrow(try replaceFile(at: folder + "/weights.safetensors", with: Data("x".utf8)))
        // The other way round.
        try FileManager.default.removeItem(atPath: folder + "/run.lock")
        try write(distant(), "predictions.json.lock")
        try Data("half".utf8).write(to: URL(fileURLWithPath: folder + "/predictions.json.0123456789abcdef.part"))
        XCTAssertTrue(refusal(.folder(folder, names: ["predictions.json"])).hasPrefix("error: another job works in this folder: process 29818"))
        // Of what it does not write, the part of a writer that runs stays; one that has no lock is swept.
        try Data("half".utf8).write(to: URL(fileURLWithPath: folder + "/checkpoints/step-2.h5.fedcba9876543210.part"))
        let lock = try OutputLock(.folder(folder, names: ["checkpoints"]))
        lock.sweep([folder + "/checkpoints"])
        XCTAssertEqual(
            try files(), ["checkpoints", "predictions.json.0123456789abcdef.part", "predictions.json.lock", "run.lock", "weights.safetensors"])
        XCTAssertEqual(try files("/checkpoints"), [])
    }

    func testRenewalIsOfOwnLocksAlone() throws {
        let lock = try OutputLock(.file(folder + "/a.h5"))
        defer { lock.release() }
        try write(distant(), "b.h5.lock", secondsAgo: 1_000)
        func age(_ name: String) throws -> Double {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
            return -(try XCTUnwrap(attributes[.modificationDate] as? Date)).timeIntervalSinceNow
        }
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -1_000)], ofItemAtPath: folder + "/a.h5.lock")
        XCTAssertGreaterThan(try age("a.h5.lock"), 900)
        OutputLock.renew()
        XCTAssertLessThan(try age("a.h5.lock"), 900)
        XCTAssertGreaterThan(try age("b.h5.lock"), 900)
        // Another's lock in the place of one's own.
        try write(distant(), "a.h5.lock", secondsAgo: 1_000)
        OutputLock.renew()
        XCTAssertGreaterThan(try age("a.h5.lock"), 900)
    }

    func testAnOwnerThatHasLostItsLockWritesNothing() throws {
        let lock = try OutputLock(.folder(folder, names: []))
        try replaceFile(at: folder + "/a.json", with: Data("first".utf8))
        try write(distant(), "run.lock")
        XCTAssertThrowsError(try replaceFile(at: folder + "/a.json", with: Data("second".utf8))) {
            XCTAssertEqual(
                "\($0)".replacingOccurrences(of: folder, with: "FOLDER"),
                """
                error: another job has taken over this folder in the meantime: process 29818 on host 'node7', since 2026-02-03 04:05:06 UTC
                  where: file 'FOLDER/run.lock'
                  do: let that job go on; this one was stopped, or cut off from the disk, for too long
                """)
        }
        XCTAssertEqual(try String(contentsOfFile: folder + "/a.json", encoding: .utf8), "first")
        lock.release()
        XCTAssertEqual(try files(), ["a.json", "run.lock"], "the other's lock stays")
        // One that somebody has removed is made again.
        try FileManager.default.removeItem(atPath: folder + "/run.lock")
        let second = try OutputLock(.folder(folder, names: []))
        try FileManager.default.removeItem(atPath: folder + "/run.lock")
        try replaceFile(at: folder + "/a.json", with: Data("second".utf8))
        XCTAssertEqual(try files(), ["a.json", "run.lock"])
        second.release()
        XCTAssertEqual(try files(), ["a.json"])
    }
}
