import Collectives

/// Sums of a few numbers over virtual shards (loss values, norms), with the same bits for every rank count.
public struct DeterministicSum {
    private let shards: VirtualShards
    private let ranks: any RankExchange
    private let additions: [SummationTree.Addition]

    /// Sums over the virtual shards of all ranks of `communicator`.
    public init(shards: VirtualShards, communicator: any RankExchange) {
        self.shards = shards
        ranks = communicator
        let tree = SummationTree(leaves: shards.count)
        additions = tree.additions(of: (0..<shards.count).map { .init(level: 0, index: $0) })
    }

    /// The sums over all shards, on all ranks.
    ///
    /// - Parameter values: [owned shard][k], k numbers for each shard of this rank; k is the same everywhere.
    /// - Throws: `Failure` when the exchange between ranks fails.
    public func callAsFunction(_ values: [[Double]]) throws -> [Double] {
        precondition(values.count == shards.owned.count, "\(values.count) shards given, this rank owns \(shards.owned.count)")
        let width = values.first?.count ?? 0
        let counts = [Int](repeating: shards.perRank * width, count: shards.ranks)
        var sums = try ranks.shared(values.flatMap { $0 }, counts: counts, .numbers)
        for addition in additions {
            for column in 0..<width { sums[addition.into * width + column] += sums[addition.from * width + column] }
        }
        return Array(sums[..<width])
    }

    /// The sum of one number per owned shard.
    ///
    /// - Throws: `Failure` when the exchange between ranks fails.
    public func callAsFunction(_ values: [Double]) throws -> Double {
        try self(values.map { [$0] })[0]
    }

    /// Sums of counts over all ranks; whole numbers need no order.
    ///
    /// - Throws: `Failure` when the exchange between ranks fails.
    public func counts(_ values: [Int]) throws -> [Int] {
        let all = try ranks.shared(values, counts: [Int](repeating: values.count, count: shards.ranks), .counts)
        return values.indices.map { column in stride(from: column, to: all.count, by: values.count).reduce(0) { $0 + all[$1] } }
    }
}
