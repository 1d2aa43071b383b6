import AdaptivePseudoLabels
import Collectives
import ContrastivePretraining
import DataParallel
import Foundation
import RandomStreams
import XCTest

/// Contrast over the global mini-batch against the same computed from all shards' rows, and bit by bit for every number of ranks.
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

    private let counts = [[8, 8, 8, 8], [5, 0, 13, 1], [3, 9, 4, 4, 0, 7, 2, 6], [4, 6, 5, 3, 9, 2, 7, 1, 5, 5, 4, 3], [0, 0, 1, 0]]
    private let inputColumns = 6, columns = 19

    private func contrast(_ counts: [Int], most: Int?) throws -> (GlobalContrast, VirtualShards) {
        let shards = try VirtualShards(count: counts.count, communicator: world)
        var random = RandomStream(seed: 4, "drawn")
        return (try GlobalContrast(Array(counts[shards.owned]), most: most, shards: shards, ranks: world, random: &random), shards)
    }

    /// With as many rows as are drawn, everything is that of all rows on one rank.
    func testLabelsLossAndGradientsAreThoseOfOneRank() throws {
        for counts in counts {
            let (contrast, shards) = try contrast(counts, most: counts.reduce(0, +)),
                offsets = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
            XCTAssertEqual(contrast.offsets, offsets)
            XCTAssertEqual(contrast.drawn, Array(0..<offsets[counts.count]))
            let inputs = counts.enumerated().map { rows("inputs", shard: $0, rows: $1, columns: inputColumns) }
            let embeddings = counts.enumerated().map { rows("embeddings", shard: $0, rows: $1, columns: columns) }
            for clusters in [1, 4, 7] {
                var random = RandomStream(seed: 3, "fine"), again = random
                let labels = try contrast.cluster(Array(inputs[shards.owned]), columns: inputColumns, clusters: clusters, random: &random)
                let expected = KMeans(inputs.flatMap { $0 }, rows: offsets[counts.count], columns: inputColumns, clusters: clusters, random: &again)
                XCTAssertEqual(labels, shards.owned.map { Array(expected.labels[offsets[$0]..<offsets[$0 + 1]]) }, "\(counts), \(clusters)")
                let found = try contrast.infoNCE(Array(embeddings[shards.owned]), columns: columns, labels: labels)
                let whole = InfoNCE(
                    embeddings.flatMap { $0 }, columns: columns, labels: expected.labels, anchors: 0..<expected.labels.count,
                    anchorCount: InfoNCE.anchorsWithPositives(expected.labels))
                XCTAssertEqual(found.loss, whole.loss, accuracy: 1e-6)
                XCTAssertEqual(found.gradients.count, shards.perRank)
                for (gradient, shard) in zip(found.gradients, shards.owned) {
                    XCTAssertEqual(gradient.count, counts[shard] * columns)
                    for (i, value) in gradient.enumerated() {
                        XCTAssertEqual(value, whole.gradient[offsets[shard] * columns + i], accuracy: 1e-6)
                    }
                }
            }
        }
    }

    /// Few values and many clusters, so that clusters become empty on the way: they take the same rows as on one rank.
    func testEmptyClustersTakeTheSameRows() throws {
        for counts in counts.prefix(4) {
            let (contrast, shards) = try contrast(counts, most: nil), offsets = contrast.offsets
            for seed in 0..<40 {
                // Multiples of 1/4, so that sums are exact in any order.
                let inputs = counts.enumerated().map { rows("few \(seed)", shard: $0, rows: $1, columns: 2).map { ($0 * 4).rounded() / 4 } }
                var random = RandomStream(seed: 5, "empty", seed), again = random
                let labels = try contrast.cluster(Array(inputs[shards.owned]), columns: 2, clusters: 12, random: &random)
                let expected = KMeans(inputs.flatMap { $0 }, rows: offsets[counts.count], columns: 2, clusters: 12, random: &again).labels
                XCTAssertEqual(labels, shards.owned.map { Array(expected[offsets[$0]..<offsets[$0 + 1]]) }, "\(counts), seed \(seed)")
            }
        }
    }

    /// Centers begin at drawn rows, and all rows are assigned: those of four places far from each other come to four clusters.
    func testRowsThatWereNotDrawnAreClusteredToo() throws {
        let counts = [4, 6, 5, 3, 9, 2, 7, 1, 5, 5, 4, 3], (contrast, shards) = try contrast(counts, most: 20)
        XCTAssertEqual(contrast.drawn.count, 20)
        let inputs = counts.enumerated().map { shard, count in
            let noise = rows("noise", shard: shard, rows: count, columns: inputColumns)
            return noise.indices.map { noise[$0] + 100 * Float((contrast.offsets[shard] + $0 / inputColumns) * 7 % 4) }
        }
        var random = RandomStream(seed: 3, "places")
        let labels = try contrast.cluster(Array(inputs[shards.owned]), columns: inputColumns, clusters: 4, random: &random)
        let all = try world.allGather(labels.flatMap { $0 }).flatMap { $0 }
        let pairs = Set(all.enumerated().map { [$0 * 7 % 4, $1] })
        XCTAssertEqual(pairs.count, 4)
        XCTAssertEqual(Set(pairs.map { $0[1] }), Set(0..<4))
    }

    /// Fewer rows drawn than there are: the loss is that of all anchors against the drawn rows, in float64 by definition.
    func testAgainstDrawnRowsByDefinition() throws {
        for counts in counts.prefix(4) {
            let (contrast, shards) = try contrast(counts, most: 7), total = counts.reduce(0, +)
            XCTAssertEqual(contrast.drawn.count, 7)
            for (part, row) in contrast.drawn.enumerated() { XCTAssertTrue((part * total / 7..<(part + 1) * total / 7).contains(row)) }
            let embeddings = counts.enumerated().map { rows("embeddings", shard: $0, rows: $1, columns: columns) }
            let labels = (0..<total).map { $0 % 5 == 4 ? -1 : $0 * 7 % 3 }
            let own = shards.owned.map { Array(labels[contrast.offsets[$0]..<contrast.offsets[$0 + 1]]) }
            let found = try contrast.infoNCE(Array(embeddings[shards.owned]), columns: columns, labels: own, temperature: 0.5)
            let flat = embeddings.flatMap { $0.map(Double.init) }
            let loss = definition(flat, labels, contrast.drawn)
            XCTAssertEqual(found.loss, loss, accuracy: 1e-5)
            XCTAssertGreaterThan(loss, 0.1)
            for (gradient, shard) in zip(found.gradients, shards.owned) {
                for i in stride(from: 0, to: gradient.count, by: 11) {
                    var up = flat, down = flat
                    up[contrast.offsets[shard] * columns + i] += 1e-5
                    down[contrast.offsets[shard] * columns + i] -= 1e-5
                    let slope = (definition(up, labels, contrast.drawn) - definition(down, labels, contrast.drawn)) / 2e-5
                    XCTAssertEqual(Double(gradient[i]), slope, accuracy: 1e-5, "\(counts), shard \(shard), \(i)")
                }
            }
        }
    }

    /// Eq. 11 as it is written, over the anchors that have a positive among the drawn rows.
    private func definition(_ x: [Double], _ labels: [Int], _ drawn: [Int]) -> Double {
        func unit(_ i: Int) -> [Double] {
            let row = Array(x[i * columns..<(i + 1) * columns]), norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return row.map { $0 / norm }
        }
        let z = labels.indices.map(unit)
        func e(_ i: Int, _ j: Int) -> Double { exp(zip(z[i], z[j]).reduce(0) { $0 + $1.0 * $1.1 } / 0.5) }
        var sum = 0.0, anchors = 0
        for i in labels.indices where labels[i] >= 0 {
            let positives = drawn.filter { $0 != i && labels[$0] == labels[i] },
                negatives = drawn.filter { labels[$0] >= 0 && labels[$0] != labels[i] }
            guard !positives.isEmpty else { continue }
            anchors += 1
            let n = negatives.reduce(0) { $0 + e(i, $1) }
            sum -= positives.reduce(0) { $0 + log(e(i, $1) / (e(i, $1) + n)) } / Double(positives.count)
        }
        return sum / Double(anchors)
    }

    /// All ranks of this job and one rank alone give the same bits, whether all rows are drawn or some.
    func testBitsDoNotDependOnTheRanks() throws {
        let alone = try Communicator.alone()
        for counts in counts {
            for most in [nil, 3, 9] {
                let inputs = counts.enumerated().map { rows("inputs", shard: $0, rows: $1, columns: inputColumns) }
                let embeddings = counts.enumerated().map { rows("embeddings", shard: $0, rows: $1, columns: columns) }
                func run(_ ranks: Communicator) throws -> (VirtualShards, labels: [[Int]], loss: Double, gradients: [[Float]]) {
                    let shards = try VirtualShards(count: counts.count, communicator: ranks)
                    var drawing = RandomStream(seed: 4, "drawn"), random = RandomStream(seed: 3, "fine")
                    let contrast = try GlobalContrast(Array(counts[shards.owned]), most: most, shards: shards, ranks: ranks, random: &drawing)
                    let labels = try contrast.cluster(Array(inputs[shards.owned]), columns: inputColumns, clusters: 4, random: &random)
                    let (loss, gradients) = try contrast.infoNCE(Array(embeddings[shards.owned]), columns: columns, labels: labels)
                    return (shards, labels, loss, gradients)
                }
                let expected = try run(alone), found = try run(world), own = found.0.owned
                XCTAssertEqual(found.labels, Array(expected.labels[own]), "\(counts), \(String(describing: most))")
                XCTAssertEqual(found.loss.bitPattern, expected.loss.bitPattern)
                XCTAssertEqual(found.gradients.map { $0.map(\.bitPattern) }, expected.gradients[own].map { $0.map(\.bitPattern) })
            }
        }
    }
}
