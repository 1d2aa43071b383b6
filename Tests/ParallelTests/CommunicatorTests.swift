import Collectives
import Diagnostics
import XCTest

/// Every call over however many ranks `mpirun` started; expected values are functions of rank and size.
final class CommunicatorTests: XCTestCase {
    private var world: Communicator!

    override func setUpWithError() throws {
        world = try Communicator.world()
        try world.barrier()
    }

    override func tearDown() { world.largestMessage = Int(Int32.max) }

    private func requireRanks(_ count: Int) throws {
        try XCTSkipIf(world.size < count, "needs \(count) ranks, \(world.size) run")
    }

    /// Whole messages, then pieces of three elements.
    private func withBothMessageSizes(_ body: (String) throws -> Void) throws {
        for largest in [Int(Int32.max), 3] {
            world.largestMessage = largest
            try body("messages of at most \(largest) elements")
        }
    }

    /// Elements that tell rank and place apart.
    private func values<T>(_ count: Int, rank: Int, as convert: (Int) -> T) -> [T] {
        (0..<count).map { convert(rank * 50 + $0 + 1) }
    }

    func testRankNumbersAreGivenOutOnce() throws {
        XCTAssertEqual(try world.allGather(world.rank), Array(0..<world.size))
        XCTAssertEqual(world.isRoot, world.rank == 0)
    }

    func testBroadcastFromEveryRank() throws {
        try withBothMessageSizes { size in
            for root in 0..<world.size {
                for count in [0, 1, 2, 3, 4, 10] {
                    func check<T: MessageElement & Equatable>(_ convert: (Int) -> T) throws {
                        // The others pass another number of elements on purpose.
                        let own = world.rank == root ? values(count, rank: root, as: convert) : [convert(99)]
                        XCTAssertEqual(try world.broadcast(own, from: root), values(count, rank: root, as: convert), "\(count) from \(root), \(size)")
                    }
                    try check { Float($0) }
                    try check { Double($0) }
                    try check { $0 }
                    try check { UInt8($0) }
                }
                let text = "Größe \(root) of " + String(repeating: "x", count: root * 100)
                XCTAssertEqual(try world.broadcast(world.rank == root ? text : "", from: root), text)
                let data = Data([1, 2, 0, UInt8(root)])
                XCTAssertEqual(try world.broadcast(world.rank == root ? data : Data(), from: root), data)
            }
        }
    }

    func testReductions() throws {
        let size = world.size
        try withBothMessageSizes { message in
            func check<T: MessageElement & Equatable & Comparable>(_ add: (T, T) -> T, _ convert: (Int) -> T) throws {
                for count in [0, 1, 3, 7] {
                    let all = (0..<size).map { values(count, rank: $0, as: convert) }
                    let own = all[world.rank]
                    let sums = (0..<count).map { place in all.dropFirst().reduce(all[0][place]) { add($0, $1[place]) } }
                    XCTAssertEqual(try world.allReduce(own, .sum), sums, message)
                    XCTAssertEqual(try world.allReduce(own, .max), all[size - 1], message)
                    XCTAssertEqual(try world.allReduce(own, .min), all[0], message)
                }
            }
            try check(+) { Float($0) }
            try check(+) { Double($0) }
            try check(+) { $0 }
            try check(&+) { UInt8(truncatingIfNeeded: $0 / 50 * 5 + $0 % 50) }
        }
        XCTAssertEqual(try world.allReduce(Int(Int32.max) + world.rank, .max), Int(Int32.max) + size - 1)
    }

    func testGatheringArraysOfDifferentLengths() throws {
        let all = (0..<world.size).map { rank in values(rank == 1 ? 0 : rank * 2 + 3, rank: rank, as: Float.init) }
        try withBothMessageSizes { message in
            XCTAssertEqual(try world.allGather(all[world.rank]), all, message)
            for root in 0..<world.size {
                let gathered = try world.gather(all[world.rank], to: root)
                XCTAssertEqual(gathered, world.rank == root ? all : nil, message)
            }
            XCTAssertEqual(try world.allGather("rank \(world.rank)"), (0..<world.size).map { "rank \($0)" }, message)
            let data = (0..<world.size).map { Data(repeating: UInt8($0), count: $0 * 5) }
            XCTAssertEqual(try world.allGather(data[world.rank]), data, message)
            XCTAssertEqual(try world.gather(data[world.rank]), world.isRoot ? data : nil, message)
        }
    }

    func testMessagesGoRoundTheRing() throws {
        let next = (world.rank + 1) % world.size
        let previous = (world.rank + world.size - 1) % world.size
        try withBothMessageSizes { message in
            let sent = values(8, rank: world.rank, as: Double.init)
            var received = [Double](repeating: 0, count: 8)
            try received.withUnsafeMutableBufferPointer { target in
                try sent.withUnsafeBufferPointer { source in
                    let request = try world.startReceive(target.baseAddress!, count: 8, from: previous, tag: 4)
                    request.join(try world.startSend(source.baseAddress!, count: 8, to: next, tag: 4))
                    try request.wait()
                }
            }
            XCTAssertEqual(received, values(8, rank: previous, as: Double.init), message)
        }
    }

    func testTestSaysWhenAMessageHasArrived() throws {
        try requireRanks(2)
        if world.rank == 0 {
            var value = 0
            let request = try world.startReceive(&value, count: 1, from: 1)
            XCTAssertFalse(try request.test(), "nothing has been sent before the barrier")
            try world.barrier()
            let limit = Date() + 120
            while !(try request.test()), Date() < limit {}
            XCTAssertTrue(try request.test())
            XCTAssertEqual(value, 42)
        } else {
            try world.barrier()
            if world.rank == 1 {
                var value = 42
                try world.send(&value, count: 1, to: 0)
            }
        }
    }

    func testBlockingSendAndReceiveInPieces() throws {
        try requireRanks(2)
        try withBothMessageSizes { message in
            if world.rank == 0 {
                try world.send(values(10, rank: 0, as: Float.init), count: 10, to: 1, tag: 1)
            } else if world.rank == 1 {
                var received = [Float](repeating: 0, count: 10)
                try world.receive(&received, count: 10, from: 0, tag: 1)
                XCTAssertEqual(received, values(10, rank: 0, as: Float.init), message)
            }
        }
    }

    func testShortMessagesAreRefused() throws {
        try requireRanks(2)
        let message = """
            error: the message from rank 0 holds 2 elements, 5 were expected
              where: rank 1
              do: run the same program with the same configuration on every rank
            """
        if world.rank == 0 {
            for tag in 0..<2 { try world.send([1.0, 2.0], count: 2, to: 1, tag: tag) }
        } else if world.rank == 1 {
            var buffer = [Double](repeating: 0, count: 5)
            XCTAssertThrowsError(try world.receive(&buffer, count: 5, from: 0, tag: 0)) { XCTAssertEqual("\($0)", message) }
            try buffer.withUnsafeMutableBufferPointer {
                let request = try world.startReceive($0.baseAddress!, count: 5, from: 0, tag: 1)
                XCTAssertThrowsError(try request.wait()) { XCTAssertEqual("\($0)", message) }
            }
        }
    }

    func testLongMessagesAreRefused() throws {
        try requireRanks(2)
        let reason = "MPI_ERR_TRUNCATE: message truncated"
        if world.rank == 0 {
            for tag in 0..<2 { try world.send([1.0, 2.0, 3.0], count: 3, to: 1, tag: tag) }
        } else if world.rank == 1 {
            var buffer = [Double](repeating: 0, count: 8)
            XCTAssertThrowsError(try world.receive(&buffer, count: 1, from: 0, tag: 0)) {
                XCTAssertEqual(($0 as? Failure)?.what, "MPI_Recv from rank 0 failed: \(reason)")
                XCTAssertEqual(($0 as? Failure)?.places, [.rank(1)])
            }
            try buffer.withUnsafeMutableBufferPointer {
                let request = try world.startReceive($0.baseAddress!, count: 1, from: 0, tag: 1)
                XCTAssertThrowsError(try request.wait()) { XCTAssertEqual(($0 as? Failure)?.what, "MPI_Irecv from rank 0 failed: \(reason)") }
            }
        }
    }

    func testAgreement() throws {
        try world.agree(on: "1.0", name: "the version")
        try requireRanks(2)
        let last = world.size - 1
        XCTAssertThrowsError(try world.agree(on: world.rank == last ? "seed: 2" : "seed: 1", name: "the configuration")) {
            let others = ["rank 0 has", "ranks 0 and 1 have", "ranks 0, 1 and 2 have"][min(last - 1, 2)]
            XCTAssertEqual(
                "\($0)",
                """
                error: the configuration differs between ranks: \(others) 'seed: 1'; rank \(last) has 'seed: 2'
                  where: rank \(last)
                  do: start the same program with the same configuration on every rank
                """)
        }
    }

    func testAFailureOfOneRankIsThrownByAll() throws {
        try requireRanks(2)
        let last = world.size - 1
        XCTAssertThrowsError(
            try world.throwTogether {
                if world.rank == last { throw Failure.badInput("no video is left", at: .file("a.h5"), .key("data.store"), advice: "add videos") }
            }
        ) {
            XCTAssertEqual(
                "\($0)", "error: no video is left\n  where: rank \(last), file 'a.h5', key 'data.store'\n  do: add videos")
            XCTAssertEqual(($0 as? Failure)?.kind, .badInput)
        }
        XCTAssertEqual(try world.throwTogether { world.rank }, world.rank)
    }

    func testTheLowestFailingRankSpeaksForAll() throws {
        try requireRanks(2)
        let places: [Failure.Place] = [.file("f"), .video("v"), .key("k"), .dataset("d"), .parameter("p"), .line(3), .rank(1), .step(9)]
        XCTAssertThrowsError(
            try world.throwTogether {
                if world.rank > 0 { throw Failure(.wrongUsage, "rank \(world.rank) stops", at: places, advice: "wait") }
            }
        ) {
            XCTAssertEqual($0 as? Failure, Failure(.wrongUsage, "rank 1 stops", at: places, advice: "wait"))
        }
        struct Odd: Error {}
        XCTAssertThrowsError(try world.throwTogether { if world.rank == 0 { throw Odd() } }) {
            XCTAssertEqual("\($0)", "error: Odd()\n  where: rank 0\n  do: look at this rank's own messages")
        }
    }
}
