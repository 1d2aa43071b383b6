import Autograd
import Detectors
import Diagnostics
import Foundation
import GraphDetectors
import Kernels
import NeuralNetworks
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// What the golden numbers do not reach: samples of a step, recordings without actions or proposals, threads, learning, memory, errors.
final class PGCNTests: SmallPGCNTestCase {
    override func tearDownWithError() throws {
        ComputeContext.current.threads = 1
        try super.tearDownWithError()
    }

    // MARK: Samples

    /// 1, 6 and 1 of the kinds, at the same places of every recording; foreground in place of what is not there; nothing without actions.
    func testSamplesOfAStep() throws {
        let model = try model()
        try model.prepare(labeled: [])
        let outputs = model(batch(["a", "b", "c"]), pass())
        XCTAssertEqual(
            outputs.samples.map(\.kind),
            [.foreground] + [PGCNSample.Kind](repeating: .incomplete, count: 6) + [.background] + [PGCNSample.Kind](repeating: .foreground, count: 16)
        )
        let places: [PGCNSample.Place] = [.positive] + [PGCNSample.Place](repeating: .negative, count: 6) + [.none]
        XCTAssertEqual(outputs.samples.map(\.place), places + places + places)
        XCTAssertEqual(outputs.samples.map(\.label), [Int](repeating: 1, count: 7) + [-1] + [Int](repeating: 1, count: 16))
        // Without proposals the action itself is all that is there.
        XCTAssertEqual(outputs.samples[16...].map(\.offsets), [SIMD2<Float>](repeating: SIMD2(), count: 8))
        XCTAssertEqual(outputs.network?.activity.rows, 24)
        // Activities, completeness, positives, foreground.
        var targets = model.assignTargets(batch(["a", "b", "c"]), outputs: outputs), random = RandomStream(seed: 0, "unused")
        XCTAssertEqual(targets.counts, [18, 21, 3, 17])
        // 3 positives and int(0.17 * 18) = 3 negatives of 21.
        XCTAssertEqual(targets.settle(targets.counts, random: &random), [])
        XCTAssertEqual(targets.minedPart, 6.0 / 21, accuracy: 1e-12)

        let none = model(batch(["a"], action: nil), pass())
        XCTAssertNil(none.network)
        let nothing = model.assignTargets(batch(["a"], action: nil), outputs: none)
        XCTAssertEqual(nothing.counts, [0, 0, 0, 0])
        XCTAssertEqual(
            model.seedLosses(none, targets: nothing, normalizers: [0, 0, 0, 0], tape: Tape()),
            ["activity": 0, "completeness": 0, "regression": 0, "total": 0])
        // Other random numbers draw other trees.
        let other = pass()
        other.random = RandomStream(seed: 5, "step")
        XCTAssertNotEqual(model(batch(["a"]), other).network?.activity.array, model(batch(["a"]), pass()).network?.activity.array)
    }

    /// Mean and deviation of the proposals of the foreground, by hand: (5.2, 10), (4.8, 9.6), (5.5, 10.5) of "a" at 10 frames a second.
    func testStatisticsOfRecordings() throws {
        let model = try model(), batch = batch(["a", "c"])
        try model.prepare(
            labeled: batch.videos.map { LabelledRecording(context: $0, instances: [ActionInstance(segment: Segment(start: 5, end: 10), label: 1)]) })
        let offsets = [(52.0, 100.0), (48, 96), (55, 105)].map { start, end in
            (75 - (start + end) / 2) / (end - start + 1) as Double
        }
        let sizes = [49.0, 49, 51].map { log(51 / $0) }, mean = offsets.reduce(0, +) / 3, size = sizes.reduce(0, +) / 3
        XCTAssertEqual(model.statistics.mean.x, mean, accuracy: 1e-6)
        XCTAssertEqual(model.statistics.mean.y, size, accuracy: 1e-6)
        XCTAssertEqual(model.statistics.deviation.x, (offsets.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 3).squareRoot(), accuracy: 1e-6)
        XCTAssertEqual(model.statistics.deviation.y, (sizes.reduce(0) { $0 + ($1 - size) * ($1 - size) } / 3).squareRoot(), accuracy: 1e-6)
        XCTAssertEqual(model.destandardised([1, -1])[0], Float(model.statistics.mean.x + model.statistics.deviation.x), accuracy: 1e-6)
    }

    // MARK: Losses

    /// The hinge of the worst of a recording's negatives counts, and of none that is beyond the margin.
    func testCompleteness() {
        var settings = PGCNSettings()
        (settings.classes, settings.foregroundSamples, settings.incompleteSamples, settings.backgroundSamples) = (2, 1, 2, 0)
        func sample(_ place: PGCNSample.Place, _ label: Int) -> PGCNSample {
            PGCNSample(kind: place == .positive ? .foreground : .incomplete, place: place, label: label, offsets: SIMD2())
        }
        let samples = [
            sample(.positive, 0), sample(.negative, 1), sample(.negative, 0), sample(.positive, 1), sample(.negative, 0), sample(.negative, 0),
        ]
        let scores = testParameter(rows: 6, columns: 2, [0.25, 9, 9, -0.5, 0.5, 9, 9, 3, -2, 9, -2, 9])
        scores.clearGradient()
        let losses = PGCNLosses(PGCNTargets(samples, settings: settings), classes: 2)
        // 0.75 of the first, 1.5 of the third sample; the others lie beyond the margin.
        XCTAssertEqual(losses.completeness(scores, ratio: 0.17, divisor: 4, weight: 0.5), 2.25 / 4, accuracy: 1e-12)
        XCTAssertEqual(scores.gradientArray, [-0.125, 0, 0, 0, 0.125, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Losses against finite differences of the whole network, without dropout.
    func testGradients() throws {
        let model = try model { ($0.graphDropout, $0.headDropout) = (0, 0) }
        try model.prepare(labeled: [])
        let arena = ParameterArena(model), batch = batch(["a", "b"])
        func losses(_ tape: Tape) -> Double {
            let outputs = model(batch, pass(tape)), normalizers: [Float] = [10, 14, 2, 9]
            return model.seedLosses(outputs, targets: model.assignTargets(batch, outputs: outputs), normalizers: normalizers, tape: tape)["total"]!
        }
        arena.beginGradients()
        let tape = Tape()
        _ = losses(tape)
        tape.backward()
        arena.finishGradients()
        let gradients = (0..<arena.count).map { arena.gradients[$0] }
        for parameter in arena.parameters where parameter.isLearnt {
            for i in stride(from: 0, to: parameter.count, by: 7) {
                let value = parameter.values[i], step: Float = 2e-3
                parameter.values[i] = value + step
                let up = losses(Tape())
                parameter.values[i] = value - step
                let down = losses(Tape())
                parameter.values[i] = value
                let numeric = (up - down) / (2 * Double(step))
                XCTAssertEqual(
                    Double(gradients[parameter.arenaOffset + i]), numeric, accuracy: 2e-4 + 2e-2 * abs(numeric), "\(parameter.name)[\(i)]")
            }
        }
    }

    /// Losses, gradients and detections are the same bits for every number of threads; what a recording's detections are depends on no other.
    func testThreadsAndCompany() throws {
        var results: [[UInt32]] = []
        for threads in [1, 2, 3] {
            ComputeContext.current.threads = threads
            let model = try model()
            try model.prepare(labeled: [])
            let arena = ParameterArena(model), batch = batch(["a", "b"]), tape = Tape()
            var random = RandomStream(seed: 4, "losses")
            let losses = model.losses(batch, normalizers: [10, 14, 2, 9], tape: tape, random: &random)
            tape.backward()
            arena.finishGradients()
            let gradients = (0..<arena.count).map { arena.gradients[$0].bitPattern }
            XCTAssertTrue(gradients.contains { $0 != 0 })
            let found = try model.detect(batch)
            results.append(gradients + [Float(losses["total"]!).bitPattern] + found.joined().map { Float($0.score).bitPattern })
            let rows = batch.features.rows(of: 1)
            let alone = PackedBatch(
                features: PackedSequence(
                    Tensor(rows: rows.count, columns: 5, Array(batch.features.tensor.array[5 * rows.lowerBound..<5 * rows.upperBound])),
                    offsets: [0, rows.count]), videos: [batch.videos[1]], instances: [[]])
            XCTAssertEqual(try model.detect(alone)[0], found[1])
            XCTAssertEqual(found[0].map(\.score), found[0].map(\.score).sorted(by: >))
            XCTAssertEqual(Set(found[0].map(\.label)), [0, 1, 2])
            XCTAssertTrue(found.joined().allSatisfy { $0.segment.start >= 0 && $0.segment.end <= 20 })
        }
        XCTAssertEqual(results[1], results[0])
        XCTAssertEqual(results[2], results[0])
    }

    /// Twice the same stream is that stream; with another one scores and offsets are the weighted mean, whichever batch they come from.
    func testTwoStreams() throws {
        let model = try model(), batch = batch(["a", "b"]), alone = try model.detect(batch)
        let twice = try model.detect(batch, with: model, batch, weight: 1)
        XCTAssertEqual(twice, alone)
        let other = try self.model()
        other.initializeParameters(seed: 9)
        let otherBatch = self.batch(["a", "b"], seed: 2)
        let mostly = try model.detect(batch, with: other, otherBatch, weight: 1e9), theirs = try other.detect(otherBatch)
        XCTAssertNotEqual(theirs, alone)
        XCTAssertEqual(mostly.map { $0.map(\.label) }, theirs.map { $0.map(\.label) })
        assertClose("other", mostly.joined().map { Float($0.score) }, theirs.joined().map { Float($0.score) }, relative: 1e-5)
        var said = PGCNDecoding.Scores(activity: [1, 2], completeness: [0], offsets: [4, -1])
        said.join(.init(activity: [3, -2], completeness: [1], offsets: [0, 1]), weight: 3)
        XCTAssertEqual(said, .init(activity: [2.5, -1], completeness: [0.75], offsets: [1, 0.5]))
        XCTAssertThrowsError(try model.detect(batch, with: try self.model { $0.classes = 4 }, batch, weight: 1)) {
            XCTAssertEqual(
                "\($0)",
                """
                error: P-GCN joins its scores with those of another P-GCN of as many classes alone
                  where: key '--second-checkpoint'
                  do: give a checkpoint of a P-GCN that was trained on the same classes
                """)
        }
    }

    /// Frames that are taken for seconds are found out.
    func testProposalsInFrames() throws {
        let model = try model(), path = folder + "/frames.json"
        try Data(
            """
            {"results": {"a": [{"label": "x", "segment": [120, 170], "score": 1}, {"label": "x", "segment": [100, 190], "score": 1}], "b": []}}
            """.utf8
        ).write(to: URL(fileURLWithPath: path))
        model.lists = try ProposalLists([path])
        let expected = """
            error: 2 of 2 proposals lie outside their recordings, or more than half of each does, in 1 recording: 'a'; they look like numbers of \
            frames: divide them by the frames per second
              where: file '\(path)'
              do: give proposals in seconds, of the recordings of the store
            """
        let videos = batch(["a", "b"]).videos
        XCTAssertThrowsError(try model.requireProposals(of: videos)) { XCTAssertEqual("\($0)", expected) }
        XCTAssertThrowsError(try model.prepare(labeled: videos.map { LabelledRecording(context: $0, instances: []) })) {
            XCTAssertEqual("\($0)", expected)
        }
    }

    /// Nothing to refine is no error; a recording that the lists lack is, and so are no lists.
    func testDetectionWithoutProposals() throws {
        let model = try model { $0.options.detection.maxSegNum = 2 }
        XCTAssertEqual(try model.detect(batch(["c", "b"])).map(\.count), [0, 2])
        XCTAssertThrowsError(try model.detect(batch(["d"]))) {
            XCTAssertEqual(
                "\($0)",
                """
                error: the proposals lack the recording
                  where: file '\(folder)/p.json', video 'd'
                  do: detect proposals in all recordings that are trained on and evaluated, and name the files in model.proposals
                """)
        }
        XCTAssertThrowsError(try model.requireProposals(of: batch(["a", "e"]).videos))
        model.lists = nil
        XCTAssertThrowsError(try model.detect(batch(["a"]))) {
            XCTAssertEqual(
                "\($0)",
                """
                error: there are no proposals to refine
                  where: key 'model.proposals'
                  do: name files of proposals, such as the detections of a BMN over all recordings
                """)
        }
        XCTAssertThrowsError(
            try model.prepare(labeled: [
                LabelledRecording(
                    context: batch(["a"]).videos[0],
                    instances: [
                        ActionInstance(segment: Segment(start: 1, end: 2), label: 0)
                    ])
            ]))
        // Measurements make theirs up, of any recording.
        model.makeUpProposals()
        XCTAssertEqual(try model.detect(batch(["a", "unheard of"])).map { $0.isEmpty }, [false, false])
        XCTAssertNoThrow(try model.requireProposals(of: batch(["e"]).videos))
    }

    /// A step learns: over other draws of the same batch, every part of the loss falls.
    func testStepsLowerTheLoss() throws {
        let model = try model { ($0.graphDropout, $0.headDropout, $0.hiddenDimension) = (0, 0, 16) }
        try model.prepare(labeled: [])
        let arena = ParameterArena(model), batch = batch(["a", "b"]), optimizer = AdamW(arena, weightDecay: 0, momentum: 0.9)
        var all: [[String: Double]] = []
        var random = RandomStream(seed: 4, "losses")
        for _ in 0..<120 {
            let tape = Tape()
            arena.beginGradients()
            all.append(model.losses(batch, normalizers: [10, 14, 2, 9], tape: tape, random: &random))
            tape.backward()
            arena.finishGradients()
            optimizer.update(learningRate: 0.02)
        }
        for name in ["activity", "completeness", "total"] {
            func mean(_ steps: ArraySlice<[String: Double]>) throws -> Double { try steps.reduce(0) { $0 + (try XCTUnwrap($1[name])) } / 10 }
            XCTAssertLessThan(try mean(all.suffix(10)), 0.8 * (try mean(all.prefix(10))), name)
        }
    }

    /// A rehearsal counts at least what a step takes, and does not count several times as much.
    func testRehearsedMemory() throws {
        let model = try model(), batch = batch(["a", "b"])
        let rehearsed = Rehearsal.peakBytes {
            let tape = Tape(), features = PackedSequence(Tensor(rows: 78, columns: 5, requiresGradient: false), offsets: [0, 39, 78])
            withExtendedLifetime(features.tensor) {
                _ = model.rehearse(features, ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 1, "forward")))
                tape.backward()
            }
        }
        let arena = ParameterArena(model), pool = BufferPool.shared, before = pool.usedBytes - 4 * batch.features.tensor.count
        pool.resetPeak()
        let tape = Tape()
        var random = RandomStream(seed: 1, "forward")
        arena.beginGradients()
        _ = model.losses(batch, normalizers: [10, 14, 2, 9], tape: tape, random: &random)
        tape.backward()
        let measured = pool.peakBytes - before
        XCTAssertLessThanOrEqual(measured, rehearsed + 4096)
        XCTAssertGreaterThan(3 * measured, rehearsed)
    }
}
