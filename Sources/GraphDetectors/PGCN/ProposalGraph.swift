import RandomStreams

/// The proposals of one recording as nodes, and which of them a node may have as neighbours (P-GCN, section 3.1; the published `pgcn_dataset.py`).
///
/// A node's candidates are found when they are first asked for: a graph of n proposals whose trees are all drawn takes n^2 comparisons.
package struct ProposalGraph {
    /// What shapes the trees.
    package struct Rules: Hashable, Sendable {
        /// Of contextual neighbours, tIoU above this.
        package var contextThreshold = 0.7
        package var contextCount = 8
        package var surroundingCount = 2
        package var children = 4

        package init() {}
    }

    package let proposals: [FrameSegment]
    private let rules: Rules
    /// Of every node, once asked for.
    private var known: [[Int]?]

    package init(_ proposals: [FrameSegment], rules: Rules) {
        self.proposals = proposals
        self.rules = rules
        known = [[Int]?](repeating: nil, count: proposals.count)
    }

    /// Overlapping proposals: those with the largest tIoU first, repeated cyclically; the node itself where there are none.
    package func context(of node: Int) -> [Int] {
        let own = proposals[node]
        let overlaps = proposals.indices.compactMap { other -> (value: Double, node: Int)? in
            guard other != node else { return nil }
            let value = own.inclusiveTIoU(proposals[other])
            return value > rules.contextThreshold ? (value, other) : nil
        }
        return repeated(overlaps.sorted { $0.value != $1.value ? $0.value > $1.value : $0.node < $1.node }.map(\.node), rules.contextCount, node)
    }

    /// Separate proposals nearby: the nearest first, repeated cyclically; the node itself where there are none.
    package func surrounding(of node: Int) -> [Int] {
        let own = proposals[node]
        let distances = proposals.indices.compactMap { other -> (value: Double, node: Int)? in
            guard own.inclusiveTIoU(proposals[other]) <= 0 else { return nil }
            let value = own.distance(proposals[other])
            return value > 0 ? (value, other) : nil
        }
        return repeated(distances.sorted { $0.value != $1.value ? $0.value < $1.value : $0.node < $1.node }.map(\.node), rules.surroundingCount, node)
    }

    private func repeated(_ nodes: [Int], _ count: Int, _ itself: Int) -> [Int] {
        (0..<count).map { nodes.isEmpty ? itself : nodes[$0 % nodes.count] }
    }

    /// Those of the context, then those around.
    package mutating func candidates(of node: Int) -> [Int] {
        if let found = known[node] { return found }
        let found = context(of: node) + surrounding(of: node)
        known[node] = found
        return found
    }

    /// Draws the tree of a root: its children out of its candidates, and theirs out of theirs.
    ///
    /// - Returns: the root, its children, and the children of each of them in their order.
    package mutating func tree(root: Int, random: inout RandomStream) -> [Int] {
        var nodes = [root]
        for place in 0...rules.children {
            var open = candidates(of: nodes[place])
            for drawn in 0..<rules.children {
                open.swapAt(drawn, drawn + random.uniformIndex(below: open.count - drawn))
                nodes.append(open[drawn])
            }
        }
        return nodes
    }
}
