import Autograd
import Detectors
import Foundation
import GraphDetectors
import NeuralNetworks
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// What of P-GCN is contrasted.
final class PGCNContrastTests: SmallPGCNTestCase {
    private func row(_ values: [Float], _ place: Int, _ columns: Int) -> [Double] { (0..<columns).map { Double(values[place * columns + $0]) } }

    /// `ReLU(A X W1 + b1)` at the roots, in float64.
    func testHiddenRoots() throws {
        let model = try model(), columns = 5, hidden = 6, nodes = 21
        var random = RandomStream(seed: 2, "hidden")
        let x = (0..<7 * columns).map { _ in random.normal() }, trees = (0..<2 * nodes).map { ($0 * 5 + $0 / nodes) % 7 }
        var features = ProposalFeatures(proposals: 7, columns: columns)
        features.activity = Tensor(rows: 7, columns: columns, x)
        let found = model.network.hiddenRoots(features, trees: trees, .inference())
        let parameters = Dictionary(uniqueKeysWithValues: model.namedParameters.map { ($0.name, $0.parameter) })
        let weight = try XCTUnwrap(parameters["Act_GCN.gc1.weight"]).tensor.array, bias = try XCTUnwrap(parameters["Act_GCN.gc1.bias"]).tensor.array
        var expected: [Float] = []
        for tree in 0..<2 {
            let own = Array(trees[tree * nodes..<(tree + 1) * nodes]), root = row(x, own[0], columns)
            var sum = [Double](repeating: 0, count: columns)
            for place in 0...4 {
                let other = row(x, own[place], columns)
                func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
                let cosine = max(0, dot(root, other) / (dot(root, root) * dot(other, other)).squareRoot())
                for c in 0..<columns { sum[c] += cosine * (place == 0 ? 1 : 0.25) * other[c] }
            }
            for h in 0..<hidden {
                expected.append(Float(max(0, (0..<columns).reduce(Double(bias[h])) { $0 + sum[$1] * Double(weight[$1 * hidden + h]) })))
            }
        }
        XCTAssertTrue(expected.contains { $0 > 0 })
        assertClose("hidden rows", found.array, expected, absolute: 1e-6, relative: 1e-5)
        XCTAssertEqual(model.contrastedColumns, hidden)
    }

    /// Without labels: so many proposals of every recording, each once, with their own features.
    func testDrawnProposals() throws {
        let model = try model(), batch = batch(["a", "c", "b"], action: nil), rows = model.contrasted(batch, most: 3, pass())
        XCTAssertEqual(rows.embedding.offsets, [0, 3, 3, 5])
        XCTAssertEqual([rows.embedding.columns, rows.embedding.rows], [6, 5])
        XCTAssertEqual(rows.classes, [])
        // Rows of 1 s every half: a proposal takes the largest values of its rows.
        func pooled(_ recording: Int, _ start: Double, _ end: Double) -> [Float] {
            let first = Int((start / 0.5).rounded(.down)), last = min(max(Int(((end - 1) / 0.5).rounded(.up)), 0), 38)
            return (0..<5).map { c in
                (first..<max(first, last) + 1).map { batch.features.tensor.values[(39 * recording + $0) * 5 + c] }.max()!
            }
        }
        let proposals = [(5.2, 10.0), (4.8, 9.6), (5, 6), (9, 12), (5.5, 10.5), (14, 19), (0, 3), (12, 20)].map { pooled(0, $0.0, $0.1) }
        let others = [(5, 10.2), (5.5, 10.0)].map { pooled(2, $0.0, $0.1) }
        let found = (0..<5).map { Array(rows.inputs[5 * $0..<5 * $0 + 5]) }
        XCTAssertEqual(Set(found.prefix(3)).count, 3)
        for input in found.prefix(3) { XCTAssertTrue(proposals.contains(input)) }
        XCTAssertEqual(Set(found.suffix(2)), Set(others))
        // All that there are; other random numbers draw others; the same ones the same.
        XCTAssertEqual(model.contrasted(batch, most: 100, pass()).embedding.offsets, [0, 8, 8, 10])
        XCTAssertEqual(model.contrasted(batch, most: 3, pass()).inputs, rows.inputs)
        let other = pass()
        other.random = RandomStream(seed: 8, "step")
        XCTAssertNotEqual(model.contrasted(batch, most: 3, other).inputs, rows.inputs)
        let none = model.contrasted(self.batch(["c"]), most: 3, pass())
        XCTAssertEqual(none.embedding.offsets, [0, 0])
        XCTAssertEqual(none.inputs, [])
    }

    /// The step's roots have their classes; unsure labels and incomplete proposals have none.
    func testClassesOfTheRootsOfAStep() throws {
        let model = try model()
        var batch = batch(["a", "b", "c"])
        batch.weights = LabelWeights(instances: [[1], [0.5], [1]])
        batch.instances[2] = []
        let pass = pass(), outputs = model(batch, pass), rows = model.contrasted(outputs, pass)
        XCTAssertEqual(rows.embedding.offsets, [0, 8, 16, 16])
        XCTAssertEqual(rows.classes[0], [.action(1)] + [ContrastedRows.RowClass](repeating: .unknown, count: 6) + [.background])
        XCTAssertEqual(rows.classes[1], [ContrastedRows.RowClass](repeating: .unknown, count: 8))
        XCTAssertEqual(rows.classes[2], [])
        let hidden = try XCTUnwrap(outputs.network?.hidden)
        XCTAssertEqual(hidden.rows, 16 * 5)
        for root in 0..<16 {
            XCTAssertEqual(Array(rows.embedding.tensor.array[6 * root..<6 * root + 6]), Array(hidden.array[30 * root..<30 * root + 6]))
        }
        let nothing = model(self.batch(["a"], action: nil), self.pass())
        XCTAssertEqual(model.contrasted(nothing, self.pass()).embedding.offsets, [0, 0])
        XCTAssertEqual(model.contrasted(nothing, self.pass()).classes, [[]])
    }

    /// What is seeded at the rows reaches the first convolution, beside what the losses send there.
    func testGradientsOfTheContrast() throws {
        let model = try model { ($0.graphDropout, $0.headDropout) = (0, 0) }
        try model.prepare(labeled: [])
        let arena = ParameterArena(model), batch = batch(["a", "b"])
        func loss(_ tape: Tape, seeds: Bool) -> Double {
            let own = pass(tape), outputs = model(batch, own), targets = model.assignTargets(batch, outputs: outputs)
            let rows = model.contrasted(outputs, own).embedding.tensor
            let total = model.seedLosses(outputs, targets: targets, normalizers: [10, 14, 2, 9], tape: tape)["total"] ?? 0
            var sum = 0.0
            for i in 0..<rows.count { sum += Double(rows.values[i]) * sin(Double(i)) }
            if seeds {
                let (gradient, _) = rows.gradientToWrite()
                for i in 0..<rows.count { gradient[i] = Float(sin(Double(i))) }
            }
            return total + sum
        }
        arena.beginGradients()
        let tape = Tape()
        _ = loss(tape, seeds: true)
        tape.backward()
        arena.finishGradients()
        let gradients = (0..<arena.count).map { arena.gradients[$0] }
        var largest = 0.0
        for parameter in arena.parameters where model.contrastedParameters.contains(where: { parameter.name.hasPrefix($0) }) {
            for i in 0..<parameter.count {
                let value = parameter.values[i], step: Float = 1e-3
                parameter.values[i] = value + step
                let up = loss(Tape(), seeds: false)
                parameter.values[i] = value - step
                let down = loss(Tape(), seeds: false)
                parameter.values[i] = value
                let numeric = (up - down) / (2 * Double(step))
                largest = max(largest, abs(numeric))
                XCTAssertEqual(
                    Double(gradients[parameter.arenaOffset + i]), numeric, accuracy: 5e-3 + 3e-2 * abs(numeric), "\(parameter.name)[\(i)]")
            }
        }
        XCTAssertGreaterThan(largest, 0.5)
    }

    /// A rehearsal counts at least what a step of pre-training takes.
    func testRehearsedMemoryOfPretraining() throws {
        let model = try model { $0.proposalsPerRecording = 8 }, batch = batch(["a", "b"])
        let rehearsed = Rehearsal.peakBytes {
            let tape = Tape(), features = PackedSequence(Tensor(rows: 78, columns: 5, requiresGradient: false), offsets: [0, 39, 78])
            withExtendedLifetime(features.tensor) {
                let pass = ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 1, "forward"))
                _ = model.rehearseContrasted(features, most: 3, pass).gradientToWrite()
                tape.backward()
            }
        }
        let arena = ParameterArena(model), pool = BufferPool.shared, before = pool.usedBytes - 4 * batch.features.tensor.count
        pool.resetPeak()
        arena.beginGradients()
        let tape = Tape(), rows = model.contrasted(batch, most: 3, pass(tape))
        _ = rows.embedding.tensor.gradientToWrite()
        tape.backward()
        let measured = pool.peakBytes - before
        XCTAssertLessThanOrEqual(measured, rehearsed + 4096)
        XCTAssertGreaterThan(4 * measured, rehearsed)
    }
}
