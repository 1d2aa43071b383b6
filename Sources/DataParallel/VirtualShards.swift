import Collectives
import Diagnostics

/// The parts that data, random streams and sums belong to. Their number is fixed by the configuration; ranks only host them, so a run's bits do not
/// depend on the number of ranks.
public struct VirtualShards: Equatable, Sendable {
    /// Shards of all ranks; a multiple of `ranks`.
    public let count: Int
    public let rank: Int
    public let ranks: Int

    /// - Throws: `Failure` (`.wrongUsage`) when the shards cannot be divided evenly among the ranks.
    public init(count: Int, communicator: Communicator) throws {
        try self.init(count: count, rank: communicator.rank, ranks: communicator.size)
    }

    /// As seen by rank `rank` of `ranks`.
    ///
    /// - Throws: `Failure` (`.wrongUsage`) when the shards cannot be divided evenly among the ranks, or there are none.
    public init(count: Int, rank: Int, ranks: Int) throws {
        guard count >= 1 else {
            throw Failure.wrongUsage(
                "\(count) virtual shards hold no data", at: .key("data.virtual_shards"), advice: "set data.virtual_shards to 1 or more")
        }
        guard count % ranks == 0 else {
            let possible = (1...count).filter { count % $0 == 0 }.map(String.init)
            let words = possible.count == 1 ? possible[0] : possible.dropLast().joined(separator: ", ") + " or " + possible[possible.count - 1]
            throw Failure.wrongUsage(
                "\(count) virtual shards cannot be shared out evenly over \(ranks) ranks", at: .key("data.virtual_shards"),
                advice: "start \(words) \(count == 1 ? "rank" : "ranks") or set data.virtual_shards to a multiple of \(ranks)")
        }
        self.count = count
        self.rank = rank
        self.ranks = ranks
    }

    /// Shards that every rank owns.
    public var perRank: Int { count / ranks }

    /// The shards of this rank.
    public var owned: Range<Int> { block(of: rank) }

    /// The shards of a rank, which are neighbours.
    public func block(of rank: Int) -> Range<Int> { rank * perRank..<(rank + 1) * perRank }

    /// The rank that hosts a shard.
    public func owner(of shard: Int) -> Int { shard / perRank }
}
