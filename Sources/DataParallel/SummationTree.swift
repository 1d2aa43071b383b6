/// The order in which the sums of virtual shards are added: a binary tree over the shard numbers.
///
/// Floating-point addition is not associative, so the order is fixed once for all rank counts. Node (level, index) stands for the shards index *
/// 2^level ..< (index + 1) * 2^level; its value is that of its left child plus that of its right one. Shards beyond the last are skipped: a node
/// without a right child has its left child's value. Any contiguous block of shards is made up of few such nodes, so a rank adds up its own nodes and
/// only the nodes' values are sent.
public struct SummationTree: Equatable, Sendable {
    /// A node: the sum of the shards index * 2^level ..< (index + 1) * 2^level.
    public struct Node: Hashable, Sendable {
        /// 0 for a shard; a node of level k holds up to 2^k shards.
        public let level: Int
        /// From 0 among the nodes of the level.
        public let index: Int

        /// `level` 0 is a shard; `index` counts the nodes of the level from the left.
        public init(level: Int, index: Int) {
            self.level = level
            self.index = index
        }

        /// Whether `right` and this node, in this order, are the two children of one node.
        func isLeftSibling(of right: Node) -> Bool { level == right.level && index % 2 == 0 && right.index == index + 1 }

        var parent: Node { Node(level: level + 1, index: index / 2) }
    }

    /// An addition of the value in slot `from` to that in slot `into`.
    public struct Addition: Equatable, Sendable {
        /// Slot that keeps the sum.
        public let into: Int
        public let from: Int
    }

    /// Number of virtual shards.
    public let leaves: Int

    /// A tree over `leaves` virtual shards, at least one.
    public init(leaves: Int) {
        precondition(leaves > 0, "a sum of nothing")
        self.leaves = leaves
    }

    /// The largest nodes that make up a block of shards, from left to right.
    public func nodes(of block: Range<Int>) -> [Node] {
        var stack: [Node] = []
        for leaf in block {
            stack.append(Node(level: 0, index: leaf))
            while stack.count > 1, stack[stack.count - 2].isLeftSibling(of: stack[stack.count - 1]) {
                stack.removeLast()
                stack.append(stack.removeLast().parent)
            }
        }
        return stack
    }

    /// The additions, in order, that bring the sum of everything to slot 0.
    ///
    /// - Parameter nodes: what the slots hold: nodes that cover all shards, from left to right.
    public func additions(of nodes: [Node]) -> [Addition] {
        let slots = Dictionary(uniqueKeysWithValues: zip(nodes, nodes.indices))
        var additions: [Addition] = []
        /// The slot that holds the node's value, nil when it has no shards.
        func slot(of node: Node) -> Int? {
            if let slot = slots[node] { return slot }
            guard node.index << node.level < leaves else { return nil }
            precondition(node.level > 0, "shard \(node.index) is in no node")
            let left = slot(of: Node(level: node.level - 1, index: node.index * 2))
            let right = slot(of: Node(level: node.level - 1, index: node.index * 2 + 1))
            if let left, let right { additions.append(Addition(into: left, from: right)) }
            return left
        }
        let height = Int.bitWidth - (leaves - 1).leadingZeroBitCount
        let root = slot(of: Node(level: height, index: 0))
        precondition(root == 0, "the nodes are not in order")
        return additions
    }

    /// The additions, in order, that make neighbouring nodes the fewest nodes, and the slots that hold these.
    ///
    /// - Parameter nodes: what the slots hold: nodes of a block of shards, from left to right.
    func additions(within nodes: [Node]) -> ([Addition], slots: [Int]) {
        var stack: [(node: Node, slot: Int)] = []
        var additions: [Addition] = []
        for (slot, node) in nodes.enumerated() {
            stack.append((node, slot))
            while stack.count > 1, stack[stack.count - 2].node.isLeftSibling(of: stack[stack.count - 1].node) {
                let right = stack.removeLast(), left = stack.removeLast()
                additions.append(Addition(into: left.slot, from: right.slot))
                stack.append((left.node.parent, left.slot))
            }
        }
        return (additions, stack.map(\.slot))
    }
}
