import AdaptivePseudoLabels
import Autograd
import ContrastivePretraining
import HDF5
import NeuralNetworks
import TestSupport
import XCTest

/// Selection, discriminator and contrast against numbers computed in float64 from the paper's equations, element by element.
final class AdaptivePseudoLabelsGoldenTests: XCTestCase {
    private func forEachFile(_ body: (HDF5File) throws -> Void) throws {
        for path in try Fixtures.files(matching: "apl_losses", suffix: ".h5") {
            let file = try HDF5File.open(path)
            defer { file.close() }
            try body(file)
        }
    }

    func testGoldenSelection() throws {
        try forEachFile { file in
            let scores = try file.readFloats("selection/joint_scores")
            let instances = scores.map { PseudoInstance(video: 0, label: 0, start: 0, end: 1, jointScore: $0, classScore: $0) }
            let selection = PseudoLabelSelection(
                instances, classes: 1, settings: SelectionSettings(floor: try file.doubleAttribute(of: "selection", named: "floor")))
            XCTAssertEqual(selection.fates.map { $0 == .dropped ? 0 : 1 }, try file.readInts("selection/kept"))
            XCTAssertEqual(selection.fates.map { $0 == .positive ? 1 : 0 }, try file.readInts("selection/positive"))
            for (name, value) in [
                ("mean", selection.overall.mean), ("std", selection.overall.deviation), ("theta", selection.overall.threshold),
            ] { XCTAssertEqual(value, try file.doubleAttribute(of: "selection", named: name), accuracy: 1e-7, name) }
        }
    }

    func testGoldenDiscriminator() throws {
        try forEachFile { file in
            func floats(_ name: String) throws -> [Float] { try file.readFloats("icd/\(name)") }
            let sequenceShape = try file.shape(of: "icd/sequence"), columns = sequenceShape[1]
            let segments = try file.readInts("icd/segments_inclusive_rows"), sequence = try floats("sequence")
            XCTAssertEqual(try file.shape(of: "icd/instance_features"), [segments.count / 2, columns])
            var pooled: [Float] = []
            for i in 0..<segments.count / 2 {
                var feature = [Float](repeating: .nan, count: columns)
                InstanceFeatures.pool(sequence, columns: columns, rows: segments[2 * i]...segments[2 * i + 1], into: &feature)
                pooled += feature
            }
            assertClose("instance features", pooled, try floats("instance_features"), absolute: 0, relative: 0)

            let hidden = try file.shape(of: "icd/W1")[0], pairs = try file.shape(of: "icd/a")[0]
            let discriminator = InstanceDiscriminator(columns: columns, hidden: hidden), arena = ParameterArena(discriminator)
            let names = ["icd.0.weight": "W1", "icd.0.bias": "b1", "icd.2.weight": "W2", "icd.2.bias": "b2"]
            XCTAssertEqual(arena.parameters.map(\.name), ["icd.0.weight", "icd.0.bias", "icd.2.weight", "icd.2.bias"])
            for parameter in arena.parameters {
                let theirs = try XCTUnwrap(names[parameter.name])
                let shape = try file.shape(of: "icd/\(theirs)")
                XCTAssertEqual(parameter.publishedShape, shape.count == 2 ? shape + [1] : shape)
                for (i, value) in parameter.native(fromPublished: try floats(theirs)).enumerated() { parameter.values[i] = value }
            }
            // The pairs' members as one set: a first, then b.
            let bank = InstanceSet(
                columns: columns, features: try floats("a") + floats("b"), labels: [Int](repeating: 0, count: 2 * pairs))
            var list = InstancePairs()
            list.firsts = Array(0..<pairs)
            list.seconds = Array(pairs..<2 * pairs)
            list.targets = try floats("target")
            let x = Tensor(rows: 2 * pairs, columns: columns, bank.features)
            let logits = discriminator.logits(x, x, firsts: list.firsts, seconds: list.seconds, tape: Tape(recording: false))
            assertClose(
                "probability", logits.array.map { 1 / (1 + exp(-$0)) }, try floats("probability"), absolute: 1e-6, relative: 1e-6)

            let tape = Tape()
            arena.beginGradients()
            let loss = discriminator.loss(list, bank: bank, tape: tape)
            tape.backward()
            assertClose("loss", [Float(loss)], try floats("loss"), absolute: 1e-6, relative: 1e-6)
            for parameter in arena.parameters {
                let theirs = try XCTUnwrap(names[parameter.name])
                assertClose(
                    "gradient of \(theirs)", parameter.published(try XCTUnwrap(parameter.tensor.gradient)), try floats("grad/\(theirs)"),
                    absolute: 2e-7, relative: 2e-5)
            }
        }
    }

    func testGoldenInfoNCE() throws {
        try forEachFile { file in
            let shape = try file.shape(of: "infonce/embeddings"), labels = try file.readInts("infonce/labels")
            let anchors = InfoNCE.anchorsWithPositives(labels)
            XCTAssertEqual(anchors, try file.intAttribute(of: "infonce", named: "anchors_with_positives"))
            let result = InfoNCE(
                try file.readFloats("infonce/embeddings"), columns: shape[1], labels: labels, anchors: 0..<shape[0], anchorCount: anchors,
                temperature: Float(try file.doubleAttribute(of: "infonce", named: "temperature")))
            assertClose("loss", [Float(result.loss)], try file.readFloats("infonce/loss"), absolute: 1e-6, relative: 1e-6)
            XCTAssertEqual(try file.shape(of: "infonce/grad"), shape)
            let expected = try file.readFloats("infonce/grad")
            assertClose("gradient", result.gradient, expected, absolute: 2e-6 * (expected.map(abs).max() ?? 0), relative: 1e-5)
        }
    }
}
