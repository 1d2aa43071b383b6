import DataParallel
import XCTest

final class VirtualShardsTests: XCTestCase {
    func testARankOwnsNeighbours() throws {
        let shards = try VirtualShards(count: 12, rank: 1, ranks: 3)
        XCTAssertEqual(shards.owned, 4..<8)
        XCTAssertEqual((0..<12).map(shards.owner(of:)), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
        XCTAssertEqual((0..<3).map(shards.block(of:)), [0..<4, 4..<8, 8..<12])
    }

    func testRankCountsThatDoNotDivideAreRefused() {
        XCTAssertThrowsError(try VirtualShards(count: 6, rank: 0, ranks: 4)) {
            XCTAssertEqual(
                "\($0)",
                """
                error: 6 virtual shards cannot be shared out evenly over 4 ranks
                  where: key 'data.virtual_shards'
                  do: start 1, 2, 3 or 6 ranks or set data.virtual_shards to a multiple of 4
                """)
        }
        XCTAssertThrowsError(try VirtualShards(count: 1, rank: 0, ranks: 2)) {
            XCTAssertEqual(
                "\($0)",
                """
                error: 1 virtual shards cannot be shared out evenly over 2 ranks
                  where: key 'data.virtual_shards'
                  do: start 1 rank or set data.virtual_shards to a multiple of 2
                """)
        }
    }

    func testNoShardsAreRefused() {
        XCTAssertThrowsError(try VirtualShards(count: 0, rank: 0, ranks: 1)) {
            XCTAssertEqual(
                "\($0)",
                """
                error: 0 virtual shards hold no data
                  where: key 'data.virtual_shards'
                  do: set data.virtual_shards to 1 or more
                """)
        }
    }
}
