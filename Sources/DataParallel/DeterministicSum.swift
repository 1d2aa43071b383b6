import Collectives

/// Sums of a few numbers over virtual shards (loss values, norms), with the same bits for every rank count.
public struct DeterministicSum {
    private let shards: VirtualShards
    private let communicator: Communicator
    private let additions: [SummationTree.Addition]

    /// Sums over the virtual shards of all ranks of `communicator`.
    public init(shards: VirtualShards, communicator: Communicator) {
        self.shards = shards
        self.communicator = communicator
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
        let all = communicator.size == 1 ? [values.flatMap { $0 }] : try communicator.allGather(values.flatMap { $0 })
        var sums = all.flatMap { $0 }
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
        try communicator.allReduce(values, .sum)
    }
}
