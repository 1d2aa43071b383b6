import AdaptivePseudoLabels
import Autograd
import Foundation
import Kernels
import NeuralNetworks
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

final class InstanceDiscriminatorTests: XCTestCase {
    private var random = RandomStream(seed: 4, "discriminator")

    private func set(_ count: Int, columns: Int, classes: Int) -> InstanceSet {
        InstanceSet(
            columns: columns, features: (0..<count * columns).map { _ in random.normal() }, labels: (0..<count).map { $0 * 7 % classes })
    }

    func testRowsInsideASegment() {
        func rows(_ start: Float, _ end: Float, of count: Int = 10) -> ClosedRange<Int> {
            InstanceFeatures.rows(of: GridSegment(start: start, end: end), rows: count)
        }
        XCTAssertEqual(rows(2, 5), 2...5, "both ends count")
        XCTAssertEqual(rows(2.1, 5.9), 3...5)
        XCTAssertEqual(rows(-3, 2.5), 0...2)
        XCTAssertEqual(rows(7.5, 30), 8...9)
        XCTAssertEqual(rows(-5, 50), 0...9)
        XCTAssertEqual(rows(3.2, 3.9), 4...4, "no row inside: the nearest to the centre")
        XCTAssertEqual(rows(3.1, 3.6), 3...3)
        XCTAssertEqual(rows(12, 15), 9...9, "beyond the end")
        XCTAssertEqual(rows(-9, -2), 0...0)
        XCTAssertEqual(rows(9.4, 20), 9...9)
        XCTAssertEqual(rows(-1, -0.2), 0...0)
        XCTAssertEqual(rows(0, 0, of: 1), 0...0)
        XCTAssertEqual(rows(.infinity, .infinity), 9...9)
        XCTAssertEqual(rows(5, 2), 4...4, "an inverted segment")
    }

    func testPoolingTakesTheMaximumOfEachChannel() {
        for columns in [1, 3, 16, 37] {
            let video = (0..<12 * columns).map { _ in random.normal() }
            var bank = InstanceSet(columns: columns)
            let segments: [(Float, Float)] = [(0, 11), (2.5, 7.2), (4.1, 4.4)], expected = [0...11, 3...7, 4...4]
            for segment in segments {
                bank.append(GridSegment(start: segment.0, end: segment.1), label: 1, video: video, rows: 12)
            }
            let naive = expected.flatMap { rows in (0..<columns).map { c in rows.map { video[$0 * columns + c] }.max() ?? .nan } }
            XCTAssertEqual(bank.features, naive)
            XCTAssertEqual(bank.labels, [1, 1, 1])
        }
    }

    /// Means of four parts of the instance and half its length on both sides.
    func testPoolingOfAnInstanceAndItsSurroundings() {
        for columns in [1, 5] {
            let video = (0..<12 * columns).map { _ in random.normal() }
            var bank = InstanceSet(columns: 4 * columns, pooling: .context)
            // [4, 8] and what surrounds it, [2, 10]: parts of 2. [0, 1]: parts of a half, the first beyond the beginning. [5, 5]: one row.
            let segments: [(Float, Float)] = [(4, 8), (0, 1), (5, 5)]
            let expected = [[2...4, 4...6, 6...8, 8...10], [0...0, 0...0, 1...1, 1...1], [5...5, 5...5, 5...5, 5...5]]
            for segment in segments { bank.append(GridSegment(start: segment.0, end: segment.1), label: 2, video: video, rows: 12) }
            let naive = expected.joined().flatMap { rows in
                (0..<columns).map { c in rows.reduce(Float(0)) { $0 + video[$1 * columns + c] } / Float(rows.count) }
            }
            XCTAssertEqual(bank.features.count, naive.count)
            for (a, b) in zip(bank.features, naive) { XCTAssertEqual(a, b, accuracy: 1e-6) }
        }
        XCTAssertEqual(InstancePooling.max.parts, 1)
    }

    /// Instances of left-out recordings: told apart where classes differ everywhere, not where they differ within recordings alone.
    func testComparisonsOfLeftOutRecordings() {
        var settings = DiscriminatorConfiguration()
        (settings.iterations, settings.hidden, settings.learningRate) = (150, 16, 0.01)
        func bank(_ value: (_ recording: Int, _ label: Int) -> Float) -> (InstanceSet, recordings: [Int]) {
            var features: [Float] = [], labels: [Int] = [], recordings: [Int] = []
            for recording in 0..<5 {
                for instance in 0..<6 {
                    let label = instance % 2
                    features += [value(recording, label), random.normal() * 0.1, random.normal() * 0.1]
                    labels.append(label)
                    recordings.append(recording)
                }
            }
            return (InstanceSet(columns: 3, features: features, labels: labels), recordings)
        }
        let (same, places) = bank { _, label in label == 0 ? 2 : -2 }
        XCTAssertEqual(LeftOutComparison(same, recordings: places, settings, seed: 1), LeftOutComparison(promotedRight: 1, keptRight: 1))
        // The sign of the class changes from a recording to the next: what was learnt elsewhere misleads.
        let (turned, _) = bank { recording, label in (label == 0) == (recording % 2 == 0) ? 2 : -2 }
        let misled = LeftOutComparison(turned, recordings: places, settings, seed: 1)
        XCTAssertLessThan(misled.promotedRight ?? 0, 0.8)
        XCTAssertEqual(LeftOutComparison(same, recordings: [Int](repeating: 7, count: 30), settings, seed: 1), LeftOutComparison())
        XCTAssertEqual(LeftOutComparison(InstanceSet(columns: 3), recordings: [], settings, seed: 1), LeftOutComparison())
        XCTAssertEqual(
            LeftOutComparison(promotedRight: 0.38, keptRight: 1).summary(0.8),
            "in labelled recordings left out, 38 % of what is like a class is of it (nothing is promoted), 100 % of the actions are like their own class"
        )
        XCTAssertEqual(
            LeftOutComparison().summary(0.8),
            "in labelled recordings left out, none of what is like a class is of it (nothing is promoted), none of the actions are like their own class "
                + "(nothing is removed)")
    }

    /// One value more: the logarithm of 1 + rows; 0 for what has no length.
    func testLengthEndsAFeature() {
        let video = (0..<12 * 3).map { _ in random.normal() }
        for (pooling, parts) in [(InstancePooling.max, 1), (.context, 4)] {
            var plain = InstanceSet(columns: 3 * parts, pooling: pooling),
                long = InstanceSet(columns: 3 * parts + 1, pooling: pooling, hasLength: true)
            for (start, end) in [(Float(4), Float(8)), (5, 5), (6, 2)] {
                plain.append(GridSegment(start: start, end: end), label: 0, video: video, rows: 12)
                long.append(GridSegment(start: start, end: end), label: 0, video: video, rows: 12)
            }
            for (i, expected) in [Float(1.6094379), 0, 0].enumerated() {
                let own = Array(long.features[i * long.columns..<(i + 1) * long.columns])
                XCTAssertEqual(Array(own.dropLast()), Array(plain.features[i * plain.columns..<(i + 1) * plain.columns]))
                XCTAssertEqual(own.last ?? .nan, expected, accuracy: 1e-6)
            }
        }
    }

    func testBalancedPairs() {
        let labels = [0, 0, 0, 1, 1, 2] + [Int](repeating: 3, count: 30)
        var stream = RandomStream(seed: 9, "pairs")
        let anchors = [0, 3, 5, 10]
        let pairs = InstancePairs.balanced(anchors: anchors, labels: labels, random: &stream)
        XCTAssertEqual(pairs.count, 80)
        for (a, anchor) in anchors.enumerated() {
            let own = a * 20..<(a + 1) * 20
            XCTAssertTrue(own.allSatisfy { pairs.firsts[$0] == anchor })
            XCTAssertEqual(own.map { pairs.targets[$0] }, Array(repeating: 1, count: 10) + Array(repeating: 0, count: 10))
            for i in own { XCTAssertEqual(pairs.targets[i] == 1, labels[pairs.seconds[i]] == labels[anchor]) }
            if anchor != 5 { XCTAssertFalse(own.contains { pairs.seconds[$0] == anchor }) }
        }
        XCTAssertEqual(Set(pairs.seconds[0..<10]), [1, 2], "few partners are drawn again")
        XCTAssertEqual(Set(pairs.seconds[40..<50]), [5], "alone in its class: its own partner")
        XCTAssertEqual(Set(pairs.seconds[60..<70]).count, 10, "enough partners: none twice")
        XCTAssertEqual(Set(pairs.seconds[10..<20]).count, 10)
        var again = RandomStream(seed: 9, "pairs")
        XCTAssertEqual(InstancePairs.balanced(anchors: anchors, labels: labels, random: &again), pairs)
        let single = InstancePairs.balanced(anchors: [0], labels: [0, 0], random: &stream)
        XCTAssertEqual(single.targets, [Float](repeating: 1, count: 10), "one class: no negatives")
        XCTAssertEqual(InstancePairs.balanced(anchors: [], labels: labels, random: &stream).count, 0)
    }

    /// Arenas own the parameters of the discriminators under test.
    private var arenas: [ParameterArena] = []

    private func discriminator(columns: Int, hidden: Int) -> (InstanceDiscriminator, ParameterArena) {
        let discriminator = InstanceDiscriminator(columns: columns, hidden: hidden), arena = ParameterArena(discriminator)
        arenas.append(arena)
        discriminator.initializeParameters(seed: 6)
        return (discriminator, arena)
    }

    /// D of two features, from the equation.
    private func naive(_ arena: ParameterArena, _ a: [Float], _ b: [Float], hidden: Int) -> Double {
        let p = arena.parameters.map { $0.published($0.tensor.values).map(Double.init) }
        let x = (a + b).map(Double.init)
        var z = p[3][0]
        for h in 0..<hidden {
            z += p[2][h] * max(0, p[1][h] + (0..<x.count).reduce(0) { $0 + p[0][h * x.count + $1] * x[$1] })
        }
        return 1 / (1 + exp(-z))
    }

    func testLossIsTheMeanCrossEntropyOverPairs() {
        let (discriminator, arena) = discriminator(columns: 5, hidden: 7), bank = set(9, columns: 5, classes: 3)
        var stream = RandomStream(seed: 3, "pairs")
        let pairs = InstancePairs.balanced(anchors: [0, 4, 8], labels: bank.labels, perSide: 4, random: &stream)
        func feature(_ i: Int) -> [Float] { Array(bank.features[i * 5..<i * 5 + 5]) }
        let expected = (0..<pairs.count).reduce(0.0) { sum, i in
            let p = naive(arena, feature(pairs.firsts[i]), feature(pairs.seconds[i]), hidden: 7)
            return sum - (pairs.targets[i] == 1 ? log(p) : log(1 - p))
        }
        let loss = discriminator.loss(pairs, bank: bank, tape: Tape(recording: false))
        XCTAssertEqual(loss, expected / Double(pairs.count), accuracy: 1e-6)
        XCTAssertEqual(discriminator.loss(pairs, bank: bank, normalizer: 3, tape: Tape(recording: false)), expected / 3, accuracy: 1e-5)
        XCTAssertEqual(discriminator.loss(InstancePairs(), bank: bank, tape: Tape()), 0)

        // Every gradient against finite differences of the loss.
        let tape = Tape()
        arena.beginGradients()
        _ = discriminator.loss(pairs, bank: bank, tape: tape)
        tape.backward()
        for parameter in arena.parameters {
            let analytic = parameter.tensor.gradientArray ?? []
            let numeric = (0..<parameter.count).map { i in
                let original = parameter.values[i], step: Float = 2e-3
                func shifted(_ by: Float) -> Double {
                    parameter.values[i] = original + by
                    defer { parameter.values[i] = original }
                    return discriminator.loss(pairs, bank: bank, tape: Tape(recording: false))
                }
                return Float((8 * (shifted(step) - shifted(-step)) - (shifted(2 * step) - shifted(-2 * step))) / (12 * Double(step)))
            }
            assertClose(parameter.name, analytic, numeric, absolute: 2e-4, relative: 1e-3)
        }
    }

    func testSimilarityIsTheMeanOverLabelledInstancesOfTheClass() {
        for (columns, hidden) in [(5, 7), (24, 128)] {
            let (discriminator, arena) = discriminator(columns: columns, hidden: hidden)
            let labelled = set(13, columns: columns, classes: 4), predicted = set(40, columns: columns, classes: 6)
            func feature(_ set: InstanceSet, _ i: Int) -> [Float] { Array(set.features[i * columns..<(i + 1) * columns]) }
            let expected = (0..<predicted.count).map { i -> Float in
                let same = labelled.labels.indices.filter { labelled.labels[$0] == predicted.labels[i] }
                guard !same.isEmpty else { return .nan }
                return Float(
                    same.reduce(0.0) { $0 + naive(arena, feature(predicted, i), feature(labelled, $1), hidden: hidden) } / Double(same.count))
            }
            XCTAssertTrue(expected.contains(where: \.isNaN))
            for threads in [1, 2] {
                ComputeContext.current.threads = threads
                defer { ComputeContext.current.threads = 1 }
                let found = discriminator.similarities(predicted, to: discriminator.projected(labelled))
                XCTAssertEqual(found.map(\.isNaN), expected.map(\.isNaN))
                assertClose("similarity", found.filter { !$0.isNaN }, expected.filter { !$0.isNaN }, absolute: 2e-6)
            }
        }
        let (discriminator, _) = discriminator(columns: 5, hidden: 7)
        let none = discriminator.projected(InstanceSet(columns: 5))
        XCTAssertEqual(discriminator.similarities(InstanceSet(columns: 5), to: none), [])
        XCTAssertTrue(discriminator.similarities(set(3, columns: 5, classes: 2), to: none).allSatisfy(\.isNaN))
    }

    func testManyPredictionsAreComparedInPieces() {
        let (discriminator, _) = discriminator(columns: 3, hidden: 16)
        let labelled = discriminator.projected(set(6, columns: 3, classes: 2)), predicted = set(9000, columns: 3, classes: 1)
        let found = discriminator.similarities(predicted, to: labelled)
        for i in [0, 4095, 4096, 8191, 8192, 8999] {
            let alone = InstanceSet(columns: 3, features: Array(predicted.features[3 * i..<3 * i + 3]), labels: [0])
            XCTAssertEqual(found[i], discriminator.similarities(alone, to: labelled)[0], accuracy: 1e-6)
        }
    }

    func testParametersOfThePaper() {
        let (_, arena) = discriminator(columns: 2048, hidden: 128)
        XCTAssertEqual(arena.learntCount, 2 * 2048 * 128 + 128 + 128 + 1)
        XCTAssertEqual(arena.parameters.map(\.isDecayed), [true, false, true, false])
    }
}
