import Autograd
import Collectives
import Detectors
import FeatureStore
import NeuralNetworks
import PyramidDetectors
import RandomStreams
import Sampling
import StandardRegistry
import TemporalAnnotations
import TestSupport
import Training
import TrainingMethods
import WeakSupervision
import XCTest

/// The student's loss of whole recordings, and the stages of a run.
final class StudentTests: XCTestCase {
    /// Against finite differences, without and with dropout (the same mask each time); the coarser levels get no gradient.
    func testVideoClassLoss() {
        for (lengths, dropout) in [([1], Float(0)), ([2, 7], 0), ([12, 5], 0.5), ([79], 0.7)] {
            let points = PyramidPoints(rows: lengths, levels: 2), classes = 3
            var random = RandomStream(seed: 7, "logits", lengths[0])
            // Values so far apart, and from 0, that no step changes which are the largest.
            let order = random.permutation(points.count * classes)
            let logits = testParameter(
                rows: points.count, columns: classes, order.map { 4 * (Float($0) + 0.37) / Float(order.count) - 2 })
            let sets = lengths.indices.map { [$0 % classes, 2] }
            let loss = VideoClassLoss(ratio: 5, dropout: dropout, weight: 0.5, videos: 4)
            func at(_ tape: Tape) -> Double {
                let pass = ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 1, "mask"))
                return loss.seed(logits, points: points, targets: loss.targets(sets, classes: logits.columns), pass)
            }
            let tape = Tape()
            logits.clearGradient()
            _ = at(tape)
            tape.backward()
            let gradient = logits.gradientArray ?? []
            XCTAssertGreaterThan(gradient.map(abs).max() ?? 0, 0)
            let finest = points.range(level: 0).count * classes
            XCTAssertTrue(gradient[finest...].allSatisfy { $0 == 0 })
            for i in 0..<finest {
                let original = logits.values[i], step: Float = 1e-3
                logits.values[i] = original + step
                let ahead = at(Tape(recording: false))
                logits.values[i] = original - step
                let behind = at(Tape(recording: false))
                logits.values[i] = original
                XCTAssertEqual(Double(gradient[i]), 0.5 * (ahead - behind) / Double(2 * step), accuracy: 2e-4, "\(lengths), \(i)")
            }
        }
    }

    /// One recording, two points, no dropout: the numbers by hand.
    func testVideoClassLossByHand() {
        let logits = Tensor(rows: 2, columns: 2, [0, 1, 2, -1])
        let loss = VideoClassLoss(ratio: 5, dropout: 0, weight: 3, videos: 2)
        let found = loss.seed(
            logits, points: PyramidPoints(rows: [2], levels: 1), targets: loss.targets([[0]], classes: logits.columns), .inference())
        func softplus(_ x: Double) -> Double { log(1 + exp(x)) }
        XCTAssertEqual(found, (softplus(-2) + softplus(1)) / 4, accuracy: 1e-6)
        // Mixed with a recording of both classes, and with one of none.
        XCTAssertEqual(loss.targets([[0], [1]], mixed: [([0, 1], 0.25), ([], 0.5)], classes: 2), [1, 0.25, 0, 0.5])
    }

    // MARK: Stages

    private var path = ""
    override func setUpWithError() throws {
        path = NSTemporaryDirectory() + "kairos-fustal-\(UUID().uuidString).h5"
        let annotations = try SyntheticFeatures.annotations(videos: 21, classes: 2, seed: 4)
        try FeatureStoreWriter().write(try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4), to: path)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: path) }

    private func configuration(_ overrides: [String]) throws -> RunConfiguration {
        try RunConfiguration(
            yaml: """
                data: {store: \(path), virtual_shards: 2, batch_size: 2}
                model: {backbone_arch: [1, 0, 1], embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 8], [8, 10000]]}
                training: {iterations: 10, warmup_iterations: 3, learning_rate: 0.01}
                method: {name: fustal}
                fustal: {embedding_dim: 8, segments: 20, generator_iterations: 6, generator_batch_size: 4, generator_learning_rate: 0.5}
                """, file: "run.yaml", overrides: overrides)
    }

    private func method(_ overrides: [String]) throws -> (WeakSupervisionMethod, FeatureStore, [Int]) {
        let configuration = try configuration(overrides), store = try FeatureStore(path: path)
        let training = store.videos.indices.filter { store.videos[$0].annotation.subset == "Validation" }
        let detector = try XCTUnwrap(try configuration.detector(inputDimension: store.dimension, classes: store.classes.count) as? ActionFormer)
        let recordings = TrainingRecordings(labeled: training, unlabeled: [])
        return (try WeakSupervisionMethod(configuration: configuration, store: store, detector: detector, recordings: recordings), store, training)
    }

    func testStages() throws {
        let (distilled, _, training) = try method(["fustal.distill_after_iterations=4"])
        XCTAssertEqual(training.count, 14)
        XCTAssertEqual(distilled.stages.map(\.name), ["generator", "student", "distillation"])
        XCTAssertEqual(distilled.stages.map(\.iterations), [6, 4, 6])
        XCTAssertEqual(distilled.stages.map(\.firstIteration), [0, 0, 4])
        XCTAssertEqual(distilled.stages.map(\.trainsDetector), [false, true, true])
        XCTAssertEqual(distilled.stages[0].schedule.rate(at: 5), 0.5)
        XCTAssertEqual(distilled.stages[1].schedule, distilled.stages[2].schedule)
        XCTAssertEqual(try method([]).0.stages.map(\.iterations), [6, 10])
        XCTAssertEqual(try method(["fustal.student=false", "training.iterations=null"]).0.stages.map(\.iterations), [6])
        // Seven steps of two are an epoch.
        let epochs = try method(["training.iterations=null", "training.epochs=3", "fustal.distill_after_epochs=2"]).0
        XCTAssertEqual(epochs.stages.map(\.iterations), [6, 14, 7])
    }

    /// One schedule goes over student and distillation, whose steps are counted from the end of the warm-up.
    func testMultistepOverBothStages() throws {
        let method = try method(
            [
                "fustal.distill_after_iterations=4", "training.schedule=multistep", "training.schedule_steps=[2, 5]", "training.warmup_iterations=2",
            ]).0
        let rates = (1...2).flatMap { stage in
            (0..<method.stages[stage].iterations).map { method.stages[stage].schedule.rate(at: method.stages[stage].firstIteration + $0) }
        }
        for (rate, expected) in zip(rates, [0, 0.01, 0.01, 0.01, 1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4]) {
            XCTAssertEqual(rate, expected, accuracy: 1e-12, "\(rates)")
        }
        XCTAssertEqual(rates.count, 10)
    }

    /// What is off needs no key: neither the student's batch nor its length.
    func testKeysOfAStudentThatIsOff() throws {
        let alone = try method(
            [
                "fustal.student=false", "data.batch_size=1", "training.epochs=2", "training.warmup_epochs=1", "fustal.distill_after_epochs=1",
                "fustal.distill_after_iterations=50",
            ]).0
        XCTAssertEqual(alone.stages.map(\.name), ["generator"])
        XCTAssertEqual(alone.iterationsPerEpoch, 7)
    }

    /// A whole run of a student whose targets wait for the outputs ends in the bits of one whose targets do not.
    func testTargetsFromOutputsGiveTheSameBits() throws {
        let overrides = [
            "training.iterations=5", "training.warmup_iterations=1", "training.threads=1", "fustal.distill_after_iterations=3",
            "fustal.filter_score=-1", "fustal.distill_score=0.01", "fustal.generator_learning_rate=0.01", "fustal.generator_iterations=10",
            "fustal.segments=40", "fustal.embedding_dim=16", "data.evaluation_subset=null", "data.max_rows=100",
        ]
        let folder = path + ".run"
        func digest(_ detector: (ActionFormer) -> any Detector) throws -> String {
            defer { try? FileManager.default.removeItem(atPath: folder) }
            return try TrainingRun(
                try configuration(overrides), folder: folder, resume: false, communicator: try Communicator.world(),
                makeDetector: { configuration, store, _ in
                    detector(
                        try XCTUnwrap(try configuration.detector(inputDimension: store.dimension, classes: store.classes.count) as? ActionFormer))
                }
            ).run().digest
        }
        XCTAssertEqual(try digest { LateAssigned($0) }, try digest { $0 })
    }

    // MARK: Nothing to learn

    private func review(_ made: MadeRecordings, _ overrides: [String] = []) throws -> [String] {
        let store = try made.store(path)
        let configuration = try RunConfiguration(
            yaml: """
                data: {store: \(path), virtual_shards: 1, batch_size: 1}
                model: {backbone_arch: [1, 0, 1], embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 8], [8, 10000]]}
                training: {iterations: 10}
                method: {name: fustal}
                fustal: {embedding_dim: 8, segments: 20}
                """, file: "run.yaml", overrides: overrides)
        let detector = try XCTUnwrap(try configuration.detector(inputDimension: store.dimension, classes: store.classes.count) as? ActionFormer)
        let recordings = TrainingRecordings(labeled: Array(store.videos.indices), unlabeled: [])
        return try WeakSupervisionMethod(configuration: configuration, store: store, detector: detector, recordings: recordings).review()
    }

    private func refused(_ made: MadeRecordings, _ overrides: [String], _ expected: String, line: UInt = #line) {
        XCTAssertThrowsError(try review(made, overrides), line: line) { error in
            XCTAssertEqual("\(error)".replacingOccurrences(of: path, with: "STORE"), expected, line: line)
        }
    }

    func testOneClass() {
        var made = MadeRecordings(classes: ["run"])
        for name in ["a", "b"] { made.add(name, duration: 20, rows: 39, actions: [(2, 6, 0)]) }
        for student in ["true", "false"] {
            refused(
                made, ["fustal.student=\(student)"],
                """
                error: there is nothing to learn: the store has one class, 'run', whose share of the classes is 1 in every recording
                  where: file 'STORE', key 'method.name'
                  do: make the store from annotations of several classes, or learn from the actions with another method.name
                """)
        }
    }

    func testRecordingsOfTheSameClasses() throws {
        var made = MadeRecordings()
        for name in ["a", "b"] { made.add(name, duration: 20, rows: 39, actions: [(2, 6, 1), (8, 9, 0)]) }
        XCTAssertEqual(
            try review(made),
            ["warning: all 2 recordings have the same classes, 'run', 'jump': the generator learns from recordings that differ in them"])
        made.add("c", duration: 20, rows: 39, actions: [(2, 6, 1)])
        XCTAssertEqual(try review(made), [])
    }

    func testRecordingsWithoutAProposal() throws {
        var made = MadeRecordings()
        made.add("a", duration: 20, rows: 39, actions: [(2, 6, 0)])
        made.add("b", duration: 1, rows: 2, stride: 5, window: 10, actions: [(0.1, 0.8, 1)])
        XCTAssertEqual(try review(made), [])
        let advice = "use features of a smaller stride, or raise fustal.segments and fustal.upsampling"
        XCTAssertEqual(
            try review(made, ["fustal.upsampling=1"]),
            ["warning: 1 of the 2 recordings with classes is too short for a proposal, 'b' of 2 rows; \(advice)"])
        for name in ["c", "d"] { made.add(name, duration: 1, rows: 1, actions: [(0.2, 0.8, 1)]) }
        XCTAssertEqual(
            try review(made), ["warning: 2 of the 4 recordings with classes are too short for a proposal, for example 'c' of 1 row; \(advice)"])
        refused(
            made, ["fustal.segments=1"],
            """
            error: there is nothing to learn: all 4 recordings with classes are too short for a proposal, for example 'a' of 39 rows
              where: file 'STORE', key 'fustal.segments', video 'a'
              do: \(advice)
            """)
    }

    /// No proposal can lie around a row: known before the generator is trained. Without a student nothing is asked of the detector.
    func testNothingForTheStudent() throws {
        var clips = MadeRecordings()
        for i in 0..<3 { clips.add("c\(i)", duration: 1.6, rows: 8, fps: 5, stride: 1, window: 64, actions: [(0.2, 1.1, i % 2)]) }
        refused(
            clips, [],
            """
            error: there is nothing to learn for the student: no proposal can ever be positive in any of the 3 recordings with classes, for \
            example 'c0' of 1.6 s, whose 8 rows stand at 6.4 to 7.8 s
              where: file 'STORE', key 'model.regression_range', video 'c0'
              do: look at the window, stride and fps that the features were imported with, and at model.regression_range
            """)
        XCTAssertEqual(try review(clips, ["fustal.student=false"]), [])
        clips.add("long", duration: 20, rows: 39, actions: [(2, 6, 0)])
        XCTAssertEqual(
            try review(clips),
            [
                "warning: no proposal can ever be positive in 3 of the 4 recordings with classes, for example 'c0' of 1.6 s, whose 8 rows "
                    + "stand at 6.4 to "
                    + "7.8 s; look at the window, stride and fps that the features were imported with, and at model.regression_range"
            ])
    }

    /// The generator sees whole recordings, four per step, without labels.
    func testGeneratorsRecordings() throws {
        let (method, store, training) = try method([])
        var seen: [Int] = []
        for step in 0..<6 {
            for shard in 0..<2 {
                let groups = method.videos(at: StepPosition(step: step, shard: shard))
                XCTAssertEqual(groups.map(\.count), [2])
                for video in groups[0] {
                    XCTAssertTrue(video.instances.isEmpty && video.rows == 0..<store.videos[video.index].rows)
                    seen.append(video.index)
                }
            }
        }
        XCTAssertEqual(Set(seen), Set(training))
    }

    /// What a checkpoint keeps before the student begins brings the generator back; what it does not know is refused.
    func testState() throws {
        let (method, _, _) = try method([]), (other, _, _) = try self.method(["training.seed=3"])
        XCTAssertEqual(
            Set(method.state.keys), ["generator_weights", "generator_first_moments", "generator_second_moments", "generator_step"])
        XCTAssertNotEqual(method.state, other.state)
        try other.restore(method.state)
        XCTAssertEqual(method.state, other.state)
        var damaged = method.state
        damaged["generator_weights"] = Array(method.state["generator_weights"]!.dropLast(4))
        let count = damaged["generator_weights"]!.count
        XCTAssertThrowsError(try other.restore(damaged)) { error in
            XCTAssertEqual(
                "\(error)",
                """
                error: the checkpoint's state of the method does not fit: 'generator_weights' has \(count) bytes
                  where: key 'method.name'
                  do: resume with the configuration of the run, or use an older checkpoint
                """)
        }
    }

    /// What is estimated of a run's memory, against what its buffers come to: generator, proposals, student, distillation.
    func testMemory() throws {
        for overrides in [["fustal.distill_after_iterations=1"], ["fustal.student=false", "fustal.embedding_dim=256"]] {
            let (estimate, measured) = try memory(overrides + ["training.convolution=direct"])
            // Detection's phases have room for what is not in the pool.
            let phase = try XCTUnwrap(estimate.phases.filter { !$0.comesFromData }.max { $0.bytes < $1.bytes })
            let estimated = Double(phase.bytes)
            XCTAssertGreaterThan(estimated / measured, 0.9, "\(overrides): \(estimate.text), \(measured) measured")
            XCTAssertLessThan(estimated / measured, 1.6, "\(overrides): \(estimate.text), \(measured) measured")
        }
    }

    /// What detection keeps of weights for minimal filtering is the most memory of so small a model, and is estimated too.
    func testMemoryWithMinimalFiltering() throws {
        let (estimate, measured) = try memory(["fustal.distill_after_iterations=1", "training.convolution=winograd"])
        let training = try XCTUnwrap(estimate.phases.filter { !$0.comesFromData }.map(\.bytes).max())
        XCTAssertGreaterThan(measured, 1.05 * Double(training), "\(estimate.text): detection needs the most")
        let all = try XCTUnwrap(estimate.phases.map(\.bytes).max())
        XCTAssertGreaterThan(Double(all), measured, "\(estimate.text), \(measured) measured")
        // The room for what is not in the pool is 16 MiB.
        XCTAssertLessThan(Double(all - 16 << 20), 1.6 * measured, "\(estimate.text), \(measured) measured")
    }

    /// What is estimated, and the most bytes that the run's buffers come to.
    private func memory(_ overrides: [String]) throws -> (estimate: MemoryEstimate, measured: Double) {
        let overrides =
            [
                "data.max_rows=50", "data.evaluation_subset=null", "model.embd_dim=48", "model.fpn_dim=48", "model.head_dim=48",
                "training.iterations=2", "training.warmup_iterations=1", "fustal.generator_iterations=2", "fustal.filter=none", "training.threads=1",
            ] + overrides
        let (method, store, _) = try method(overrides), configuration = try configuration(overrides), communicator = try Communicator.world()
        let detector = try TrainingRun.makeDetector(configuration, store)
        let planner = try MemoryPlanner(configuration, detector: detector, store: store, communicator: communicator)
        let estimate = planner.run(method, evaluated: [])
        let folder = path + ".run"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let run = try TrainingRun(configuration, folder: folder, resume: false, communicator: communicator)
        let pool = BufferPool.shared, before = pool.usedBytes
        pool.resetPeak()
        _ = try run.run()
        return (estimate, Double(pool.peakBytes - before))
    }
}
