/// The communication plan after which all ranks hold the sum over all shards: levels of groups, first within each host, then between hosts.
///
/// At each level the members of a group share a piece of the gradients out: each sends every other one the part that this one adds up. What they have
/// then continues to the next level, and after the last level the results travel back down. The additions are those of the `SummationTree`
/// whatever the levels, only done at other places: the bits are the same.
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

    /// - Parameters:
    ///   - shards: how shards are assigned to ranks.
    ///   - hosts: for every rank a number of its host; empty: hosts make no level of their own.
    ///   - group: the most ranks, or hosts, that exchange pieces with one another at a level, as far as their number has such divisors.
    package init(shards: VirtualShards, hosts: [Int], group: Int) {
        let tree = SummationTree(leaves: shards.count)
        let sizes = Self.sizes(ranks: shards.ranks, hosts: hosts, group: group)
        var levels: [Level] = [], stride = 1
        for (number, size) in sizes.enumerated() {
            // Blocks of `stride` neighbours hold the same nodes, each rank a slice of its own; `size` such blocks come together.
            let first = shards.rank / (stride * size) * stride * size
            let nodes = (0..<size).map { place -> [SummationTree.Node] in
                let begin = first + place * stride
                return tree.nodes(of: begin * shards.perRank..<(begin + stride) * shards.perRank)
            }
            let all = nodes.flatMap { $0 }
            // The root alone may have nodes with one child below it.
            let (additions, results) = number == sizes.count - 1 ? (tree.additions(of: all), [0]) : tree.additions(within: all)
            levels.append(
                Level(
                    members: (0..<size).map { first + $0 * stride + shards.rank % stride }, place: (shards.rank - first) / stride,
                    nodeCounts: nodes.map(\.count), additions: additions, results: results))
            stride *= size
        }
        self.levels = levels
    }

    /// How many members the groups of each level have: the ranks of a host, where every host holds equally many neighbours, then factors of the rest.
    ///
    /// The messages of a rank per bucket are `2 * sum(size - 1)`, whatever its place; the bytes are those of one level, `2 (ranks - 1) / ranks` of the
    /// bucket in each direction. The direct exchange among m members takes `m - 1` messages; split into levels of `group` it takes about
    /// `(group - 1) log(m) / log(group)`, one after another. Rabenseifner's halving and doubling (Thakur et al., "Optimization of Collective
    /// Communication Operations in MPICH", 2005) is `group` 2.
    package static func sizes(ranks: Int, hosts: [Int], group: Int) -> [Int] {
        let host = ranksPerHost(hosts).flatMap { $0 < ranks && $0 > 1 ? $0 : nil } ?? 1
        let sizes = factors(of: host, group: group) + factors(of: ranks / host, group: group)
        return sizes.isEmpty ? [1] : sizes
    }

    /// Divisors whose product is `count`, each the largest one up to `group`; prime factors above `group` stay whole.
    private static func factors(of count: Int, group: Int) -> [Int] {
        var rest = count, result: [Int] = []
        while rest > 1 {
            let bounded = stride(from: min(group, rest), to: 1, by: -1).first { rest % $0 == 0 }
            let next = bounded ?? (2...rest).first { rest % $0 == 0 } ?? rest
            result.append(next)
            rest /= next
        }
        return result
    }

    /// Messages that each rank sends per bucket, where every rank brings one node: the slices to be added up, and as many results.
    package var messagesPerBucket: Int { levels.reduce(0) { $0 + ($1.members.count - 1) * ($1.nodeCounts[$1.place] + 1) } }

    /// How many ranks every host holds, when all hold equally many and those of a host are neighbours; nil otherwise.
    static func ranksPerHost(_ hosts: [Int]) -> Int? {
        guard let first = hosts.first else { return nil }
        let size = hosts.prefix { $0 == first }.count
        guard hosts.count % size == 0, Set(hosts).count == hosts.count / size else { return nil }
        return hosts.indices.allSatisfy { hosts[$0] == hosts[$0 / size * size] } ? size : nil
    }
}
