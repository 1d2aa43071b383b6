import DataParallel
import RandomStreams
import XCTest

/// The tree without messages: ranks are emulated.
final class SummationTreeTests: XCTestCase {
    /// The definition, written down as it is said: a node is its left child plus its right one; what lies beyond the last shard is skipped.
    private func naiveSum(_ values: [Float], level: Int, index: Int) -> Float? {
        guard index << level < values.count else { return nil }
        if level == 0 { return values[index] }
        let left = naiveSum(values, level: level - 1, index: 2 * index)
        let right = naiveSum(values, level: level - 1, index: 2 * index + 1)
        if let left, let right { return left + right }
        return left
    }

    private func node(_ level: Int, _ index: Int) -> SummationTree.Node { .init(level: level, index: index) }

    func testNodesOfBlocks() {
        let cases: [(leaves: Int, block: Range<Int>, nodes: [SummationTree.Node])] = [
            (1, 0..<1, [node(0, 0)]),
            (4, 0..<4, [node(2, 0)]),
            (4, 2..<4, [node(1, 1)]),
            (6, 0..<3, [node(1, 0), node(0, 2)]),
            (6, 3..<6, [node(0, 3), node(1, 2)]),
            (6, 0..<6, [node(2, 0), node(1, 2)]),
            (12, 3..<9, [node(0, 3), node(2, 1), node(0, 8)]),
            (12, 1..<7, [node(0, 1), node(1, 1), node(1, 2), node(0, 6)]),
        ]
        for (leaves, block, nodes) in cases {
            XCTAssertEqual(SummationTree(leaves: leaves).nodes(of: block), nodes, "\(block) of \(leaves)")
        }
    }

    func testAdditionsOfSixShards() {
        let tree = SummationTree(leaves: 6)
        let additions = tree.additions(of: (0..<6).map { node(0, $0) })
        XCTAssertEqual(additions.map { [$0.into, $0.from] }, [[0, 1], [2, 3], [0, 2], [4, 5], [0, 4]])
        let two = tree.additions(of: tree.nodes(of: 0..<3) + tree.nodes(of: 3..<6))
        // (0 1), 2 | 3, (4 5)
        XCTAssertEqual(two.map { [$0.into, $0.from] }, [[1, 2], [0, 1], [0, 3]])
    }

    func testEveryRankCountGivesTheSameBits() {
        var generator = SystemRandomNumberGenerator()
        for leaves in 1...33 {
            let tree = SummationTree(leaves: leaves)
            for _ in 0..<20 {
                let values = (0..<leaves).map { _ in
                    Float.random(in: -1...1, using: &generator) * Float(sign: .plus, exponent: Int.random(in: -20...20), significand: 1)
                }
                let height = (0...).first { 1 << $0 >= leaves }!
                let expected = naiveSum(values, level: height, index: 0)!
                for ranks in 1...leaves where leaves % ranks == 0 {
                    var nodes: [SummationTree.Node] = []
                    var slots: [Float] = []
                    for rank in 0..<ranks {
                        for node in tree.nodes(of: rank * (leaves / ranks)..<(rank + 1) * (leaves / ranks)) {
                            nodes.append(node)
                            slots.append(naiveSum(values, level: node.level, index: node.index)!)
                        }
                    }
                    for addition in tree.additions(of: nodes) { slots[addition.into] += slots[addition.from] }
                    XCTAssertEqual(slots[0].bitPattern, expected.bitPattern, "\(leaves) shards on \(ranks) ranks: \(values)")
                }
            }
        }
    }

    func testAPowerOfTwoOfRanksSendsOneNodeEach() {
        for ranks in [1, 2, 4, 8] {
            let tree = SummationTree(leaves: 8)
            for rank in 0..<ranks { XCTAssertEqual(tree.nodes(of: rank * 8 / ranks..<(rank + 1) * 8 / ranks).count, 1) }
        }
    }
}
