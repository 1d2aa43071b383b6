import Collectives
import DataParallel
import RandomStreams
import XCTest

/// Sums shared out over the ranks against the tree's definition, bit by bit.
final class TreeSumTests: XCTestCase {
    private var world: Communicator!

    override func setUpWithError() throws {
        world = try Communicator.world()
        try world.barrier()
    }

    private func numbers(shard: Int, _ count: Int) -> [Float] {
        var random = RandomStream(seed: 7, "tree", shard)
        return (0..<count).map { _ in random.normal() }
    }

    /// The tree's definition: left child plus right child, shards beyond the last left out.
    private func treeSum<T: FloatingPoint>(_ values: [[T]], level: Int, index: Int) -> [T]? {
        guard index << level < values.count else { return nil }
        if level == 0 { return values[index] }
        let left = treeSum(values, level: level - 1, index: 2 * index)
        guard let left, let right = treeSum(values, level: level - 1, index: 2 * index + 1) else { return left }
        return zip(left, right).map { $0 + $1 }
    }

    func testPiecesAndWholesAreThoseOfTheTree() throws {
        for perRank in [1, 2, 3, 5, 8] {
            let shards = try VirtualShards(count: perRank * world.size, communicator: world)
            for count in [0, 1, 3, 16, 101] {
                let values = (0..<shards.count).map { numbers(shard: $0, count) }
                let expected = try XCTUnwrap(treeSum(values, level: 8, index: 0))
                // Equal pieces, and all in the piece of the last rank.
                let last = [Int](repeating: 0, count: world.size) + [count]
                for bounds in [(0...world.size).map { $0 * count / world.size }, last] {
                    let piece = try TreeSum(shards: shards, ranks: world, bounds: bounds).piece { shard, array in
                        for (i, value) in values[shard].enumerated() { array[i] = value }
                    }
                    let wanted = expected[bounds[world.rank]..<bounds[world.rank + 1]]
                    XCTAssertEqual(piece.map(\.bitPattern), wanted.map(\.bitPattern), "\(shards.count) shards, \(bounds)")
                }
                let doubles = values.map { $0.map { Double($0) / 3 } }
                let whole = try TreeSum(shards: shards, ranks: world, count: count).everywhere { shard, array in
                    for (i, value) in doubles[shard].enumerated() { array[i] = value }
                }
                XCTAssertEqual(whole.map(\.bitPattern), try XCTUnwrap(treeSum(doubles, level: 8, index: 0)).map(\.bitPattern))
            }
        }
    }

    /// Whatever the ranks; where these are no power of two, pieces overlap a little more.
    func testARankSendsTheArrayTwiceAtMost() throws {
        let shards = try VirtualShards(count: world.size, communicator: world), count = 1 << 16, before = world.traffic
        _ = try TreeSum(shards: shards, ranks: world, count: count).piece { _, _ in }
        let sent = world.traffic - before
        XCTAssertLessThanOrEqual(sent.messageBytes, 2 * 4 * count)
        XCTAssertEqual(sent.messageBytes > 0, world.size > 1)
    }
}
