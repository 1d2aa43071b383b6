import Collectives
import Diagnostics

/// Rows of the global mini-batch: gathered from all virtual shards, and gradients with respect to them returned to the shards they came from.
///
/// All ranks call each function together. What is returned has the same bits for every number of ranks.
public struct GlobalRows {
    private let shards: VirtualShards
    private let communicator: Communicator

    /// Rows are exchanged between the ranks of `communicator`, each with its part of `shards`.
    public init(shards: VirtualShards, communicator: Communicator) {
        self.shards = shards
        self.communicator = communicator
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

    /// - Parameters:
    ///   - owned: for each shard of this rank its rows, [rows, columns]; a shard may have none.
    ///   - columns: values of a row.
    /// - Throws: `Failure` when the exchange between ranks fails.
    public func gather(_ owned: [[Float]], columns: Int) throws -> Gathered {
        precondition(owned.count == shards.perRank && owned.allSatisfy { $0.count % columns == 0 })
        let counts = try communicator.allGather(owned.map { $0.count / columns }).flatMap { $0 }
        let values = communicator.size == 1 ? owned.flatMap { $0 } : try communicator.allGather(owned.flatMap { $0 }).flatMap { $0 }
        var offsets = [0]
        for count in counts { offsets.append(offsets[offsets.count - 1] + count) }
        return Gathered(columns: columns, values: values, offsets: offsets)
    }

    /// Sums, in the tree's order, every shard's gradients of all rows, and returns to each shard the sums of its own rows.
    ///
    /// - Parameters:
    ///   - gathered: what `gather` gave.
    ///   - gradient: of a shard of this rank, [gathered rows, columns].
    /// - Returns: for each shard of this rank the sum over all shards, of the size of its rows.
    /// - Throws: whatever `gradient` throws; `Failure` when the exchange between ranks fails.
    public func returned(_ gathered: Gathered, gradient: (_ shard: Int) throws -> [Float]) throws -> [[Float]] {
        let tree = SummationTree(leaves: shards.count)
        // The sums of this rank's nodes of the tree; a shard's gradient is added as soon as its sibling's is there.
        var sums: [[Float]] = [], stack: [SummationTree.Node] = []
        for shard in shards.owned {
            sums.append(try gradient(shard))
            stack.append(SummationTree.Node(level: 0, index: shard))
            let wanted = tree.nodes(of: shards.owned.lowerBound..<shard + 1)
            while stack.count > wanted.count {
                let right = sums.removeLast(), into = sums.count - 1
                for i in right.indices { sums[into][i] += right[i] }
                stack.removeLast()
            }
            stack = wanted
        }
        let sum = try returnRows(sums, gathered, tree), first = gathered.offsets[shards.owned.lowerBound]
        return shards.owned.map { shard in
            let rows = gathered.rows(of: shard)
            return Array(sum[(rows.lowerBound - first) * gathered.columns..<(rows.upperBound - first) * gathered.columns])
        }
    }

    /// Reduce-scatter in the tree's order: sends every rank its rows of this rank's node sums, and adds up those of its own rows.
    private func returnRows(_ own: [[Float]], _ gathered: Gathered, _ tree: SummationTree) throws -> [Float] {
        func elements(_ rank: Int) -> Range<Int> {
            let block = shards.block(of: rank)
            return gathered.offsets[block.lowerBound] * gathered.columns..<gathered.offsets[block.upperBound] * gathered.columns
        }
        let mine = elements(shards.rank), perRank = (0..<shards.ranks).map { tree.nodes(of: shards.block(of: $0)) }
        let nodes = perRank.flatMap { $0 }
        let base = CheckedMemory.zeroedOrEnd(Float.self, count: nodes.count * mine.count, for: "gradients of the global mini-batch's rows")
        defer { base.deallocate() }
        var requests: [Request] = [], slot = 0
        for (rank, list) in perRank.enumerated() {
            for node in list.indices {
                let place = base + slot * mine.count
                slot += 1
                if rank == shards.rank {
                    for (i, element) in mine.enumerated() { place[i] = own[node][element] }
                } else if !mine.isEmpty {
                    requests.append(
                        try communicator.startReceive(place, count: mine.count, from: rank, tag: MessageTags.globalRows.tag(node)))
                }
            }
        }
        // Each rank begins with the one after it, so that they do not all send to one.
        for step in 1..<max(1, shards.ranks) {
            let rank = (shards.rank + step) % shards.ranks, range = elements(rank)
            guard !range.isEmpty else { continue }
            for (node, sum) in own.enumerated() {
                try sum.withUnsafeBufferPointer { buffer in
                    guard let start = buffer.baseAddress else { return }
                    try communicator.send(
                        start + range.lowerBound, count: range.count, to: rank, tag: MessageTags.globalRows.tag(node))
                }
            }
        }
        for request in requests { try request.wait() }
        for addition in tree.additions(of: nodes) {
            let into = base + addition.into * mine.count, from = base + addition.from * mine.count
            for i in 0..<mine.count { into[i] += from[i] }
        }
        return Array(UnsafeBufferPointer(start: base, count: mine.count))
    }
}
