import Kernels
import Synchronization
import XCTest

final class ThreadTeamTests: XCTestCase {
    private let team = ThreadTeam.shared

    /// How often each part was called.
    private func calls(_ parts: Int, threads: Int) -> [Int] {
        let counts = Mutex([Int](repeating: 0, count: parts))
        team.perform(parts, threads: threads) { part in counts.withLock { $0[part] += 1 } }
        return counts.withLock { $0 }
    }

    func testEveryPartIsCalledOnce() {
        for threads in [1, 2, 3, 8] {
            for parts in [0, 1, 2, 3, 7, 16, 33] {
                XCTAssertEqual(calls(parts, threads: threads), [Int](repeating: 1, count: parts), "\(parts) parts, \(threads) threads")
            }
        }
    }

    func testPartsRunAtOnce() {
        // Each waits for the other: on one thread this would not end.
        let arrived = Atomic<Int>(0)
        team.perform(2, threads: 2) { _ in
            arrived.add(1, ordering: .sequentiallyConsistent)
            while arrived.load(ordering: .sequentiallyConsistent) < 2 { usleep(10) }
        }
        XCTAssertEqual(arrived.load(ordering: .sequentiallyConsistent), 2)
    }

    func testWhatThreadsWriteIsSeenAfterwards() {
        // Many short calls: beginning, ending, and waiting awake; then with more threads than there may be cores.
        for (threads, turns) in [(2, 5000), (4, 200)] {
            var values = [Int](repeating: 0, count: 64)
            values.withUnsafeMutableBufferPointer { values in
                // Safe: every part writes a value of its own.
                nonisolated(unsafe) let values = values
                for turn in 1...turns {
                    team.perform(threads, threads: threads) { part in values[16 * part] += part + 1 }
                    for part in 0..<threads where values[16 * part] != turn * (part + 1) { XCTFail("part \(part) of call \(turn)") }
                }
            }
        }
    }

    func testThreadsThatFellAsleepAreWoken() {
        // Longer than they stay awake; both the workers, and the caller, whose part is short.
        for turn in 0..<20 {
            usleep(3000)
            let slow = turn % 3
            let counts = Mutex([0, 0, 0])
            team.perform(3, threads: 3) { part in
                if part == slow { usleep(3000) }
                counts.withLock { $0[part] += 1 }
            }
            XCTAssertEqual(counts.withLock { $0 }, [1, 1, 1])
        }
    }

    func testAPartMayCallTheTeam() {
        let sum = Atomic<Int>(0)
        team.perform(3, threads: 3) { outer in
            team.perform(4, threads: 3) { inner in sum.add(10 * outer + inner, ordering: .relaxed) }
        }
        XCTAssertEqual(sum.load(ordering: .relaxed), 4 * (0 + 10 + 20) + 3 * (0 + 1 + 2 + 3))
    }

    func testSeveralThreadsMayCallTheTeam() {
        let sum = Atomic<Int>(0), team = team
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<500 { team.perform(5, threads: 2) { sum.add($0, ordering: .relaxed) } }
        }
        XCTAssertEqual(sum.load(ordering: .relaxed), 4 * 500 * 10)
    }

    func testKernelsAreSharedOutInTheSameRangesWithAndWithoutCoresOfTheirOwn() {
        defer { ComputeContext.current = ComputeContext() }
        ComputeContext.current.threads = 3
        func ranges() -> [Range<Int>] {
            let ranges = Mutex<[Range<Int>]>([])
            Threads.overRanges(1000, grain: 8) { range in ranges.withLock { $0.append(range) } }
            return ranges.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
        }
        let own = ranges()
        ComputeContext.current.threadsHaveOwnCores = false
        XCTAssertEqual(ranges(), own)
        XCTAssertEqual(own, [0..<333, 333..<666, 666..<1000])
    }
}
