import AdaptivePseudoLabels
import Collectives
import ContrastivePretraining
import DataParallel
import RandomStreams
import XCTest

/// Contrast over the gathered mini-batch against the same computed on one rank from all shards' rows, bit by bit: labels, loss and gradients do
/// not depend on the number of ranks.
final class GlobalContrastTests: XCTestCase {
    private var world: Communicator!

    override func setUpWithError() throws {
        world = try Communicator.world()
        try world.barrier()
    }

    private func rows(_ purpose: String, shard: Int, rows: Int, columns: Int) -> [Float] {
        var random = RandomStream(seed: 11, purpose, shard)
        return (0..<rows * columns).map { _ in random.normal() }
    }

    /// The tree's definition: left child plus right child, shards beyond the last left out.
    private func treeSum(_ values: [[Float]], level: Int, index: Int) -> [Float]? {
        guard index << level < values.count else { return nil }
        if level == 0 { return values[index] }
        let left = treeSum(values, level: level - 1, index: 2 * index)
        guard let left, let right = treeSum(values, level: level - 1, index: 2 * index + 1) else { return left }
        return zip(left, right).map { $0 + $1 }
    }

    func testLabelsLossAndGradientsAreThoseOfOneRank() throws {
        let inputColumns = 6, columns = 19
        for counts in [[8, 8, 8, 8], [5, 0, 13, 1], [3, 9, 4, 4, 0, 7, 2, 6], [4, 6, 5, 3, 9, 2, 7, 1, 5, 5, 4, 3]] {
            let shards = try VirtualShards(count: counts.count, communicator: world)
            let contrast = GlobalContrast(shards: shards, communicator: world)
            let inputs = counts.enumerated().map { rows("inputs", shard: $0, rows: $1, columns: inputColumns) }
            let embeddings = counts.enumerated().map { rows("embeddings", shard: $0, rows: $1, columns: columns) }

            let gathered = try contrast.gather(Array(inputs[shards.owned]), columns: inputColumns)
            XCTAssertEqual(gathered.values, inputs.flatMap { $0 })
            XCTAssertEqual((0..<counts.count).map { gathered.rows(of: $0).count }, counts)
            var random = RandomStream(seed: 3, "fine"), again = random
            let labels = contrast.cluster(gathered, clusters: 4, random: &random)
            XCTAssertEqual(
                labels, KMeans(inputs.flatMap { $0 }, rows: counts.reduce(0, +), columns: inputColumns, clusters: 4, random: &again).labels)

            let found = try contrast.infoNCE(try contrast.gather(Array(embeddings[shards.owned]), columns: columns), labels: labels)
            let all = embeddings.flatMap { $0 }, anchorCount = InfoNCE.anchorsWithPositives(labels)
            let parts = counts.indices.map {
                InfoNCE(all, columns: columns, labels: labels, anchors: gathered.rows(of: $0), anchorCount: anchorCount)
            }
            let whole = InfoNCE(all, columns: columns, labels: labels, anchors: 0..<labels.count, anchorCount: anchorCount)
            let expected = try XCTUnwrap(treeSum(parts.map(\.gradient), level: 4, index: 0))
            let loss = try XCTUnwrap(treeSum(parts.map { [Float($0.loss)] }, level: 4, index: 0))
            XCTAssertEqual(found.loss, whole.loss, accuracy: 1e-6)
            XCTAssertEqual(Float(found.loss), loss[0], accuracy: 1e-6)
            let bits = try world.allGather([found.loss])
            XCTAssertEqual(Set(bits.flatMap { $0 }.map(\.bitPattern)).count, 1, "the same loss on all ranks")
            XCTAssertEqual(found.gradients.count, shards.perRank)
            for (gradient, shard) in zip(found.gradients, shards.owned) {
                let range = gathered.rows(of: shard)
                let wanted = Array(expected[range.lowerBound * columns..<range.upperBound * columns])
                XCTAssertEqual(gradient.map(\.bitPattern), wanted.map(\.bitPattern), "\(counts), shard \(shard)")
                for (i, value) in gradient.enumerated() {
                    XCTAssertEqual(value, whole.gradient[range.lowerBound * columns + i], accuracy: 1e-6)
                }
            }
        }
    }
}
