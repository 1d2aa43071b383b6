import AdaptivePseudoLabels
import ContrastivePretraining
import Detectors
import Foundation
import Kernels
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

final class ContrastivePretrainingTests: XCTestCase {
    private var random = RandomStream(seed: 12, "contrast")

    private func normals(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }

    // MARK: frames

    func testOneFrameOfEachPart() {
        for rows in [1, 5, 63, 64, 65, 100, 2304] {
            var stream = RandomStream(seed: 2, "frames", rows)
            let frames = FrameSampling.frames(rows: rows, random: &stream), parts = min(64, rows)
            XCTAssertEqual(frames.count, parts)
            for (i, frame) in frames.enumerated() {
                XCTAssertTrue((i * rows / parts..<(i + 1) * rows / parts).contains(frame), "part \(i) of \(rows) rows: \(frame)")
            }
            var again = RandomStream(seed: 2, "frames", rows)
            XCTAssertEqual(FrameSampling.frames(rows: rows, random: &again), frames)
        }
        var stream = RandomStream(seed: 2, "frames")
        XCTAssertEqual(FrameSampling.frames(rows: 0, random: &stream), [])
        XCTAssertEqual(FrameSampling.frames(rows: 30, parts: 3, random: &stream).count, 3)
        let seen = Set((0..<200).flatMap { _ in FrameSampling.frames(rows: 10, parts: 2, random: &stream) })
        XCTAssertEqual(seen, Set(0..<10), "every frame is possible")
    }

    func testFrameLabels() {
        func instance(_ start: Float, _ end: Float, _ label: Int) -> GridInstance {
            GridInstance(segment: GridSegment(start: start, end: end), label: label)
        }
        let instances = [instance(2, 8, 0), instance(5, 6, 1), instance(5, 6, 2), instance(20.5, 20.9, 0)]
        XCTAssertEqual(FrameSampling.labels(frames: [1, 2, 5, 6, 7, 8, 9, 20], instances: instances, background: 3), [3, 0, 1, 1, 0, 0, 3, 3])
        // Nothing is known of 0 to 5.5 and 9 to 30: actions stand there all the same.
        let ignored = [GridSegment(start: 0, end: 5.5), GridSegment(start: 9, end: 30)]
        XCTAssertEqual(
            FrameSampling.labels(frames: [1, 2, 5, 6, 7, 8, 9, 20], instances: instances, ignored: ignored, background: 3),
            [-1, 0, 1, 1, 0, 0, -1, -1])
    }

    /// Uncertain labels give the contrast no class, and no background either; a sure label over the same frames does.
    func testFramesOfUncertainLabelsTakeNoPart() {
        func instance(_ start: Float, _ end: Float, _ label: Int) -> GridInstance {
            GridInstance(segment: GridSegment(start: start, end: end), label: label)
        }
        let instances = [[instance(2, 4, 0), instance(3, 8, 1), instance(10, 12, 1)], [instance(0, 3, 2)]]
        let weights = LabelWeights(instances: [[1, 0.4, 0.9], [1]], ignored: [[GridSegment(start: 20, end: 21)], []])
        let (certain, ignored) = FrameSampling.certain(instances, weights: weights)
        XCTAssertEqual(certain, [[instances[0][0]], instances[1]])
        XCTAssertEqual(ignored[0], [GridSegment(start: 20, end: 21), GridSegment(start: 3, end: 8), GridSegment(start: 10, end: 12)])
        XCTAssertEqual(ignored[1], [])
        XCTAssertEqual(
            FrameSampling.labels(frames: [1, 2, 3, 4, 5, 9, 11, 20], instances: certain[0], ignored: ignored[0], background: 3),
            [3, 0, 0, 0, -1, 3, -1, -1])
        let plain = FrameSampling.certain(instances, weights: nil)
        XCTAssertEqual(plain.instances, instances)
        XCTAssertEqual(plain.ignored, [[], []])
    }

    // MARK: k-means

    func testSeparatedClustersAreFound() {
        let columns = 19, places: [Float] = [-30, 0, 40, 90]
        let truth = (0..<60).map { $0 * 7 % 4 }
        let x = truth.flatMap { label in (0..<columns).map { _ in places[label] + random.normal() } }
        for seed in 0..<5 {
            var stream = RandomStream(seed: UInt64(seed), "clusters")
            let result = KMeans(x, rows: 60, columns: columns, clusters: 4, random: &stream)
            XCTAssertEqual(result.clusters, 4)
            XCTAssertEqual(Set(zip(truth, result.labels).map { "\($0) \($1)" }).count, 4, "a cluster per place")
            XCTAssertLessThan(result.iterations, 5)
        }
    }

    /// Lloyd's conditions at the end: every row is with its nearest center, every center is the mean of its rows.
    func testEndsWhereNoRowChanges() {
        for (rows, columns, clusters) in [(1, 3, 1), (7, 1, 3), (40, 5, 4), (90, 17, 8), (12, 8, 12), (5, 4, 9)] {
            let x = normals(rows * columns)
            var stream = RandomStream(seed: 3, "k-means", rows)
            let result = KMeans(x, rows: rows, columns: columns, clusters: clusters, maximumIterations: 1000, random: &stream)
            XCTAssertEqual(result.clusters, min(rows, clusters))
            XCTAssertEqual(Set(result.labels), Set(0..<result.clusters), "no cluster is empty")
            var inertia = 0.0
            for row in 0..<rows {
                let distances = (0..<result.clusters).map { k in
                    (0..<columns).reduce(0.0) { $0 + pow(Double(x[row * columns + $1]) - result.centers[k * columns + $1], 2) }
                }
                XCTAssertEqual(distances[result.labels[row]], distances.min() ?? .nan, accuracy: 1e-12)
                inertia += distances[result.labels[row]]
            }
            XCTAssertEqual(result.inertia, inertia, accuracy: 1e-9)
            for k in 0..<result.clusters {
                let own = (0..<rows).filter { result.labels[$0] == k }
                for c in 0..<columns {
                    let mean = own.reduce(0.0) { $0 + Double(x[$1 * columns + c]) } / Double(own.count)
                    XCTAssertEqual(result.centers[k * columns + c], mean, accuracy: 1e-9)
                }
            }
        }
    }

    func testTheSameStreamGivesTheSameLabelsWhateverTheThreads() {
        let x = normals(300 * 33)
        func run() -> KMeans {
            var stream = RandomStream(seed: 5, "fine", 3)
            return KMeans(x, rows: 300, columns: 33, clusters: 8, random: &stream)
        }
        let one = run()
        ComputeContext.current.threads = 2
        defer { ComputeContext.current = ComputeContext() }
        XCTAssertEqual(run(), one)
        var other = RandomStream(seed: 6, "fine", 3)
        XCTAssertNotEqual(KMeans(x, rows: 300, columns: 33, clusters: 8, random: &other).labels, one.labels)
    }

    func testEqualRowsAndTies() {
        var stream = RandomStream(seed: 1, "ties")
        let same = KMeans([Float](repeating: 2, count: 30), rows: 10, columns: 3, clusters: 4, random: &stream)
        XCTAssertEqual(same.clusters, 1, "one distinct row: one cluster")
        XCTAssertEqual(same.labels, [Int](repeating: 0, count: 10))
        let two = KMeans([0, 0, 0, 5, 5, 5], rows: 6, columns: 1, clusters: 3, random: &stream)
        XCTAssertEqual(two.clusters, 2)
        XCTAssertEqual(Set(two.labels[0..<3]).count, 1)
        XCTAssertNotEqual(two.labels[0], two.labels[5])
        let none = KMeans([], rows: 0, columns: 3, clusters: 2, random: &stream)
        XCTAssertEqual(none.labels, [])
        // Two rows that stand between two centers go to the first.
        var labels = [0, 0], distances = [0.0, 0]
        Clustering.nearest([1, 1], rows: 2, columns: 1, centers: [0, 2], clusters: 2, into: &labels, distances: &distances)
        XCTAssertEqual(labels, [0, 0])
        XCTAssertEqual(distances, [1, 1])
    }

    /// Candidates of a float32 product, then float64: the labels and distances of float64 alone, whatever the numbers.
    func testNearestCentersAreThoseOfFloat64() {
        for (rows, columns, clusters, scale, shift) in [
            (70, 33, 4, 1, 0), (64, 150, 16, 1e-3, 100), (9, 2048, 7, 1, 3), (5, 8, 40, 1e18, 0), (5, 8, 40, 3e25, 0), (30, 1, 9, 1, 0),
        ] as [(Int, Int, Int, Float, Float)] {
            let x = normals(rows * columns).map { ($0 + shift) * scale }
            var centers = (0..<clusters).flatMap { k in (0..<columns).map { Double(x[(k * 3 % rows) * columns + $0]) } }
            // Nearly the same as another, and the same as another.
            for c in 0..<columns {
                centers[columns + c] = centers[c] * (1 + 1e-12)
                centers[3 * columns + c] = centers[2 * columns + c]
            }
            for threads in [1, 2] {
                ComputeContext.current.threads = threads
                defer { ComputeContext.current = ComputeContext() }
                var labels = [Int](repeating: -1, count: rows), distances = [Double](repeating: -1, count: rows)
                Clustering.nearest(x, rows: rows, columns: columns, centers: centers, clusters: clusters, into: &labels, distances: &distances)
                for row in 0..<rows {
                    let all = (0..<clusters).map { k in
                        (0..<columns).reduce(0.0) { $0 + pow(Double(x[row * columns + $1]) - centers[k * columns + $1], 2) }
                    }
                    let least = all.min() ?? .nan
                    XCTAssertEqual(distances[row], least, accuracy: 1e-9 * least)
                    XCTAssertEqual(all[labels[row]], least, accuracy: 1e-9 * least)
                    XCTAssertNotEqual(labels[row], 3, "of equally near ones the first")
                }
            }
        }
        // What is no number is near to nothing, and shuts no center out for others.
        var labels = [-1, -1], distances = [0.0, 0]
        Clustering.nearest(
            [.nan, 2.1], rows: 2, columns: 1, centers: [0, 1, 2, 3], clusters: 4, into: &labels, distances: &distances)
        XCTAssertEqual(labels, [0, 2])
        XCTAssertEqual(distances[0], .infinity)
    }

    // MARK: InfoNCE

    /// Eq. 11 as it is written, in double precision; nil when no anchor has a positive.
    private func naive(_ x: [Double], columns: Int, labels: [Int], temperature: Double) -> Double? {
        let rows = labels.count
        // By definition; nothing is shared with the code under test.
        func unit(_ i: Int) -> [Double] {
            let row = Array(x[i * columns..<(i + 1) * columns]), norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return row.map { $0 / norm }
        }
        let z = (0..<rows).map(unit)
        func e(_ i: Int, _ j: Int) -> Double { exp(zip(z[i], z[j]).reduce(0) { $0 + $1.0 * $1.1 } / temperature) }
        var total = 0.0, anchors = 0
        for i in 0..<rows where labels[i] >= 0 {
            let positives = (0..<rows).filter { $0 != i && labels[$0] == labels[i] }
            let negatives = (0..<rows).filter { labels[$0] >= 0 && labels[$0] != labels[i] }
            guard !positives.isEmpty else { continue }
            anchors += 1
            let sum = negatives.reduce(0) { $0 + e(i, $1) }
            total -= positives.reduce(0) { $0 + log(e(i, $1) / (e(i, $1) + sum)) } / Double(positives.count)
        }
        return anchors > 0 ? total / Double(anchors) : nil
    }

    private func whole(_ x: [Float], columns: Int, labels: [Int], temperature: Float) -> InfoNCE {
        InfoNCE(
            x, columns: columns, labels: labels, anchors: 0..<labels.count, anchorCount: InfoNCE.anchorsWithPositives(labels),
            temperature: temperature)
    }

    func testLossAndGradientAgainstTheNaiveForm() throws {
        let cases: [[Int]] = [
            [0, 1, 0, 1, 2], [0, 0], [0, 0, 0], [0, 1, 1, 0, 2, 0, 5, 5, 3, -1, 0, -1, 1], (0..<30).map { $0 * $0 % 7 },
        ]
        for labels in cases {
            for (columns, temperature) in [(3, 0.1), (17, 0.5), (40, 0.07)] {
                let x = normals(labels.count * columns), doubles = x.map(Double.init)
                let result = whole(x, columns: columns, labels: labels, temperature: Float(temperature))
                let t = Double(Float(temperature))
                let expected = try XCTUnwrap(naive(doubles, columns: columns, labels: labels, temperature: t))
                XCTAssertEqual(result.loss, expected, accuracy: 2e-6 * max(1, expected), "\(labels)")
                let step = 1e-5
                // All elements of small cases, every 37th of large ones.
                let checked = Array(stride(from: 0, to: doubles.count, by: doubles.count < 100 ? 1 : 37))
                let numeric = try checked.map { i -> Float in
                    var up = doubles, down = doubles
                    up[i] += step
                    down[i] -= step
                    let difference =
                        try XCTUnwrap(naive(up, columns: columns, labels: labels, temperature: t))
                        - XCTUnwrap(naive(down, columns: columns, labels: labels, temperature: t))
                    return Float(difference / (2 * step))
                }
                let scale = numeric.map(abs).max() ?? 0
                assertClose(
                    "gradient \(labels)", checked.map { result.gradient[$0] }, numeric, absolute: 1e-6 + 1e-5 * scale,
                    relative: 1e-4)
                for (row, label) in labels.enumerated() where label < 0 {
                    XCTAssertTrue(result.gradient[row * columns..<(row + 1) * columns].allSatisfy { $0 == 0 }, "left-out rows get no gradient")
                }
            }
        }
    }

    func testNothingToContrast() {
        let x = normals(4 * 5)
        for labels in [[0, 1, 2, 3], [-1, -1, -1, -1], [0, -1, 1, -1]] {
            XCTAssertEqual(InfoNCE.anchorsWithPositives(labels), 0)
            let result = whole(x, columns: 5, labels: labels, temperature: 0.1)
            XCTAssertEqual(result.loss, 0)
            XCTAssertEqual(result.gradient, [Float](repeating: 0, count: 20))
        }
        let oneClass = whole(x, columns: 5, labels: [3, 3, 3, 3], temperature: 0.1)
        XCTAssertEqual(oneClass.loss, 0, "no negatives")
        XCTAssertTrue(oneClass.gradient.allSatisfy { $0 == 0 })
        // Rows of zeros have no direction; small temperatures overflow no exponential.
        let zeros = whole([Float](repeating: 0, count: 20), columns: 5, labels: [0, 0, 1, 1], temperature: 0.001)
        XCTAssertTrue(zeros.loss.isFinite && zeros.gradient.allSatisfy(\.isFinite))
        let cold = whole(x, columns: 5, labels: [0, 0, 1, 1], temperature: 0.001)
        XCTAssertTrue(cold.loss.isFinite && cold.gradient.allSatisfy(\.isFinite))
    }

    /// The sum over fixed pairs of neighbours, as gradients are summed over virtual shards.
    private func treeSum(_ parts: [InfoNCE]) -> InfoNCE {
        var parts = parts
        while parts.count > 1 {
            parts = stride(from: 0, to: parts.count, by: 2).map { i in
                guard i + 1 < parts.count else { return parts[i] }
                var sum = parts[i]
                sum.loss += parts[i + 1].loss
                for j in sum.gradient.indices { sum.gradient[j] += parts[i + 1].gradient[j] }
                return sum
            }
        }
        return parts[0]
    }

    func testAnyPartitionOfTheAnchorsSumsToTheWhole() {
        let rows = 48, columns = 21, labels = (0..<rows).map { $0 * 5 % 6 }, x = normals(rows * columns)
        let total = whole(x, columns: columns, labels: labels, temperature: 0.1), count = InfoNCE.anchorsWithPositives(labels)
        for bounds in [[0, 48], [0, 24, 48], [0, 12, 24, 36, 48], [0, 1, 1, 40, 48], Array(0...48)] {
            let parts = zip(bounds, bounds.dropFirst()).map {
                InfoNCE(x, columns: columns, labels: labels, anchors: $0..<$1, anchorCount: count)
            }
            let sum = treeSum(parts)
            XCTAssertEqual(sum.loss, total.loss, accuracy: 1e-6)
            assertClose("partition \(bounds)", sum.gradient, total.gradient, absolute: 1e-6, relative: 1e-5)
        }
    }

    /// Ranks own virtual shards: whoever computes a shard, and in whatever order, the tree sum has the same bits.
    func testVirtualShardsGiveTheSameBitsForEveryRankCount() {
        let shards = 4, perShard = 16, columns = 37, labels = (0..<64).map { $0 * 3 % 5 }, x = normals(64 * columns)
        let count = InfoNCE.anchorsWithPositives(labels)
        func shard(_ s: Int) -> InfoNCE {
            // A rank holds its own copy of the gathered rows.
            let copy = x.map { $0 }
            return InfoNCE(copy, columns: columns, labels: labels, anchors: s * perShard..<(s + 1) * perShard, anchorCount: count)
        }
        let reference = treeSum((0..<shards).map(shard))
        for ranks in [1, 2, 4] {
            var parts = [InfoNCE?](repeating: nil, count: shards)
            for rank in (0..<ranks).reversed() {
                for s in (rank * shards / ranks..<(rank + 1) * shards / ranks).reversed() { parts[s] = shard(s) }
            }
            let sum = treeSum(parts.compactMap { $0 })
            XCTAssertEqual(sum.loss.bitPattern, reference.loss.bitPattern)
            XCTAssertEqual(sum.gradient.map(\.bitPattern), reference.gradient.map(\.bitPattern), "\(ranks) ranks")
        }
    }
}
