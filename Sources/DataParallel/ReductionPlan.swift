/// The communication plan after which all ranks hold the sum over all shards: one level among all ranks, or two, first within each host, then between
/// hosts.
///
/// At each level the members of a group share a piece of the gradients out: each sends every other one the part that this one adds up. What they have
/// then continues to the next level, and after the last level the results travel back down. The additions are those of the `SummationTree` in both
/// cases, only done at other places: the bits are the same.
package struct ReductionPlan: Equatable {
    /// One group's part in it, as seen by one of its ranks.
    package struct Level: Equatable {
        /// The ranks of the group, in their order, this one among them.
        package let members: [Int]
        /// This rank's place among them.
        package let place: Int
        /// How many nodes of the tree each of them brings.
        package let nodeCounts: [Int]
        /// Among the nodes of all members, in their order.
        package let additions: [SummationTree.Addition]
        /// The nodes that hold values after the additions.
        package let results: [Int]

        /// Nodes that come from others.
        package var foreignNodes: Int { nodeCounts.reduce(0, +) - nodeCounts[place] }
    }

    package let levels: [Level]

    /// - Parameter hosts: for every rank a number of its host; empty: one level.
    package init(shards: VirtualShards, hosts: [Int]) {
        let tree = SummationTree(leaves: shards.count)
        let nodes = (0..<shards.ranks).map { tree.nodes(of: shards.block(of: $0)) }
        guard let size = Self.ranksPerHost(hosts), size > 1, size < shards.ranks else {
            levels = [
                Level(
                    members: Array(0..<shards.ranks), place: shards.rank, nodeCounts: nodes.map(\.count),
                    additions: tree.additions(of: nodes.flatMap { $0 }),
                    results: [0])
            ]
            return
        }
        let host = shards.rank / size, place = shards.rank % size, hostCount = shards.ranks / size
        let mine = nodes[host * size..<(host + 1) * size]
        let (additions, results) = tree.additions(within: mine.flatMap { $0 })
        let hostNodes = (0..<hostCount).map { tree.nodes(of: $0 * size * shards.perRank..<($0 + 1) * size * shards.perRank) }
        levels = [
            Level(
                members: Array(host * size..<(host + 1) * size), place: place, nodeCounts: mine.map(\.count), additions: additions, results: results),
            Level(
                members: (0..<hostCount).map { $0 * size + place }, place: host, nodeCounts: hostNodes.map(\.count),
                additions: tree.additions(of: hostNodes.flatMap { $0 }), results: [0]),
        ]
    }

    /// How many ranks every host holds, when all hold equally many and those of a host are neighbours; nil otherwise.
    static func ranksPerHost(_ hosts: [Int]) -> Int? {
        guard let first = hosts.first else { return nil }
        let size = hosts.prefix { $0 == first }.count
        guard hosts.count % size == 0, Set(hosts).count == hosts.count / size else { return nil }
        return hosts.indices.allSatisfy { hosts[$0] == hosts[$0 / size * size] } ? size : nil
    }
}
