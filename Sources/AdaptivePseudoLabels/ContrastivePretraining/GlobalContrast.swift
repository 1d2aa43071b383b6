import Collectives
import DataParallel
import Diagnostics
import RandomStreams

/// Contrast over the global mini-batch: frames gathered from all virtual shards, each shard's loss of its own anchors against all rows, gradients
/// returned to the shards whose rows they belong to.
///
/// Labels, loss and gradients have the same bits for every number of ranks. All ranks call each function together.
public struct GlobalContrast {
    private let shards: VirtualShards
    private let communicator: Communicator

    public init(shards: VirtualShards, communicator: Communicator) {
        self.shards = shards
        self.communicator = communicator
    }

    /// Rows of all shards, one shard after another.
    public struct GatheredRows {
        public let columns: Int
        public let values: [Float]
        /// Rows at which the shards end, first 0.
        public let offsets: [Int]
        public var rows: Int { offsets[offsets.count - 1] }
        public func rows(of shard: Int) -> Range<Int> { offsets[shard]..<offsets[shard + 1] }
    }

    /// - Parameter owned: for each shard of this rank its rows, [rows, columns]; a shard may have none.
    public func gather(_ owned: [[Float]], columns: Int) throws -> GatheredRows {
        precondition(owned.count == shards.perRank && owned.allSatisfy { $0.count % columns == 0 })
        let counts = try communicator.allGather(owned.map { $0.count / columns }).flatMap { $0 }
        let values = communicator.size == 1 ? owned.flatMap { $0 } : try communicator.allGather(owned.flatMap { $0 }).flatMap { $0 }
        var offsets = [0]
        for count in counts { offsets.append(offsets[offsets.count - 1] + count) }
        return GatheredRows(columns: columns, values: values, offsets: offsets)
    }

    /// Fine-grained classes of all rows: every rank clusters the same rows with the same stream, so no message is needed.
    ///
    /// - Parameter random: the same on all ranks.
    public func cluster(_ inputs: GatheredRows, clusters: Int, random: inout RandomStream) -> [Int] {
        KMeans(inputs.values, rows: inputs.rows, columns: inputs.columns, clusters: clusters, random: &random).labels
    }

    /// InfoNCE over all gathered rows.
    ///
    /// - Parameter labels: one per gathered row, the same on all ranks.
    /// - Returns: the whole loss, and for each shard of this rank the gradient with respect to its rows, of the same size as they.
    public func infoNCE(_ embeddings: GatheredRows, labels: [Int], temperature: Float = 0.1) throws -> (loss: Double, gradients: [[Float]]) {
        precondition(labels.count == embeddings.rows)
        let anchorCount = InfoNCE.anchorsWithPositives(labels), tree = SummationTree(leaves: shards.count)
        var losses: [Double] = [], sums: [[Float]] = []
        // The sums of this rank's nodes of the tree; a shard's gradient is added as soon as its sibling's is there.
        var stack: [SummationTree.Node] = []
        for shard in shards.owned {
            let part = InfoNCE(
                embeddings.values, columns: embeddings.columns, labels: labels, anchors: embeddings.rows(of: shard), anchorCount: anchorCount,
                temperature: temperature)
            losses.append(part.loss)
            sums.append(part.gradient)
            stack.append(SummationTree.Node(level: 0, index: shard))
            let wanted = tree.nodes(of: shards.owned.lowerBound..<shard + 1)
            while stack.count > wanted.count {
                let right = sums.removeLast(), into = sums.count - 1
                for i in right.indices { sums[into][i] += right[i] }
                stack.removeLast()
            }
            stack = wanted
        }
        let gradient = try returnRows(sums, embeddings, tree)
        let first = embeddings.offsets[shards.owned.lowerBound]
        let gradients = shards.owned.map { shard in
            let rows = embeddings.rows(of: shard)
            return Array(gradient[(rows.lowerBound - first) * embeddings.columns..<(rows.upperBound - first) * embeddings.columns])
        }
        return (try DeterministicSum(shards: shards, communicator: communicator)(losses), gradients)
    }

    /// Reduce-scatter in the tree's order: sends every rank its rows of this rank's node sums, and adds up those of its own rows.
    private func returnRows(_ own: [[Float]], _ gathered: GatheredRows, _ tree: SummationTree) throws -> [Float] {
        func elements(_ rank: Int) -> Range<Int> {
            let block = shards.block(of: rank)
            return gathered.offsets[block.lowerBound] * gathered.columns..<gathered.offsets[block.upperBound] * gathered.columns
        }
        let mine = elements(shards.rank), perRank = (0..<shards.ranks).map { tree.nodes(of: shards.block(of: $0)) }
        let nodes = perRank.flatMap { $0 }
        let received = UnsafeMutableBufferPointer<Float>.allocate(capacity: max(1, nodes.count * mine.count))
        defer { received.deallocate() }
        received.initialize(repeating: 0)
        guard let base = received.baseAddress else { return [] }
        var requests: [Request] = [], slot = 0
        for (rank, list) in perRank.enumerated() {
            for tag in list.indices {
                let place = base + slot * mine.count
                slot += 1
                if rank == shards.rank {
                    for (i, element) in mine.enumerated() { place[i] = own[tag][element] }
                } else if !mine.isEmpty {
                    requests.append(try communicator.startReceive(place, count: mine.count, from: rank, tag: tag))
                }
            }
        }
        // Each rank begins with the one after it, so that they do not all send to one.
        for step in 1..<max(1, shards.ranks) {
            let rank = (shards.rank + step) % shards.ranks, range = elements(rank)
            guard !range.isEmpty else { continue }
            for (tag, sum) in own.enumerated() {
                try sum.withUnsafeBufferPointer { buffer in
                    guard let start = buffer.baseAddress else { return }
                    try communicator.send(start + range.lowerBound, count: range.count, to: rank, tag: tag)
                }
            }
        }
        for request in requests { try request.wait() }
        for addition in tree.additions(of: nodes) {
            let into = base + addition.into * mine.count, from = base + addition.from * mine.count
            for i in 0..<mine.count { into[i] += from[i] }
        }
        return Array(received[0..<mine.count])
    }
}
