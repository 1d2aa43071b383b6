import Autograd
import NeuralNetworks
import RandomStreams
import TestSupport
import WeakSupervision
import XCTest

/// Sampling, mining and contrast of the generator, over lengths 1, 2, odd and uneven.
final class GeneratorTests: XCTestCase {
    func testUniformSampling() {
        XCTAssertEqual(SegmentSampling.uniform(rows: 1, segments: 4), [0])
        XCTAssertEqual(SegmentSampling.uniform(rows: 4, segments: 4), [0, 1, 2, 3])
        XCTAssertEqual(SegmentSampling.uniform(rows: 7, segments: 3), [0, 2, 4])
        XCTAssertEqual(SegmentSampling.uniform(rows: 10, segments: 4), [0, 2, 5, 7])
    }

    func testPerturbedSampling() {
        for (rows, segments) in [(1, 1), (1, 5), (2, 1), (3, 7), (7, 7), (8, 7), (100, 7), (1000, 750)] {
            var random = RandomStream(seed: 1, "segments", rows)
            for _ in 0..<20 {
                let chosen = SegmentSampling.perturbed(rows: rows, segments: segments, random: &random)
                XCTAssertEqual(chosen.count, segments)
                for (i, row) in chosen.enumerated() {
                    let cell = i * rows / segments...min((i + 1) * rows / segments, rows - 1)
                    XCTAssertTrue(cell.contains(row), "\(row) at \(i) of \(rows), \(segments)")
                }
            }
        }
        var random = RandomStream(seed: 1, "segments")
        let first = SegmentSampling.perturbed(rows: 100, segments: 7, random: &random)
        XCTAssertNotEqual(first, SegmentSampling.perturbed(rows: 100, segments: 7, random: &random), "each draw is new")
        XCTAssertEqual(SegmentSampling.perturbed(rows: 7, segments: 7, random: &random), Array(0..<7))
    }

    func testTakingRows() {
        let x = PackedSequence(Tensor(rows: 5, columns: 2, (0..<10).map(Float.init)), offsets: [0, 2, 5])
        let y = SegmentSampling.take(x, rows: [[1, 1, 0], [2]])
        XCTAssertEqual(y.offsets, [0, 3, 4])
        XCTAssertEqual(y.tensor.array, [2, 3, 2, 3, 0, 1, 8, 9])
    }

    func testMedianErosionAndDilation() {
        XCTAssertEqual(SnippetMining.aboveMedian([3]), [false])
        XCTAssertEqual(SnippetMining.aboveMedian([1, 2]), [false, true])
        XCTAssertEqual(SnippetMining.aboveMedian([5, 1, 3]), [true, false, false])
        func mask(_ text: String) -> [Bool] { text.map { $0 == "1" } }
        // As scipy.ndimage has them, structures of ones: an even width reaches back farther in erosion, ahead in dilation.
        XCTAssertEqual(SnippetMining.eroded(mask("0111111101"), width: 3), mask("0011111000"))
        XCTAssertEqual(SnippetMining.eroded(mask("0111111101"), width: 6), mask("0000110000"))
        XCTAssertEqual(SnippetMining.dilated(mask("0000100000"), width: 3), mask("0001110000"))
        XCTAssertEqual(SnippetMining.dilated(mask("0000100000"), width: 6), mask("0111111000"))
        XCTAssertEqual(SnippetMining.eroded(mask("1"), width: 1), mask("1"))
        XCTAssertEqual(SnippetMining.dilated(mask("01"), width: 2), mask("11"))
        XCTAssertEqual(SnippetMining.eroded([], width: 3), [])
    }

    func testMining() {
        let mining = SnippetMining(easyRatio: 5, hardRatio: 20)
        for count in [1, 2, 19, 79, 100] {
            var random = RandomStream(seed: 5, "actionness", count)
            let actionness = (0..<count).map { _ in random.uniform() }
            let mined = mining.mine(actionness)
            XCTAssertEqual(mined.easyActions.count, max(1, count / 5))
            XCTAssertEqual(mined.easyBackgrounds.count, max(1, count / 5))
            XCTAssertEqual(mined.hardActions.count, max(1, count / 20))
            XCTAssertEqual(mined.hardBackgrounds.count, max(1, count / 20))
            let sorted = actionness.indices.sorted { actionness[$0] > actionness[$1] }
            XCTAssertEqual(mined.easyActions, Array(sorted.prefix(max(1, count / 5))))
            XCTAssertEqual(mined.easyBackgrounds, Array(sorted.reversed().prefix(max(1, count / 5))))
            // Dropping: the same stream gives the same snippets, and leaves most segments out of the easy ones.
            let dropped = mining.mine(actionness, dropping: (0.6, RandomStream(seed: 2, "drop")))
            XCTAssertEqual(dropped, mining.mine(actionness, dropping: (0.6, RandomStream(seed: 2, "drop"))))
            XCTAssertEqual(dropped.hardActions, mined.hardActions)
            if count == 100 { XCTAssertNotEqual(dropped.easyActions, mined.easyActions) }
        }
    }

    func testPairsOfEqualClassSets() {
        let pairs = SnippetContrast.pairs([[0], [1, 2], [0], [], [1, 2], [0], [], [1]])
        XCTAssertEqual(pairs.map { [$0.first, $0.second] }, [[0, 2], [1, 4], [0, 5], [2, 5]])
        XCTAssertTrue(SnippetContrast.pairs([]).isEmpty)
    }

    /// With all recordings drawn, the comparisons are the pairs in both directions; with fewer, those with the drawn ones of all classes.
    func testDrawnRecordings() {
        let sets = [[0], [1, 2], [0], [], [1, 2], [0], [], [1], [0]]
        for most in [nil, 6, 100] {
            var stream = RandomStream(seed: 1, "draw")
            let draw = CrossVideoDraw(sets, most: most, random: &stream)
            XCTAssertEqual(draw.drawn, [0, 1, 2, 4, 5, 8])
            let pairs = SnippetContrast.pairs(sets).flatMap { [[$0.first, $0.second], [$0.second, $0.first]] }
            let found = draw.comparisons(of: 0..<9).map { [$0.hard, $0.easy] }
            XCTAssertEqual(Set(found), Set(pairs))
            XCTAssertEqual(found.count, pairs.count)
            XCTAssertEqual(draw.count, pairs.count)
        }
        var seen: Set<[Int]> = []
        for number in 0..<100 {
            var stream = RandomStream(seed: 1, "draw", number), again = stream
            let draw = CrossVideoDraw(sets, most: 3, random: &stream)
            // In the order of their classes 0, 2, 5, 8 and 1, 4: one of each pair of neighbours.
            XCTAssertEqual(draw.drawn.count, 3)
            XCTAssertTrue(draw.drawn == draw.drawn.sorted())
            XCTAssertEqual(draw.drawn.filter { $0 == 1 || $0 == 4 }.count, 1)
            XCTAssertEqual(draw.drawn.filter { $0 == 0 || $0 == 2 }.count, 1)
            seen.insert(draw.drawn)
            let parts = [0..<2, 2..<5, 5..<9].flatMap { draw.comparisons(of: $0) }
            XCTAssertEqual(parts.map { [$0.hard, $0.easy] }, draw.comparisons(of: 0..<9).map { [$0.hard, $0.easy] })
            XCTAssertEqual(draw.count, 3 + 3 + 1)
            XCTAssertEqual(parts.count, draw.count)
            XCTAssertTrue(parts.allSatisfy { $0.hard != $0.easy && sets[$0.hard] == sets[$0.easy] && draw.drawn.contains($0.easy) })
            XCTAssertEqual(CrossVideoDraw(sets, most: 3, random: &again).drawn, draw.drawn)
        }
        XCTAssertEqual(seen.count, 8, "every combination is possible")
        var stream = RandomStream(seed: 1, "draw")
        for sets in [[], [[]], [[0], [1]]] as [[[Int]]] {
            let none = CrossVideoDraw(sets, most: 2, random: &stream)
            XCTAssertEqual(none.drawn, [])
            XCTAssertEqual(none.count, 0)
        }
    }

    /// Loss and gradient over the rows of two videos against finite differences.
    func testContrastGradient() {
        let places = [SnippetContrast.Place(first: 0, easy: 1), SnippetContrast.Place(first: 6, easy: 3)], columns = 4
        var random = RandomStream(seed: 3, "rows")
        let x = (0..<(6 + 10) * columns).map { _ in random.normal() }
        var settings = WeakSupervisionConfiguration()
        (settings.contrastWeight, settings.crossVideoWeight, settings.temperature) = (2, 0.5, 0.5)
        let loss = GeneratorLoss(settings, videos: 2)
        func across(_ x: [Float], _ anchors: Range<Int>) -> (loss: Double, gradient: [Float]) {
            loss.across(x, columns: columns, places: places, pairs: [(0, 1)], anchors: anchors)
        }
        let whole = across(x, 0..<2)
        XCTAssertEqual(whole.loss, across(x, 0..<1).loss + across(x, 1..<2).loss, accuracy: 1e-6)
        for i in x.indices {
            func shifted(_ by: Float) -> Double {
                var moved = x
                moved[i] += by
                return across(moved, 0..<2).loss
            }
            // The gradient is of the weighted loss: 2 * 0.5.
            XCTAssertEqual(Double(whole.gradient[i]), (shifted(1e-2) - shifted(-1e-2)) / 2e-2, accuracy: 2e-3, "\(i)")
        }
    }

    /// The whole network's loss against finite differences of its weights.
    func testGradientOfTheWholeLoss() {
        let generator = ProposalGenerator(inputDimension: 3, embeddingDimension: 5, classes: 3), arena = ParameterArena(generator)
        generator.initializeParameters(seed: 4)
        var random = RandomStream(seed: 6, "features")
        let lengths = [7, 12, 1], offsets = [0, 7, 19, 20]
        let x = PackedSequence(
            Tensor(rows: 20, columns: 3, (0..<60).map { _ in random.normal() }), offsets: offsets)
        var settings = WeakSupervisionConfiguration()
        (settings.contrastWeight, settings.temperature) = (0.3, 0.5)
        let loss = GeneratorLoss(settings, videos: lengths.count), sets = [[0], [1, 2], [0]]
        func total(_ tape: Tape) -> (loss: Double, snippets: [MinedSnippets]) {
            let outputs = generator(x, ForwardPass(tape: tape, isTraining: false, random: random))
            let part = loss.seed(outputs, classSets: sets, tape: tape, random: nil)
            return (part.classification + settings.contrastWeight * part.within, part.snippets)
        }
        let tape = Tape()
        arena.beginGradients()
        let snippets = total(tape).snippets
        tape.backward()
        arena.finishGradients()
        let largest = arena.parameters.flatMap { $0.tensor.gradientArray ?? [] }.map(abs).max() ?? 0
        XCTAssertGreaterThan(largest, 0.01)
        var compared = 0, count = 0
        for parameter in arena.parameters {
            for i in 0..<parameter.count {
                let original = parameter.values[i], step: Float = 1e-3
                func at(_ by: Float) -> (loss: Double, snippets: [MinedSnippets]) {
                    parameter.values[i] = original + by
                    defer { parameter.values[i] = original }
                    return total(Tape())
                }
                let ahead = at(step), behind = at(-step)
                count += 1
                // Where a step changes which snippets are mined, differences mean nothing.
                guard ahead.snippets == snippets, behind.snippets == snippets else { continue }
                compared += 1
                let numeric = (ahead.loss - behind.loss) / Double(2 * step)
                XCTAssertEqual(numeric, Double(parameter.tensor.gradient?[i] ?? .nan), accuracy: 0.03 * Double(largest), "\(parameter.name) \(i)")
            }
        }
        XCTAssertGreaterThan(compared, count * 3 / 4)
    }
}
