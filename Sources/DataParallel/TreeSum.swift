import Collectives
import Diagnostics

/// Sums of arrays over all virtual shards in the order of the `SummationTree`, with the additions shared out over the ranks.
///
/// A node of the tree whose shards several ranks hold is added by all of these: each adds a piece of the array. From a node to its parent the pieces
/// halve, so that a rank sends and receives the array about one and a half times, in two messages a level of the tree, for any number of ranks. The
/// additions are those of the tree, whoever does them: the bits are the same for every number of ranks. All ranks call each function together.
public final class TreeSum {
    private typealias Node = SummationTree.Node

    /// A part of a child's array that this rank sends, receives, or has.
    private struct Part {
        /// 0: of the left child, 1: of the right one.
        let side: Int
        let range: Range<Int>
        /// The other rank.
        let other: Int
    }

    /// The addition of two children, one piece of which is this rank's.
    private struct Merge {
        let node: Node
        let children: [Node]
        /// Elements that this rank adds.
        let piece: Range<Int>
        let sends: [Part]
        let receives: [Part]
    }

    /// A range of a node's array.
    private final class Piece<T: MessageElement & FloatingPoint> {
        let range: Range<Int>
        let values: UnsafeMutablePointer<T>

        init(_ range: Range<Int>) {
            self.range = range
            values = CheckedMemory.zeroedOrEnd(T.self, count: range.count, for: "sums over the global mini-batch")
        }

        deinit { values.deallocate() }

        func add(_ other: Piece) { for i in 0..<range.count { values[i] += other.values[i] } }
    }

    private let shards: VirtualShards
    private let ranks: any RankExchange
    private let bounds: [Int]
    private let tree: SummationTree
    private var merges: [Merge] = []
    private var count: Int { bounds[bounds.count - 1] }

    /// - Parameters:
    ///   - shards: whose arrays are added.
    ///   - ranks: each with its part of `shards`.
    ///   - bounds: places from 0 to the length of the arrays, ascending, one more than there are ranks: rank r gets the elements from place r to place
    ///     r + 1 of the sum.
    public init(shards: VirtualShards, ranks: any RankExchange, bounds: [Int]) {
        precondition(bounds.count == shards.ranks + 1, "\(bounds.count) bounds of \(shards.ranks) pieces")
        self.shards = shards
        self.ranks = ranks
        self.bounds = bounds
        tree = SummationTree(leaves: shards.count)
        plan()
    }

    /// Every rank gets an equal piece of the sum, or all of it (`everywhere`).
    ///
    /// - Parameters:
    ///   - shards: whose arrays are added.
    ///   - ranks: each with its part of `shards`.
    ///   - count: length of the arrays.
    public convenience init(shards: VirtualShards, ranks: any RankExchange, count: Int) {
        self.init(shards: shards, ranks: ranks, bounds: (0...shards.ranks).map { $0 * count / shards.ranks })
    }

    /// This rank's piece of the sum of float32 arrays.
    ///
    /// - Parameter leaf: writes the array of a shard of this rank to where there are zeros.
    /// - Throws: whatever `leaf` throws; `Failure` when the exchange between ranks fails.
    public func piece(_ leaf: (_ shard: Int, _ array: UnsafeMutablePointer<Float>) throws -> Void) throws -> [Float] { try sum(leaf) }

    /// The whole sum of float64 arrays, on every rank.
    ///
    /// - Parameter leaf: writes the array of a shard of this rank to where there are zeros.
    /// - Throws: whatever `leaf` throws; `Failure` when the exchange between ranks fails.
    public func everywhere(_ leaf: (_ shard: Int, _ array: UnsafeMutablePointer<Double>) throws -> Void) throws -> [Double] {
        try ranks.shared(try sum(leaf), counts: zip(bounds, bounds.dropFirst()).map { $1 - $0 }, .numbers)
    }

    // MARK: Plan

    private func shards(of node: Node) -> Range<Int> { node.index << node.level..<min((node.index + 1) << node.level, shards.count) }

    /// The ranks that hold shards of a node.
    private func members(_ node: Node) -> ClosedRange<Int> {
        let own = shards(of: node)
        return shards.owner(of: own.lowerBound)...shards.owner(of: own.upperBound - 1)
    }

    /// What a rank adds of a node's array: all of it when it holds all its shards.
    private func piece(_ node: Node, _ rank: Int) -> Range<Int> {
        let members = members(node)
        guard members.contains(rank) else { return 0..<0 }
        let place = rank - members.lowerBound
        return bounds[place * shards.ranks / members.count]..<bounds[(place + 1) * shards.ranks / members.count]
    }

    /// A node without a right child has its left child's value.
    private func resolved(_ node: Node) -> Node {
        guard node.level > 0 else { return node }
        let right = Node(level: node.level - 1, index: 2 * node.index + 1)
        return right.index << right.level < shards.count ? node : resolved(Node(level: node.level - 1, index: 2 * node.index))
    }

    private func plan() {
        let height = Int.bitWidth - (shards.count - 1).leadingZeroBitCount, own = shards.owned
        for level in 1..<max(1, height + 1) {
            for index in own.lowerBound >> level...(own.upperBound - 1) >> level {
                let node = Node(level: level, index: index)
                let isComplete = index << level >= own.lowerBound && (index + 1) << level <= own.upperBound
                // Those are added as the shards come.
                if !isComplete, resolved(node) == node { merges.append(merge(node)) }
            }
        }
    }

    private func merge(_ node: Node) -> Merge {
        let children = [0, 1].map { resolved(Node(level: node.level - 1, index: 2 * node.index + $0)) }
        let mine = piece(node, shards.rank)
        var sends: [Part] = [], receives: [Part] = []
        for (side, child) in children.enumerated() {
            let has = piece(child, shards.rank)
            for rank in members(node) where rank != shards.rank {
                let wanted = has.clamped(to: piece(node, rank)), given = mine.clamped(to: piece(child, rank))
                if !wanted.isEmpty { sends.append(Part(side: side, range: wanted, other: rank)) }
                if !given.isEmpty { receives.append(Part(side: side, range: given, other: rank)) }
            }
        }
        return Merge(node: node, children: children, piece: mine, sends: sends, receives: receives)
    }

    // MARK: Sums

    private func sum<T: MessageElement & FloatingPoint>(_ leaf: (Int, UnsafeMutablePointer<T>) throws -> Void) throws -> [T] {
        var found: [Node: Piece<T>] = [:], stack: [(node: Node, piece: Piece<T>)] = []
        for shard in shards.owned {
            let piece = Piece<T>(0..<count)
            try leaf(shard, piece.values)
            stack.append((Node(level: 0, index: shard), piece))
            while stack.count > 1, stack[stack.count - 2].node.isLeftSibling(of: stack[stack.count - 1].node) {
                let right = stack.removeLast(), left = stack.removeLast()
                left.piece.add(right.piece)
                stack.append((left.node.parent, left.piece))
            }
        }
        for (node, piece) in stack { found[node] = piece }
        stack = []
        for merge in merges { found[merge.node] = try merged(merge, merge.children.map { found.removeValue(forKey: $0) }) }
        let height = Int.bitWidth - (shards.count - 1).leadingZeroBitCount
        guard let root = found[resolved(Node(level: height, index: 0))] else { preconditionFailure("the tree has no root") }
        return Array(UnsafeBufferPointer(start: root.values, count: root.range.count))
    }

    /// - Parameter children: this rank's pieces of them; nil: it has none.
    private func merged<T: MessageElement & FloatingPoint>(_ merge: Merge, _ children: [Piece<T>?]) throws -> Piece<T> {
        let sides = [Piece<T>(merge.piece), Piece<T>(merge.piece)], tag = MessageTags.globalRows.tag(merge.node.level)
        for (side, child) in children.enumerated() {
            guard let child else { continue }
            let common = merge.piece.clamped(to: child.range)
            let from = child.values + (common.lowerBound - child.range.lowerBound)
            if !common.isEmpty { (sides[side].values + (common.lowerBound - merge.piece.lowerBound)).update(from: from, count: common.count) }
        }
        let sends = merge.sends.compactMap { part in
            children[part.side].map {
                Parcel(place: $0.values + (part.range.lowerBound - $0.range.lowerBound), count: part.range.count, other: part.other, tag: tag)
            }
        }
        let receives = merge.receives.map {
            Parcel(
                place: sides[$0.side].values + ($0.range.lowerBound - merge.piece.lowerBound), count: $0.range.count, other: $0.other, tag: tag)
        }
        try withExtendedLifetime(children) { try ranks.trade(sends: sends, receives: receives) }
        sides[0].add(sides[1])
        return sides[0]
    }
}
