import AdaptivePseudoLabels
import Autograd
import Checkpoints
import Collectives
import ContrastivePretraining
import DataParallel
import Detectors
import NeuralNetworks
import RandomStreams
import TemporalAnnotations
import TrainingMethods
import XCTest

/// The two contrasts of a step: classes and losses against the definition, gradients against finite differences.
final class FrameContrastTests: XCTestCase {
    private let rows = [[9, 5], [12, 3]], levelCount = 3, channels = 2, columns = 3
    private let background = 7

    private func step(_ settings: ContrastConfiguration) throws -> TrainingStep {
        let world = try Communicator.world(), shards = try VirtualShards(count: 2, communicator: world)
        let arena = ParameterArena(InstanceDiscriminator(columns: 2, hidden: 2))
        let state = TrainingState(arena: arena, weightDecay: 0, emaDecay: 0, initialLossNormalizer: 1)
        let batches = rows.enumerated().map { shard, rows in
            let random = Self.numbers("inputs", shard, rows.reduce(0, +) * columns)
            let offsets = [0, rows[0], rows[0] + rows[1]]
            let first = GridInstance(segment: GridSegment(start: 1, end: 3.5), label: shard)
            let instances = [[first], [GridInstance(segment: GridSegment(start: 0, end: 1), label: 0)]]
            let grid = FeatureGrid(fps: 25, stride: 4, window: 16)
            return (
                shard,
                [
                    PackedBatch(
                        features: PackedSequence(Tensor(rows: offsets[2], columns: columns, random), offsets: offsets),
                        videos: rows.indices.map { VideoContext(id: VideoID("v\(shard)\($0)"), grid: grid, duration: 10) }, instances: instances)
                ]
            )
        }
        return TrainingStep(
            step: 3, stage: 0, seed: 5, batches: batches, state: state, communicator: world, shards: shards,
            reduction: GradientReduction(arena: arena, communicator: world, shards: shards, options: .init(bucketElements: 16)))
    }

    private static func numbers(_ purpose: String, _ shard: Int, _ count: Int) -> [Float] {
        var random = RandomStream(seed: 1, purpose, shard)
        return (0..<count).map { _ in random.normal() }
    }

    /// Levels of a shard, finest first.
    private func levels(_ shard: Int, _ values: [[Float]]) -> [PackedSequence] {
        var offsets = [0, rows[shard][0], rows[shard][0] + rows[shard][1]]
        return values.map { values in
            defer { offsets = stridedOffsets(offsets, stride: 2) }
            return PackedSequence(Tensor(rows: offsets[2], columns: channels, values, requiresGradient: true), offsets: offsets)
        }
    }

    private func initialValues(_ shard: Int) -> [[Float]] {
        var lengths = rows[shard]
        return (0..<levelCount).map { level in
            defer { lengths = lengths.map { ($0 + 1) / 2 } }
            return Self.numbers("level \(level)", shard, lengths.reduce(0, +) * channels)
        }
    }

    private typealias Outcome = (
        losses: [(coarse: Double, fine: Double)], parts: [FrameContrast.ShardFrames], levels: [[PackedSequence]], tapes: [Tape]
    )

    private func run(_ settings: ContrastConfiguration, _ classes: FrameContrast.Classes, _ values: [[[Float]]], weight: Double) throws -> Outcome {
        let step = try step(settings), contrast = FrameContrast(settings, step: step)
        var parts: [FrameContrast.ShardFrames] = [], all: [[PackedSequence]] = [], tapes: [Tape] = []
        for (shard, groups) in step.batches {
            let tape = Tape(), levels = levels(shard, values[shard])
            parts.append(contrast.sample(groups[0], levels, shard: shard, group: 0, tape: tape))
            all.append(levels)
            tapes.append(tape)
        }
        return (try contrast.seed(parts, classes: classes, weight: weight), parts, all, tapes)
    }

    private func settings(coarse: Bool = true, fine: Bool = true) -> ContrastConfiguration {
        var settings = ContrastConfiguration()
        (settings.coarse, settings.fine, settings.frames, settings.temperature) = (coarse, fine, 6, 0.5)
        return settings
    }

    /// Eq. 11 as it is written.
    private func definition(_ z: [[Double]], _ labels: [Int], temperature: Double) -> Double {
        func unit(_ v: [Double]) -> [Double] { v.map { $0 / v.reduce(0) { $0 + $1 * $1 }.squareRoot() } }
        let z = z.map(unit)
        func e(_ i: Int, _ j: Int) -> Double { exp(zip(z[i], z[j]).reduce(0) { $0 + $1.0 * $1.1 } / temperature) }
        var sum = 0.0, anchors = 0
        for i in z.indices {
            let positives = z.indices.filter { $0 != i && labels[$0] == labels[i] }, negatives = z.indices.filter { labels[$0] != labels[i] }
            guard !positives.isEmpty else { continue }
            anchors += 1
            let n = negatives.reduce(0) { $0 + e(i, $1) }
            sum -= positives.reduce(0) { $0 + log(e(i, $1) / (e(i, $1) + n)) } / Double(positives.count)
        }
        return anchors > 0 ? sum / Double(anchors) : 0
    }

    /// After pre-training: coarse is the mean over recordings of action against background, fine is over all frames with a class each.
    func testLossesAreTheDefinition() throws {
        let values = [0, 1].map(initialValues)
        let (losses, parts, _, _) = try run(settings(), .instances(background: background), values, weight: 0.3)
        var frames: [[Double]] = [], labels: [Int] = [], coarse = 0.0
        for (shard, part) in parts.enumerated() {
            XCTAssertEqual(part.frames.map(\.count), rows[shard].map { min(6, $0) })
            for (video, chosen) in part.frames.enumerated() {
                let z = part.embedding.rows(of: video).map { row in
                    (0..<levelCount * channels).map { Double(part.embedding.tensor.values[row * levelCount * channels + $0]) }
                }
                let inside = chosen.map { video == 0 ? $0 >= 1 && $0 <= 3 : $0 <= 1 }
                coarse += definition(z, inside.map { $0 ? 1 : 0 }, temperature: 0.5) / 4
                frames += z
                labels += inside.map { $0 ? (video == 0 ? shard : 0) : background }
            }
        }
        XCTAssertEqual(losses.reduce(0) { $0 + $1.coarse }, coarse, accuracy: 1e-5)
        XCTAssertEqual(losses.reduce(0) { $0 + $1.fine }, definition(frames, labels, temperature: 0.5), accuracy: 1e-5)
        XCTAssertGreaterThan(coarse, 0.1)
    }

    /// The gradient that reaches the levels is that of `weight * (coarse + fine)`, for each part alone and for both.
    func testGradientsAgainstFiniteDifferences() throws {
        let values = [0, 1].map(initialValues), weight = 0.7
        for (coarse, fine) in [(true, false), (false, true), (true, true)] {
            for classes in [FrameContrast.Classes.clusters(3), .instances(background: background)] {
                let settings = settings(coarse: coarse, fine: fine)
                let (losses, _, levels, tapes) = try run(settings, classes, values, weight: weight)
                if !coarse { XCTAssertEqual(losses.map(\.coarse), [0, 0]) }
                if !fine { XCTAssertEqual(losses.map(\.fine), [0, 0]) }
                tapes.forEach { $0.backward() }
                var largest = 0.0
                for shard in 0..<2 {
                    for level in 0..<levelCount {
                        let gradient = try XCTUnwrap(levels[shard][level].tensor.gradientArray)
                        for i in gradient.indices {
                            func total(_ delta: Float) throws -> Double {
                                var moved = values
                                moved[shard][level][i] += delta
                                return try run(settings, classes, moved, weight: weight).losses.reduce(0) { $0 + weight * ($1.coarse + $1.fine) }
                            }
                            let difference = (try total(5e-3) - total(-5e-3)) / 1e-2
                            XCTAssertEqual(Double(gradient[i]), difference, accuracy: 1e-3, "shard \(shard), level \(level), \(i)")
                            largest = max(largest, abs(difference))
                        }
                    }
                }
                XCTAssertGreaterThan(largest, 0.02)
            }
        }
    }
}
