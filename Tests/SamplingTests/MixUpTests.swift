import Autograd
import Detectors
import RandomStreams
import Sampling
import TemporalAnnotations
import XCTest

/// Mixing of recordings and their targets, on cases worked out by hand.
final class MixUpTests: XCTestCase {
    private func batch(_ lengths: [Int], columns: Int, value: (Int) -> Float, instances: [[GridInstance]]) -> PackedBatch {
        let features = Tensor(rows: lengths.reduce(0, +), columns: columns, requiresGradient: false)
        for i in 0..<features.count { features.values[i] = value(i) }
        let offsets = lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
        let context = VideoContext(id: "v", grid: FeatureGrid(fps: 1, stride: 1, window: 1), duration: 10)
        return PackedBatch(
            features: PackedSequence(features, offsets: offsets), videos: lengths.map { _ in context }, instances: instances)
    }

    private func instance(_ start: Float, _ end: Float, _ label: Int) -> GridInstance {
        GridInstance(segment: GridSegment(start: start, end: end), label: label)
    }

    private func values(_ batch: PackedBatch) -> [Float] { (0..<batch.features.tensor.count).map { batch.features.tensor.values[$0] } }

    func testFeaturesOfUnequalLengths() {
        // A shorter second recording inside the first, a piece of a longer one over all of it.
        let first = batch([4, 2], columns: 2, value: { Float($0) }, instances: [[instance(0, 2, 0)], []])
        let second = batch([2, 5], columns: 2, value: { 100 + Float($0) }, instances: [[], []])
        let mixes = [
            MixUp(weight: 0.75, firstRows: 1..<3, secondRows: 0..<2, secondLength: 2),
            MixUp(weight: 0.5, firstRows: 0..<2, secondRows: 3..<5, secondLength: 5),
        ]
        let before = values(first)
        let mixed = MixUp.batch(first, with: second, mixes: mixes)
        // 0.75 * 2 + 0.25 * 100 and so on; (8 + 110) / 2 and so on.
        let expected: [Float] = [0, 1, 26.5, 27.5, 28.5, 29.5, 6, 7, 59, 60, 61, 62]
        XCTAssertEqual(values(mixed), expected)
        XCTAssertEqual(values(first), before)
        XCTAssertEqual(mixed.features.offsets, [0, 4, 6])
        XCTAssertEqual(mixed.instances, first.instances)
    }

    func testMovedActions() {
        // Rows 4 ..< 8 of 20 lie on rows 1 ..< 5 of the first: positions 3.5 to 7.5 become 0.5 to 4.5.
        let piece = MixUp(weight: 0.5, firstRows: 1..<5, secondRows: 4..<8, secondLength: 20)
        XCTAssertEqual(
            piece.moved([instance(4, 7, 0), instance(2, 6, 1), instance(6.5, 8.5, 2), instance(6.75, 9, 3), instance(0, 3, 4), instance(0, 20, 5)]),
            [instance(1, 4, 0), instance(0.5, 3, 1), instance(3.5, 4.5, 2)])
        // A whole recording: actions keep their ends, even beyond its rows.
        let whole = MixUp(weight: 0.5, firstRows: 2..<5, secondRows: 0..<3, secondLength: 3)
        XCTAssertEqual(whole.moved([instance(-0.75, 3.5, 0)]), [instance(1.25, 5.5, 0)])
    }

    /// One recording of 6 rows, levels of 6 and 3 points, two classes; rows 2 ..< 6 are mixed.
    func testTargetsPointByPoint() {
        let points = PyramidPoints(rows: [6], levels: 2)
        XCTAssertEqual(points.count, 9)
        let mix = MixUp(weight: 0.75, firstRows: 2..<6, secondRows: 0..<4, secondLength: 4)
        var first = PointTargets(classes: [Float](repeating: 0, count: 18), offsets: [Float](repeating: 0, count: 18), positives: [1, 3, 7])
        var second = first
        second.positives = [0, 3, 4, 8]
        for point in first.positives {
            first.classes[2 * point] = 1
            first.offsets[2 * point] = Float(point)
        }
        for point in second.positives {
            second.classes[2 * point + 1] = 1
            second.offsets[2 * point] = 10 + Float(point)
            second.offsets[2 * point + 1] = 20 + Float(point)
        }
        let mixed = MixUp.targets(first, second, points: points, classes: 2, mixes: [mix])
        // Points 0 and 1 stand at rows 0 and 1, 6 at row 0: not mixed. Points 7 and 8 stand at rows 2 and 4.
        XCTAssertEqual(mixed.positives, [1, 3, 4, 7, 8])
        XCTAssertEqual(mixed.classes, [0, 0, 1, 0, 0, 0, 0.75, 0.25, 0, 0.25, 0, 0, 0, 0, 0.75, 0, 0, 0.25])
        XCTAssertEqual(mixed.offsets, [0, 0, 1, 0, 0, 0, 3, 0, 14, 24, 0, 0, 0, 0, 7, 0, 18, 28])
        // Point 3 leads to the first's action, its second class is the other's.
        XCTAssertEqual(mixed.withoutOffsets, [7])

        let unknown = MixUp.targets(first, nil, points: points, classes: 2, mixes: [mix])
        XCTAssertEqual(unknown.classes, first.classes)
        XCTAssertEqual(unknown.positives, first.positives)
        XCTAssertEqual(unknown.offsets, first.offsets)

        // With weight 1 the second recording is not there.
        let alone = MixUp.targets(
            first, second, points: points, classes: 2, mixes: [MixUp(weight: 1, firstRows: 2..<6, secondRows: 0..<4, secondLength: 4)])
        XCTAssertEqual(alone.positives, first.positives)
        XCTAssertEqual(alone.classes, first.classes)
        XCTAssertEqual(alone.withoutOffsets, [])
    }

    func testDrawsAreOfTheBetaDistribution() {
        for alpha in [Float(1), 0.4, 0.1] {
            var random = RandomStream(seed: 4, "mixup")
            var sum = 0.0, squares = 0.0
            var starts = Set<Int>()
            let count = 20_000
            for _ in 0..<count {
                let mix = MixUp(first: 10, second: 7, alpha: alpha, random: &random)
                XCTAssertGreaterThanOrEqual(mix.weight, 0.5)
                XCTAssertLessThanOrEqual(mix.weight, 1)
                XCTAssertEqual(mix.secondRows, 0..<7)
                starts.insert(mix.firstRows.lowerBound)
                let centred = Double(mix.weight) - 0.5
                sum += centred
                squares += centred * centred
            }
            XCTAssertEqual(starts, [0, 1, 2, 3])
            // Symmetric: the mean square distance from 1/2 is Beta's variance, 1 / (4 (2 alpha + 1)).
            XCTAssertEqual(squares / Double(count), 1 / (4 * (2 * Double(alpha) + 1)), accuracy: 0.003, "alpha \(alpha)")
            if alpha == 1 { XCTAssertEqual(sum / Double(count), 0.25, accuracy: 0.003) }
        }
        var random = RandomStream(seed: 4, "mixup"), again = RandomStream(seed: 4, "mixup")
        let longer = MixUp(first: 7, second: 10, alpha: 0.4, random: &random)
        XCTAssertEqual(longer, MixUp(first: 7, second: 10, alpha: 0.4, random: &again))
        XCTAssertEqual(longer.firstRows, 0..<7)
        XCTAssertEqual(longer.secondRows.count, 7)
    }

    /// Weights and ignored stretches of the partners move with their actions, and are mixed as the classes are where no label takes a point.
    func testWeightsOfMixtures() throws {
        for lengths in [[1], [2], [7, 5], [9, 1, 4]] {
            func weighted(_ rows: [Int], _ weight: Float, ignored: Bool) -> PackedBatch {
                let lists = rows.map { [instance(0, Float($0), 0), instance(0.25, 0.5, 1)] }
                var result = batch(rows, columns: 2, value: { Float($0) }, instances: lists)
                result.weights = LabelWeights(
                    instances: lists.map { _ in [weight, 2 * weight] },
                    ignored: rows.map { ignored ? [GridSegment(start: -1, end: Float($0) + 1)] : [] })
                return result
            }
            let own = weighted(lengths, 0.5, ignored: false), partners = weighted(lengths.reversed(), 0.25, ignored: true)
            let mixture = Mixture(own, with: partners, alpha: 1, random: RandomStream(seed: 3, "mixture"))
            XCTAssertEqual(mixture.batch.weights, own.weights)
            XCTAssertEqual(mixture.batch.instances, own.instances)
            let moved = try XCTUnwrap(mixture.moved.weights)
            for (video, mix) in mixture.mixes.enumerated() {
                XCTAssertEqual(mixture.moved.instances[video], mix.moved(partners.instances[video]))
                XCTAssertEqual(moved.instances[video].count, mixture.moved.instances[video].count)
                for (kept, weight) in zip(mixture.moved.instances[video], moved.instances[video]) {
                    XCTAssertEqual(weight, kept.label == 0 ? 0.25 : 0.5)
                }
                XCTAssertEqual(moved.ignored[video].count, 1)
            }
        }
        let points = PyramidPoints(rows: [4], levels: 1)
        let mix = MixUp(weight: 0.75, firstRows: 1..<4, secondRows: 0..<3, secondLength: 3)
        var first = PointTargets(classes: [0, 0, 1, 0], offsets: [Float](repeating: 0, count: 8), positives: [2], weights: [1, 1, 0.5, 0])
        let second = PointTargets(classes: [0, 0, 0, 1], offsets: [Float](repeating: 0, count: 8), positives: [3], weights: [0, 0, 0, 0.25])
        XCTAssertEqual(MixUp.targets(first, second, points: points, classes: 1, mixes: [mix]).weights, [1, 0.75, 0.5, 0.25])
        first.weights = nil
        XCTAssertEqual(MixUp.targets(first, second, points: points, classes: 1, mixes: [mix]).weights, [1, 0.75, 1, 0.25])
    }
}
