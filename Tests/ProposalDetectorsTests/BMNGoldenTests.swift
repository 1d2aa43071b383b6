import Autograd
import Detectors
import HDF5
import Kernels
import NeuralNetworks
import PostProcessing
import ProposalDetectors
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// BMN against the published implementation, element by element.
final class BMNGoldenTests: XCTestCase {
    func testGoldenMask() throws {
        try BMNFixture.forEach { fixture in
            let settings = fixture.settings, valid = settings.map.valid
            let mask = BoundaryMatchingMask(
                settings.map, samples: settings.samples, pointsPerSample: settings.pointsPerSample, expansion: settings.sampleMargin)
            XCTAssertEqual(try fixture.file.shape(of: "sample_mask"), [settings.temporalScale, settings.samples, valid.rows, valid.columns])
            assertClose("\(fixture.name) mask", mask.dense, try fixture.file.readFloats("sample_mask"), absolute: 1e-6)
            let cells = (0..<valid.rows).flatMap { row in (0..<valid.columns).map { valid.place(row: row, column: $0) == nil ? Float(0) : 1 } }
            XCTAssertEqual(cells, try fixture.file.readFloats("valid_mask"), fixture.name)
        }
    }

    func testGoldenParameterNamesAndShapes() throws {
        try BMNFixture.forEach { fixture in
            let (_, arena) = try fixture.loaded(BMN(fixture.settings))
            XCTAssertEqual(Set(arena.parameters.map(\.name)), Set(try fixture.file.children(of: "params")), fixture.name)
            for parameter in arena.parameters {
                let path = "params/\(parameter.name)"
                XCTAssertEqual(parameter.publishedShape, try fixture.file.shape(of: path), "\(fixture.name) \(path)")
                XCTAssertEqual(parameter.published(parameter.tensor.values), try fixture.file.readFloats(path), "\(fixture.name) \(path)")
            }
        }
    }

    /// Every cell, those that stand for no proposal too; and the valid ones computed alone.
    func testGoldenOutputs() throws {
        try BMNFixture.forEach { fixture in
            let file = fixture.file, scale = fixture.settings.temporalScale
            let whole = try fixture.loaded(BMNNetwork(fixture.settings, wholeMaps: true)), alone = try fixture.loaded(BMNNetwork(fixture.settings))
            let (outputs, valid) = try withExtendedLifetime((whole.arena, alone.arena)) {
                (whole.model(try fixture.inputs(), .inference()), alone.model(try fixture.inputs(), .inference()))
            }
            assertClose("\(fixture.name) start", outputs.start.array, try file.readFloats("outputs/start"), absolute: 1e-6, relative: 2e-6)
            assertClose("\(fixture.name) end", outputs.end.array, try file.readFloats("outputs/end"), absolute: 1e-6, relative: 2e-6)
            XCTAssertEqual(try file.shape(of: "outputs/confidence"), [fixture.batch, 2, scale, scale], fixture.name)
            let maps = try file.readFloats("outputs/confidence"), size = 2 * scale * scale
            var expected: [Float] = [], expectedValid: [Float] = []
            for b in 0..<fixture.batch {
                let map = Array(maps[b * size..<(b + 1) * size])
                expected += transposed(map, rows: 2)
                let channels = [fixture.valid(Array(map[..<(size / 2)])), fixture.valid(Array(map[(size / 2)...]))]
                for cell in channels[0].indices { expectedValid += [channels[0][cell], channels[1][cell]] }
            }
            assertClose("\(fixture.name) confidence", outputs.map.array, expected, absolute: 1e-6, relative: 5e-6)
            assertClose("\(fixture.name) confidence of valid cells", valid.map.array, expectedValid, absolute: 1e-6, relative: 5e-6)
        }
    }

    func testGoldenTargets() throws {
        try BMNFixture.forEach { fixture in
            let targets = try fixture.targets(), file = fixture.file
            assertClose("\(fixture.name) start", targets.start, try file.readFloats("targets/start"), absolute: 2e-6)
            assertClose("\(fixture.name) end", targets.end, try file.readFloats("targets/end"), absolute: 2e-6)
            assertClose("\(fixture.name) overlap", targets.overlap, fixture.valid(try file.readFloats("targets/confidence")), absolute: 2e-6)
        }
    }

    /// Targets with the fixture's draws, losses, every gradient, and the step of Adam with L2 decay.
    func testGoldenLossesGradientsAndStep() throws {
        try BMNFixture.forEach { fixture in
            let file = fixture.file, (model, arena) = try fixture.loaded(BMN(fixture.settings))
            var targets = try fixture.targets(), counts = targets.counts
            counts += targets.settle(
                counts, medium: fixture.valid(try file.readFloats("sampling/uniform_medium")),
                low: fixture.valid(try file.readFloats("sampling/uniform_low")))
            XCTAssertGreaterThan(counts[BMNTargets.Count.taken.rawValue], counts[BMNTargets.Count.high.rawValue])
            let tape = Tape(), pass = ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 0, "golden"))
            arena.beginGradients()
            let scale = fixture.settings.temporalScale
            let outputs = model(PackedSequence(try fixture.inputs(), offsets: (0...fixture.batch).map { $0 * scale }), pass)
            let losses = model.seedLosses(outputs, targets: targets, normalizers: counts.map { Float($0) }, tape: tape)
            for (ours, theirs) in [("boundaries", "tem"), ("regression", "pem_reg"), ("classification", "pem_cls"), ("total", "total")] {
                assertClose(
                    "\(fixture.name) \(theirs)", [Float(try XCTUnwrap(losses[ours]))], try file.readFloats("losses/\(theirs)"), absolute: 1e-6,
                    relative: 1e-5)
            }
            tape.backward()
            arena.finishGradients()
            XCTAssertEqual(Set(arena.parameters.map(\.name)), Set(try file.children(of: "grads")), fixture.name)
            for parameter in arena.parameters {
                let expected = try file.readFloats("grads/\(parameter.name)"), largest = expected.map(abs).max() ?? 0
                assertClose(
                    "\(fixture.name) gradient of \(parameter.name)", parameter.published(try XCTUnwrap(parameter.tensor.gradient)), expected,
                    absolute: 2e-6 + 1e-5 * largest, relative: 2e-5)
            }
            try checkStep(fixture, arena)
        }
    }

    private func checkStep(_ fixture: BMNFixture, _ arena: ParameterArena) throws {
        let file = fixture.file, rate = try file.doubleAttribute(of: "/", named: "learning_rate")
        AdamW(arena, weightDecay: try file.doubleAttribute(of: "/", named: "weight_decay"), decay: .gradient).update(learningRate: rate)
        for parameter in arena.parameters {
            let stepped = parameter.published(parameter.tensor.values), expected = try file.readFloats("params_after_adam_step/\(parameter.name)")
            let gradients = try file.readFloats("grads/\(parameter.name)")
            for i in expected.indices {
                // The first step of Adam is the sign of the gradient, which is rounding where the gradient is.
                let tolerance = abs(gradients[i]) > 1e-5 ? 1e-5 : 2.1 * Float(rate)
                XCTAssertEqual(stepped[i], expected[i], accuracy: tolerance, "\(fixture.name) \(parameter.name)[\(i)]")
            }
        }
    }

    /// The fixture's probabilities, so that no order depends on rounding.
    private func probabilities(_ fixture: BMNFixture) throws -> (start: [Float], end: [Float], map: [Float]) {
        let video = try fixture.file.intAttribute(of: "/", named: "decode_video"), scale = fixture.settings.temporalScale
        func rows(_ name: String) throws -> [Float] { Array(try fixture.file.readFloats("outputs/\(name)")[video * scale..<(video + 1) * scale]) }
        let maps = try fixture.file.readFloats("outputs/confidence"), size = scale * scale
        let channels = [0, 1].map { fixture.valid(Array(maps[(2 * video + $0) * size..<(2 * video + $0 + 1) * size])) }
        return (try rows("start"), try rows("end"), channels[0].indices.flatMap { [channels[0][$0], channels[1][$0]] })
    }

    func testGoldenProposals() throws {
        try BMNFixture.forEach { fixture in
            let file = fixture.file, scale = Float(fixture.settings.temporalScale), (start, end, map) = try probabilities(fixture)
            let decoding = BMNDecoding(settings: fixture.settings), proposals = decoding.proposals(start: start, end: end, map: map)
            assertClose(
                "\(fixture.name) proposals",
                proposals.flatMap {
                    [
                        Float($0.start) / scale, Float($0.end) / scale, $0.startScore, $0.endScore, $0.classification, $0.regression, Float($0.score),
                    ]
                }, try file.readDoubles("proposals/before_nms").map(Float.init), absolute: 1e-7, relative: 2e-6)
            var all = fixture.settings
            all.options.detection.maxSegNum = 0
            let candidates = proposals.map {
                Candidate(segment: GridSegment(start: Float($0.start), end: Float($0.end)), score: Float($0.score), label: 0)
            }
            let kept = BMNDecoding(settings: all).suppressed(candidates, extent: scale)
            assertClose(
                "\(fixture.name) soft NMS", kept.flatMap { [$0.segment.start / scale, $0.segment.end / scale, $0.score] },
                try file.readDoubles("proposals/soft_nms").map(Float.init), absolute: 1e-7, relative: 5e-6)
            XCTAssertEqual(BMNDecoding.boundaryBins(start, isStart: true).map { $0 ? 1 : 0 }, try file.readInts("boundary_bins/start"), fixture.name)
            XCTAssertEqual(BMNDecoding.boundaryBins(end, isStart: false).map { $0 ? 1 : 0 }, try file.readInts("boundary_bins/end"), fixture.name)
        }
    }

    /// The detector as a whole, in seconds: the rows of the grid follow one another over the seconds of the feature frames.
    func testGoldenDetections() throws {
        try BMNFixture.forEach { fixture in
            let file = fixture.file, video = try file.intAttribute(of: "/", named: "decode_video"), scale = fixture.settings.temporalScale
            let frames = try file.intAttribute(of: "videos/\(video)", named: "duration_frame")
            let seconds =
                Double(frames / 16 * 16) / Double(frames) * (try file.doubleAttribute(of: "videos/\(video)", named: "duration_second"))
            let (model, arena) = try fixture.loaded(BMN(fixture.settings)), all = try fixture.inputs(), columns = all.columns
            let rows = Tensor(rows: scale, columns: columns, Array(all.array[video * scale * columns..<(video + 1) * scale * columns]))
            let grid = FeatureGrid(fps: Double(scale) / seconds, stride: 1, window: 1)
            let batch = PackedBatch(
                features: PackedSequence(rows, offsets: [0, scale]),
                videos: [VideoContext(id: VideoID("v"), grid: grid, duration: seconds)], instances: [[]])
            let found = withExtendedLifetime(arena) { model.detect(batch)[0] }
            let expected = try file.readDoubles("proposals/final")
            assertClose(
                "\(fixture.name) final", found.flatMap { [Float($0.segment.start), Float($0.segment.end), Float($0.score)] },
                expected.map(Float.init), absolute: 1e-5, relative: 1e-5)
            XCTAssertEqual(Set(found.map(\.label)), [0])
        }
    }
}
