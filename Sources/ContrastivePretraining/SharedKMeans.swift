import DataParallel
import Kernels
import RandomStreams

/// k-means over the rows of all virtual shards: each rank assigns its own rows, and only centers and counts travel.
///
/// The first centers are drawn by k-means++ from rows that all ranks have. Lloyd's iterations and empty clusters are those of `KMeans`; sums over
/// shards follow the fixed tree, so the labels are the same for every number of ranks and threads.
struct SharedKMeans {
    /// For each shard of this rank, one per row.
    private(set) var labels: [[Int]]
    /// [clusters, columns], the same on all ranks.
    private(set) var centers: [Double]
    /// Fewer than asked for when there are fewer distinct rows.
    private(set) var clusters: Int
    private(set) var iterations = 0

    private let shards: VirtualShards
    private let ranks: any RankExchange
    private let columns: Int
    /// Rows at which the shards end, first 0.
    private let offsets: [Int]
    private var distances: [[Double]]

    /// How long Lloyd's iterations go on.
    struct Bounds {
        var iterations: Int
        /// Whether they end when no row changes its cluster; false for measurements.
        var endsWhenSettled = true
    }

    /// All ranks together.
    ///
    /// - Parameters:
    ///   - owned: for each shard of this rank its rows, [rows, columns].
    ///   - offsets: rows at which the shards end, first 0.
    ///   - drawn: rows of all shards from which the first centers are drawn.
    ///   - wanted: at least 1.
    ///   - bounds: of the iterations.
    ///   - random: draws the first centers; the same on all ranks.
    /// - Throws: `Failure` when the exchange between ranks fails.
    init(
        _ owned: [[Float]], offsets: [Int], drawn: GlobalRows.Gathered, clusters wanted: Int, bounds: Bounds, shards: VirtualShards,
        ranks: any RankExchange, random: inout RandomStream
    ) throws {
        self.shards = shards
        self.ranks = ranks
        self.offsets = offsets
        columns = drawn.columns
        labels = shards.owned.map { [Int](repeating: -1, count: offsets[$0 + 1] - offsets[$0]) }
        distances = labels.map { [Double](repeating: 0, count: $0.count) }
        centers = KMeans.seeds(drawn.values, rows: drawn.rows, columns: columns, wanted: wanted, random: &random)
        clusters = centers.count / columns
        guard clusters > 0 else { return }
        let sum = TreeSum(shards: shards, ranks: ranks, count: clusters * columns + clusters + 1)
        while true {
            let previous = labels
            assign(owned)
            var sums = try totals(owned, previous, sum)
            if try fillEmptyClusters(sums) { sums = try totals(owned, previous, sum) }
            let isSettled = sums[sums.count - 1] == 0 && bounds.endsWhenSettled
            if isSettled || iterations == bounds.iterations { break }
            iterations += 1
            for cluster in 0..<clusters {
                let count = sums[clusters * columns + cluster]
                for c in cluster * columns..<(cluster + 1) * columns where count > 0 { centers[c] = sums[c] / count }
            }
        }
    }

    private mutating func assign(_ owned: [[Float]]) {
        for i in owned.indices {
            Clustering.nearest(
                owned[i], rows: labels[i].count, columns: columns, centers: centers, clusters: clusters, into: &labels[i], distances: &distances[i])
        }
    }

    /// Sums of each cluster's rows, rows of each cluster, and the number of rows that have changed their cluster.
    private func totals(_ owned: [[Float]], _ previous: [[Int]], _ sum: TreeSum) throws -> [Double] {
        try sum.everywhere { shard, array in
            let i = shard - shards.owned.lowerBound, rows = labels[i].count, counts = array + clusters * columns
            Clustering.sums(owned[i], rows: rows, columns: columns, labels: labels[i], clusters: clusters, into: array)
            for label in labels[i] { counts[label] += 1 }
            counts[clusters] = Double(zip(labels[i], previous[i]).count { $0 != $1 })
        }
    }

    /// An empty cluster takes the row farthest from its own center (of equal ones the first) among clusters of more than one row.
    ///
    /// - Returns: whether a row has been taken.
    private mutating func fillEmptyClusters(_ sums: [Double]) throws -> Bool {
        var counts = sums[clusters * columns..<clusters * columns + clusters].map { Int($0) }
        let empty = counts.indices.filter { counts[$0] == 0 }
        for cluster in empty {
            // Of this rank: distance, number in the global mini-batch, cluster.
            var own = [-1.0, -1, -1]
            for (i, shard) in shards.owned.enumerated() {
                for row in labels[i].indices where counts[labels[i][row]] > 1 && distances[i][row] > own[0] {
                    own = [distances[i][row], Double(offsets[shard] + row), Double(labels[i][row])]
                }
            }
            let all = try ranks.shared(own, counts: [Int](repeating: 3, count: ranks.size), .numbers)
            var best = 0
            for rank in 0..<ranks.size where all[3 * rank] > all[3 * best] { best = rank }
            guard all[3 * best + 1] >= 0 else { return true }
            let row = Int(all[3 * best + 1])
            counts[Int(all[3 * best + 2])] -= 1
            counts[cluster] = 1
            for (i, shard) in shards.owned.enumerated() where offsets[shard] <= row && row < offsets[shard + 1] {
                labels[i][row - offsets[shard]] = cluster
                distances[i][row - offsets[shard]] = 0
            }
        }
        return !empty.isEmpty
    }
}
