import Collectives
import Diagnostics
import XCTest

/// One rank alone; ParallelTests does the same over several.
final class CollectivesTests: XCTestCase {
    func testOneRankWithoutMpirunIsAWorld() throws {
        let communicator = try Communicator.world()
        XCTAssertTrue(communicator === (try Communicator.world()))
        XCTAssertTrue(communicator === Communicator.started)
        XCTAssertGreaterThan(communicator.size, communicator.rank)
        XCTAssertFalse(communicator.hostName.isEmpty)
    }

    func testEqualValuesAgree() {
        XCTAssertNil(disagreement(among: ["a"], name: "the version"))
        XCTAssertNil(disagreement(among: ["a", "a", "a"], name: "the version"))
    }

    func testDisagreementNamesTheRanksThatDifferFromTheMostCommonValue() {
        XCTAssertEqual(
            disagreement(among: ["b", "a", "a", "c", "a"], name: "the configuration")?.description,
            """
            error: the configuration differs between ranks: rank 0 has 'b'; ranks 1, 2 and 4 have 'a'; rank 3 has 'c'
              where: rank 0, rank 3
              do: start the same program with the same configuration on every rank
            """)
    }

    func testLowestRankIsRightAmongEquallyCommonValues() {
        XCTAssertEqual(
            disagreement(among: ["a", "b"], name: "the program")?.description,
            """
            error: the program differs between ranks: rank 0 has 'a'; rank 1 has 'b'
              where: rank 1
              do: start the same program with the same configuration on every rank
            """)
    }

    func testLongListsAndValuesAreShortened() {
        let values = (0..<12).map { $0 < 11 ? String(repeating: "x", count: 100) : "y" }
        XCTAssertEqual(
            disagreement(among: values, name: "the digest")?.what,
            "the digest differs between ranks: ranks 0, 1, 2, 3, 4, 5, 6 and 4 more have '\(String(repeating: "x", count: 77))...'; rank 11 has 'y'")
    }

    func testRanksThatDoNotExistAreRefused() throws {
        let communicator = try Communicator.world()
        try XCTSkipUnless(communicator.size == 1, "said for one rank")
        XCTAssertThrowsError(try communicator.broadcast([1], from: 1)) {
            XCTAssertEqual(
                "\($0)", "error: broadcast names rank 1, there are 1\n  where: rank 0\n  do: name a rank from 0 to 0")
        }
        var value = 0.0
        XCTAssertThrowsError(try communicator.receive(&value, count: 1, from: -1)) {
            XCTAssertEqual("\($0)", "error: receive names rank -1, there are 1\n  where: rank 0\n  do: name a rank from 0 to 0")
        }
    }

    func testAnMPIErrorNamesRankOperationAndReason() throws {
        let communicator = try Communicator.world()
        try XCTSkipUnless(communicator.size == 1, "said for one rank")
        var value = 1.0
        XCTAssertThrowsError(try communicator.send(&value, count: 1, to: 0, tag: -5)) {
            XCTAssertEqual(
                "\($0)",
                """
                error: MPI_Send to rank 0 failed: MPI_ERR_TAG: invalid tag
                  where: rank 0
                  do: look at the messages of the other ranks; when there are none, check the network between the hosts
                """)
        }
    }

    func testAFailureOfOneRankAloneKeepsItsText() throws {
        let communicator = try Communicator.world()
        try XCTSkipUnless(communicator.size == 1, "said for one rank")
        let failure = Failure.badInput("the file ends early", at: .file("a.npy"), advice: "copy it again")
        XCTAssertThrowsError(try communicator.throwTogether { throw failure }) { XCTAssertEqual($0 as? Failure, failure) }
        XCTAssertEqual(try communicator.throwTogether { 7 }, 7)
    }
}
