import Collectives

/// Rows of the global mini-batch: gathered from all virtual shards, and gradients with respect to them returned to the shards they came from.
///
/// All ranks call each function together. What is returned has the same bits for every number of ranks.
public struct GlobalRows {
    private let shards: VirtualShards
    private let ranks: any RankExchange

    /// Rows are exchanged between the ranks, each with its part of `shards`.
    public init(shards: VirtualShards, ranks: any RankExchange) {
        self.shards = shards
        self.ranks = ranks
    }

    /// Rows of all shards, one shard after another.
    public struct Gathered {
        public let columns: Int
        /// [rows, columns], row-major.
        public let values: [Float]
        /// Rows at which the shards end, first 0.
        public let offsets: [Int]
        public var rows: Int { offsets[offsets.count - 1] }
        /// Rows of a shard.
        public func rows(of shard: Int) -> Range<Int> { offsets[shard]..<offsets[shard + 1] }
    }

    /// Where the shards' rows end in the global mini-batch, first 0.
    ///
    /// - Parameter owned: rows of each shard of this rank.
    /// - Throws: `Failure` when the exchange between ranks fails.
    public func offsets(_ owned: [Int]) throws -> [Int] {
        precondition(owned.count == shards.perRank)
        let counts = try ranks.shared(owned, counts: [Int](repeating: shards.perRank, count: shards.ranks), .counts)
        return counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    }

    /// - Parameters:
    ///   - owned: for each shard of this rank its rows, [rows, columns]; a shard may have none.
    ///   - columns: values of a row.
    ///   - offsets: rows at which the shards end, first 0, where all ranks know them; nil: they are asked for first.
    /// - Throws: `Failure` when the exchange between ranks fails.
    public func gather(_ owned: [[Float]], columns: Int, offsets: [Int]? = nil) throws -> Gathered {
        precondition(owned.count == shards.perRank && owned.allSatisfy { $0.count % columns == 0 })
        let offsets = try offsets ?? self.offsets(owned.map { $0.count / columns })
        let values = try ranks.shared(owned.flatMap { $0 }, counts: elements(offsets, columns), .rows)
        return Gathered(columns: columns, values: values, offsets: offsets)
    }

    /// The classes of all rows, those of one shard after another.
    ///
    /// - Parameters:
    ///   - owned: for each shard of this rank, one per row.
    ///   - offsets: rows at which the shards end, first 0.
    /// - Throws: `Failure` when the exchange between ranks fails.
    public func classes(_ owned: [[Int]], offsets: [Int]) throws -> [Int] {
        try ranks.shared(owned.flatMap { $0 }, counts: elements(offsets, 1), .classes)
    }

    /// Of each rank.
    private func elements(_ offsets: [Int], _ columns: Int) -> [Int] {
        (0..<shards.ranks).map { (offsets[($0 + 1) * shards.perRank] - offsets[$0 * shards.perRank]) * columns }
    }

    /// Sums, in the tree's order, every shard's gradients of all rows, and returns to each shard the sums of its own rows.
    ///
    /// - Parameters:
    ///   - gathered: what `gather` gave.
    ///   - gradient: writes that of a shard of this rank, [gathered rows, columns], to where there are zeros.
    /// - Returns: for each shard of this rank the sum over all shards, of the size of its rows.
    /// - Throws: whatever `gradient` throws; `Failure` when the exchange between ranks fails.
    public func returned(
        _ gathered: Gathered, gradient: (_ shard: Int, _ array: UnsafeMutablePointer<Float>) throws -> Void
    ) throws -> [[Float]] {
        let bounds = (0...shards.ranks).map { gathered.offsets[$0 * shards.perRank] * gathered.columns }
        let sum = try TreeSum(shards: shards, ranks: ranks, bounds: bounds).piece(gradient), first = gathered.offsets[shards.owned.lowerBound]
        return shards.owned.map { shard in
            let rows = gathered.rows(of: shard)
            return Array(sum[(rows.lowerBound - first) * gathered.columns..<(rows.upperBound - first) * gathered.columns])
        }
    }
}
