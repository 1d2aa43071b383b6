import Autograd
import GraphDetectors
import HDF5
import NeuralNetworks
import RandomStreams
import TestSupport
import XCTest

/// P-GCN against the published implementation, element by element.
final class PGCNGoldenTests: XCTestCase {
    /// Distances, and the candidates in their order.
    func testGoldenGraph() throws {
        try PGCNFixture.forEach { fixture in
            let file = fixture.file, proposals = try fixture.proposals(), name = fixture.name
            let overlaps = proposals.flatMap { a in proposals.map { a.inclusiveTIoU($0) } }
            let distances = proposals.flatMap { a in proposals.map { a.distance($0) } }
            for (ours, path) in [(overlaps, "graph/tiou"), (distances, "graph/distance")] {
                let expected = try file.readDoubles(path)
                XCTAssertEqual(ours.count, expected.count, path)
                for (a, b) in zip(ours, expected) { XCTAssertEqual(a, b, accuracy: 1e-12, "\(name) \(path)") }
            }
            var graph = ProposalGraph(proposals, rules: fixture.settings.graph)
            XCTAssertEqual(proposals.indices.flatMap { graph.context(of: $0) }, try file.readInts("graph/context_candidates"), name)
            XCTAssertEqual(proposals.indices.flatMap { graph.surrounding(of: $0) }, try file.readInts("graph/surround_candidates"), name)
            // The file's trees could have been drawn here.
            let nodes = try file.readInts("test/nodes"), children = fixture.settings.graph.children, each = nodes.count / proposals.count
            for (i, root) in proposals.indices.enumerated() {
                let tree = Array(nodes[i * each..<(i + 1) * each])
                XCTAssertEqual(tree[0], root, name)
                for j in 0...children {
                    let own = tree[(1 + j * children)..<(1 + (j + 1) * children)]
                    XCTAssertTrue(Set(own).isSubset(of: Set(graph.candidates(of: tree[j]))), "\(name) node \(j) of tree \(i)")
                }
            }
        }
    }

    func testGoldenParameterNamesAndShapes() throws {
        try PGCNFixture.forEach { fixture in
            let (_, arena) = try fixture.detector(), learnt = arena.parameters.filter(\.isLearnt)
            XCTAssertEqual(Set(learnt.map(\.name)), Set(try fixture.file.children(of: "params")), fixture.name)
            for parameter in learnt {
                let path = "params/\(parameter.name)"
                XCTAssertEqual(parameter.publishedShape, try fixture.file.shape(of: path), "\(fixture.name) \(path)")
                XCTAssertEqual(parameter.published(parameter.tensor.values), try fixture.file.readFloats(path), "\(fixture.name) \(path)")
            }
            XCTAssertEqual(arena.parameters.filter { !$0.isLearnt }.map(\.name), ["offset_statistics"])
        }
    }

    /// Outputs of the mini-batch's roots, losses, and every gradient.
    func testGoldenOutputsLossesAndGradients() throws {
        try PGCNFixture.forEach { fixture in
            let file = fixture.file, (model, arena) = try fixture.detector(), samples = try fixture.samples(), classes = fixture.settings.classes
            let tape = Tape(), pass = ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 0, "golden"))
            arena.beginGradients()
            let said = model.network(try fixture.features(), trees: try file.readInts("batch/nodes"), pass)
            func rows(_ x: Tensor, _ isTaken: (PGCNSample) -> Bool) -> [Float] {
                samples.indices.filter { isTaken(samples[$0]) }.flatMap { Array(x.array[$0 * x.columns..<($0 + 1) * x.columns]) }
            }
            func compare(_ path: String, _ ours: [Float]) throws {
                assertClose("\(fixture.name) \(path)", ours, try file.readFloats(path), absolute: 2e-6, relative: 5e-6)
            }
            try compare("outputs/act_logits", rows(said.activity) { $0.kind != .incomplete })
            try compare("outputs/comp_scores", rows(said.completeness) { $0.place != .none })
            try compare("outputs/reg_pred", rows(said.offsets) { $0.kind == .foreground })
            XCTAssertEqual(samples.filter { $0.kind != .incomplete }.map { $0.label + 1 }, try file.readInts("outputs/act_target"), fixture.name)
            XCTAssertEqual(samples.filter { $0.place != .none }.map { $0.label + 1 }, try file.readInts("outputs/comp_target"), fixture.name)

            let outputs = PGCN.Outputs(samples: samples, network: said)
            var targets = PGCNTargets(samples, settings: fixture.settings), random = RandomStream(seed: 0, "unused")
            let counts = targets.counts
            XCTAssertEqual(targets.settle(counts, random: &random), [])
            XCTAssertEqual(said.offsets.columns, 2 * classes)
            let losses = model.seedLosses(outputs, targets: targets, normalizers: counts.map { Float($0) }, tape: tape)
            for name in ["activity", "completeness", "regression", "total"] {
                assertClose(
                    "\(fixture.name) \(name)", [Float(try XCTUnwrap(losses[name]))], try file.readFloats("losses/\(name)"), absolute: 1e-6,
                    relative: 5e-6)
            }
            tape.backward()
            arena.finishGradients()
            for parameter in arena.parameters where parameter.isLearnt {
                let expected = try file.readFloats("grads/\(parameter.name)"), largest = expected.map(abs).max() ?? 0
                XCTAssertGreaterThan(largest, 0, parameter.name)
                assertClose(
                    "\(fixture.name) gradient of \(parameter.name)", parameter.published(try XCTUnwrap(parameter.tensor.gradient)), expected,
                    absolute: 1e-6 + 5e-6 * largest, relative: 2e-5)
            }
        }
    }

    /// Every proposal with the file's trees; then, out of what the file says of them, the detections in their order.
    func testGoldenInference() throws {
        try PGCNFixture.forEach { fixture in
            let file = fixture.file, (model, arena) = try fixture.detector(), proposals = try fixture.proposals()
            let said = try withExtendedLifetime(arena) {
                model.network(try fixture.features(), trees: try file.readInts("test/nodes"), .inference())
            }
            for (tensor, path) in [(said.activity, "act_logits"), (said.completeness, "comp_scores")] {
                assertClose("\(fixture.name) \(path)", tensor.array, try file.readFloats("test/\(path)"), absolute: 2e-6, relative: 5e-6)
            }
            // The file's are not standardised any more, or still are: its detections say which.
            let raw = try file.readFloats("test/reg_raw"), restored = model.destandardised(said.offsets.array)
            let isRaw = zip(said.offsets.array, raw).allSatisfy { abs($0 - $1) < 1e-4 * (1 + abs($1)) }
            assertClose("\(fixture.name) reg_raw", isRaw ? said.offsets.array : restored, raw, absolute: 2e-6, relative: 5e-6)

            let scores = PGCNDecoding.Scores(
                activity: try file.readFloats("test/act_logits"), completeness: try file.readFloats("test/comp_scores"),
                offsets: isRaw ? model.destandardised(raw) : raw)
            let found = PGCNDecoding(settings: fixture.settings).detections(proposals, scores, frames: fixture.frames)
            XCTAssertEqual(found.map(\.score), found.map(\.score).sorted(by: >), fixture.name)
            let ours = found.enumerated().sorted { ($0.element.label, $0.offset) < ($1.element.label, $1.offset) }.map(\.element)
            let expected = try file.readDoubles("test/detections_class_score_start_end")
            XCTAssertEqual(ours.map(\.label), stride(from: 0, to: expected.count, by: 4).map { Int(expected[$0]) }, fixture.name)
            assertClose(
                "\(fixture.name) detections",
                ours.flatMap {
                    [Float($0.label), Float($0.score), Float($0.segment.start / fixture.frames), Float($0.segment.end / fixture.frames)]
                },
                expected.map { Float($0) }, absolute: 1e-6, relative: 5e-6)
        }
    }
}
