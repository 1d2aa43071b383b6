import DataParallel

/// How long the sum of the gradients takes by a plan of levels: what `GradientReduction` sends, each message at its link's price.
public struct ReductionTime: Equatable, Sendable {
    /// Ranks that exchange pieces at each level.
    public var sizes: [Int]
    /// Of a rank, per step.
    public var messages: Int
    /// Seconds of all buckets' messages, one after another.
    public var transfer: Double
    /// Seconds of the additions.
    public var adding: Double
    /// Seconds of them that no computing hides.
    public var exposed: Double

    /// Every message costs its sender alpha, and every byte beta; the ranks of a host share its way out. A bucket can travel while the last shard's
    /// backward computes, but never the last bucket, which is complete at its end.
    ///
    /// - Parameters:
    ///   - ranks: all of them.
    ///   - cluster: its links, and the ranks of a host.
    ///   - costs: parameters, buckets and seconds per added byte.
    ///   - backward: seconds of the last shard's backward.
    ///   - group: the most ranks or hosts that exchange directly.
    public init(ranks: Int, cluster: PlannedCluster, costs: WorkCosts, backward: Double, group: Int) {
        let buckets = max(1, (costs.parameters + costs.bucketElements - 1) / costs.bucketElements)
        let bytes = Double(costs.parameters * costs.bytesPerNumber)
        sizes = ReductionPlan.sizes(ranks: ranks, hosts: cluster.hosts(ranks: ranks), group: group)
        (messages, transfer, adding) = (0, 0, 0)
        // Ranks that hold neighbouring pieces of one level's results; the bytes that they share.
        var stride = 1
        for size in sizes where size > 1 {
            let isWithin = stride * size <= cluster.ranksPerHost
            let link = isWithin ? cluster.within : cluster.between
            let sharing = isWithin ? 1.0 : Double(min(cluster.ranksPerHost, ranks))
            let moved = bytes / Double(stride) * Double(size - 1) / Double(size)
            messages += 2 * (size - 1) * buckets
            transfer += 2 * (Double((size - 1) * buckets) * link.alpha + moved * sharing * link.beta)
            adding += moved * costs.perAddedByte
            stride *= size
        }
        let whole = transfer + adding
        exposed = costs.overlaps ? max(whole / Double(buckets), whole - backward) : whole
        if ranks == 1 { exposed = 0 }
    }

    /// The group with the least exposed time; of equal ones the largest.
    public static func best(ranks: Int, cluster: PlannedCluster, costs: WorkCosts, backward: Double) -> (group: Int, time: ReductionTime) {
        let all = [4_096, 64, 32, 16, 8, 4, 2].map { group in
            (group: group, time: ReductionTime(ranks: ranks, cluster: cluster, costs: costs, backward: backward, group: group))
        }
        return all.min { $0.time.exposed < $1.time.exposed } ?? all[0]
    }
}
