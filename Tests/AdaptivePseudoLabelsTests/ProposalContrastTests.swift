import Autograd
import Collectives
import ContrastivePretraining
import DataParallel
import Detectors
import Foundation
import RandomStreams
import XCTest

/// The contrast of proposals, of which recordings may have none.
final class ProposalContrastTests: XCTestCase {
    private let classes: [[[ContrastedRows.RowClass]]] = [
        [[.action(0), .action(0), .background, .unknown, .background], []], [[], []],
        [[.action(0), .action(1), .background], [.action(1), .unknown, .action(1), .background]],
    ]

    private func contrast(shards: Int) throws -> FrameContrast {
        var settings = ContrastConfiguration()
        settings.temperature = 0.5
        return FrameContrast(
            settings, seed: 1, step: 3, shards: try VirtualShards(count: shards, rank: 0, ranks: 1), ranks: try Communicator.alone())
    }

    private func parts(_ classes: [[[ContrastedRows.RowClass]]], clustered: Bool) -> [FrameContrast.ShardFrames] {
        classes.enumerated().map { shard, recordings in
            var random = RandomStream(seed: 4, "rows", shard)
            let offsets = recordings.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }, count = offsets[recordings.count]
            let embedding = Tensor(rows: count, columns: 3, (0..<3 * count).map { _ in random.normal() }, requiresGradient: true)
            return FrameContrast.ShardFrames(
                ContrastedRows(
                    embedding: PackedSequence(embedding, offsets: offsets), inputs: clustered ? (0..<2 * count).map { _ in random.normal() } : [],
                    classes: clustered ? [] : recordings), columns: 2, shard: shard, group: 0)
        }
    }

    /// Eq. 11 as it is written, of rows whose class is known.
    private func definition(_ z: [[Double]], _ labels: [Int?]) -> Double {
        func unit(_ v: [Double]) -> [Double] { v.map { $0 / v.reduce(0) { $0 + $1 * $1 }.squareRoot() } }
        let known = z.indices.filter { labels[$0] != nil }, z = z.map(unit)
        func e(_ i: Int, _ j: Int) -> Double { exp(zip(z[i], z[j]).reduce(0) { $0 + $1.0 * $1.1 } / 0.5) }
        var sum = 0.0, anchors = 0
        for i in known {
            let positives = known.filter { $0 != i && labels[$0] == labels[i] }
            let rest = known.filter { labels[$0] != labels[i] }.reduce(0) { $0 + e(i, $1) }
            guard !positives.isEmpty else { continue }
            anchors += 1
            sum -= positives.reduce(0) { $0 + log(e(i, $1) / (e(i, $1) + rest)) } / Double(positives.count)
        }
        return anchors > 0 ? sum / Double(anchors) : 0
    }

    func testClassesOfProposals() throws {
        let contrast = try contrast(shards: 3), parts = parts(classes, clustered: false)
        let losses = try contrast.seed(parts, classes: .instances(background: 2), weight: 1)
        var all: [[Double]] = [], labels: [Int?] = [], coarse = 0.0
        for (part, recordings) in zip(parts, classes) {
            for (video, rows) in recordings.enumerated() {
                let z = part.embedding.rows(of: video).map { row in (0..<3).map { Double(part.embedding.tensor.values[3 * row + $0]) } }
                let own = rows.map { row -> Int? in
                    switch row {
                    case .action(let label): label
                    case .background: 2
                    case .unknown: nil
                    }
                }
                all += z
                labels += own
                coarse += definition(z, own.map { $0.map { $0 == 2 ? 0 : 1 } }) / 6
            }
        }
        XCTAssertEqual(losses.reduce(0) { $0 + $1.coarse }, coarse, accuracy: 1e-5)
        XCTAssertEqual(losses.reduce(0) { $0 + $1.fine }, definition(all, labels), accuracy: 1e-5)
        XCTAssertGreaterThan(coarse, 0.1)
        for (part, recordings) in zip(parts, classes) where part.embedding.rows > 0 {
            let gradient = try XCTUnwrap(part.embedding.tensor.gradientArray)
            for (row, known) in recordings.joined().enumerated() {
                XCTAssertEqual(Array(gradient[3 * row..<3 * row + 3]) == [0, 0, 0], known == .unknown, "row \(row)")
            }
        }
    }

    /// Clusters of what there is; without any proposal there is no loss.
    func testShardsWithoutProposals() throws {
        let contrast = try contrast(shards: 3), parts = parts(classes, clustered: true)
        let losses = try contrast.seed(parts, classes: .clusters(2), weight: 1)
        XCTAssertGreaterThan(losses[0].coarse, 0)
        XCTAssertEqual(losses[1].coarse, 0)
        XCTAssertGreaterThan(losses[0].fine, 0)
        for clustered in [true, false] {
            let none = self.parts([[[], []], [[], []]], clustered: clustered)
            let zero = try self.contrast(shards: 2).seed(none, classes: clustered ? .clusters(2) : .instances(background: 2), weight: 1)
            XCTAssertEqual(zero.map(\.coarse) + zero.map(\.fine), [0, 0, 0, 0])
        }
    }
}
