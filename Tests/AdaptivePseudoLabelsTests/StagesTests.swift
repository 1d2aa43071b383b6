import AdaptivePseudoLabels
import Autograd
import Collectives
import Detectors
import FeatureStore
import NeuralNetworks
import PseudoLabels
import PyramidDetectors
import RunRecords
import Sampling
import StandardRegistry
import TemporalAnnotations
import TestSupport
import Training
import TrainingMethods
import TrainingReview
import XCTest

/// The stages of a run: lengths and learning rates, and what each step sees.
final class StagesTests: XCTestCase {
    var path = ""

    override func setUpWithError() throws {
        path = NSTemporaryDirectory() + "kairos-stages-\(UUID().uuidString).h5"
        let annotations = try SyntheticFeatures.annotations(videos: 21, classes: 2, seed: 4)
        try FeatureStoreWriter().write(try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4), to: path)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: path) }

    func configuration(_ overrides: [String]) throws -> RunConfiguration {
        try RunConfiguration(
            yaml: """
                data: {store: \(path), virtual_shards: 2, batch_size: 2}
                model: {backbone_arch: [1, 0, 1], embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 8], [8, 10000]]}
                training: {iterations: 10, warmup_iterations: 3, learning_rate: 0.01}
                method: {name: apl}
                apl: {round_iterations: 4, rounds: 3, unlabeled_batch_size: 4, student: continued, uncertain: background}
                """, file: "run.yaml", overrides: overrides)
    }

    func method(_ overrides: [String], labeled: Int = 4) throws -> (AdaptivePseudoLabelMethod, TrainingRecordings, FeatureStore) {
        let configuration = try configuration(overrides)
        let store = try FeatureStore(path: path)
        let training = store.videos.indices.filter { store.videos[$0].annotation.subset == "Validation" }
        XCTAssertEqual(training.count, 14)
        let recordings = TrainingRecordings(labeled: Array(training.prefix(labeled)), unlabeled: Array(training.dropFirst(labeled)))
        let detector = try configuration.detector(inputDimension: store.dimension, classes: store.classes.count)
        let method = try AdaptivePseudoLabelMethod(configuration: configuration, store: store, detector: detector, recordings: recordings)
        return (method, recordings, store)
    }

    func testLengthsAndLearningRates() throws {
        let (method, _, _) = try method(["apl.pretraining_iterations=6", "apl.pretraining_learning_rate=0.5", "apl.round_learning_rate=0.2"])
        XCTAssertEqual(method.stages.map(\.name), ["pre-training", "burn-in", "round 1", "round 2", "round 3"])
        XCTAssertEqual(method.stages.map(\.iterations), [6, 10, 4, 4, 4])
        XCTAssertEqual(method.stages.map(\.firstIteration), [0, 0, 0, 4, 8])
        func rates(_ stage: Int) -> [Double] {
            (0..<method.stages[stage].iterations).map { method.stages[stage].schedule.rate(at: method.stages[stage].firstIteration + $0) }
        }
        XCTAssertEqual(rates(0)[0...2], [0, 0.25, 0.5])
        // A third of the cosine: half a half of the way down from 0.5 to 1e-8.
        XCTAssertEqual(rates(0)[4], 1e-8 + 0.75 * (0.5 - 1e-8), accuracy: 1e-12)
        XCTAssertEqual(rates(1)[2], 0.01)
        // Without a warm-up: one cosine from 0.2 to 0 over the twelve steps of the three rounds.
        let rounds = rates(2) + rates(3) + rates(4)
        for (i, rate) in rounds.enumerated() {
            let expected = 0.1 * (1 + cos(Double.pi * Double(i) / 12))
            XCTAssertEqual(rate, expected, accuracy: 1e-12)
        }
    }

    /// The rate falls at the same parts of every stage after its warm-up; the rounds are one stage.
    func testMultistepInEveryStage() throws {
        let overrides = [
            "training.schedule=multistep", "training.warmup_iterations=2", "training.schedule_steps=[4, 6]", "apl.pretraining_iterations=6",
            "apl.round_learning_rate=0.1", "apl.round_warmup_iterations=1",
        ]
        let (method, _, _) = try method(overrides)
        func rates(_ stages: Range<Int>) -> [Double] {
            stages.flatMap { stage in
                (0..<method.stages[stage].iterations).map { method.stages[stage].schedule.rate(at: method.stages[stage].firstIteration + $0) }
            }
        }
        func assertRates(_ stages: Range<Int>, _ expected: [Double], line: UInt = #line) {
            let found = rates(stages)
            XCTAssertEqual(found.count, expected.count, line: line)
            for (a, b) in zip(found, expected) { XCTAssertEqual(a, b, accuracy: 1e-12, "\(found)", line: line) }
        }
        // Burn-in: ten iterations, steps 4 and 6 of the 8 after the warm-up.
        assertRates(1..<2, [0, 0.01] + [Double](repeating: 0.01, count: 4) + [1e-3, 1e-3] + [1e-4, 1e-4])
        // Pre-training: 4 after the warm-up, so 2 and 3.
        assertRates(0..<1, [0, 0.01, 0.01, 0.01, 1e-3, 1e-4])
        // Three rounds of 4 with one iteration of warm-up: 11, so 5 and 8.
        assertRates(2..<5, [0] + [Double](repeating: 0.1, count: 5) + [Double](repeating: 0.01, count: 3) + [Double](repeating: 1e-3, count: 3))
        let constant = try self.method(["training.schedule=constant", "apl.pretraining_iterations=6"]).0
        XCTAssertEqual(constant.stages.map(\.schedule.shape), [.constant, .constant, .constant, .constant, .constant])
    }

    /// Labels of a round that cannot be learnt are counted; nothing else changes.
    func testWarningsOfARound() throws {
        let (method, recordings, store) = try method([])
        let video = recordings.unlabeled[0], id = store.videos[video].id
        func labels(_ segments: [(Double, Double)]) -> RoundLabels {
            var labels = RoundLabels(round: 1)
            labels.add(
                segments.map {
                    PseudoLabel(video: id, segment: Segment(start: $0, end: $1), label: 0, score: 0.5, classScore: 0.5, fate: .positive)
                }, store: store)
            return labels
        }
        XCTAssertEqual(method.warnings(labels([(2, 5), (6, 9)]), name: "round 1"), [])
        let short =
            "they lie between two rows, for example 'action_0' at [2.1, 2.3] s of '\(id)': it is 0.2 s long, rows stand 0.5 s apart; "
            + "use features of a smaller stride"
        XCTAssertEqual(
            method.warnings(labels([(2, 5), (2.1, 2.3), (3.1, 3.4)]), name: "round 1"),
            ["warning: round 1: 2 of the 3 pseudo-labels can never be positive: " + short])
        XCTAssertEqual(
            method.warnings(labels([(2.1, 2.3), (3.1, 3.4)]), name: "round 2"),
            [
                "warning: round 2: no pseudo-label can be positive, the 10 unlabelled recordings are learnt as background alone",
                "warning: round 2: 2 of the 2 pseudo-labels can never be positive: " + short,
            ])
        XCTAssertEqual(
            method.warnings(labels([]), name: "round 1"),
            [
                "warning: round 1: no prediction on the 10 unlabelled recordings became a pseudo-label, they are learnt as background alone; lower "
                    + "apl.selection_floor, or train the burn-in longer"
            ])
    }

    /// MixUp moves actions: what lies between the points of its own recording may meet one in another.
    func testNothingToLearn() throws {
        let late = ["model.regression_range=[[1000, 2000], [0, 1000]]", "training.center_sample=none"]
        XCTAssertEqual(try method([]).0.review(), [])
        XCTAssertThrowsError(try method(["model.regression_range=[[0, 0.2], [5000, 10000]]"]).0.review()) { error in
            let text = "\(error)"
            XCTAssertTrue(text.hasPrefix("error: there is nothing to learn: none of the "), text)
            XCTAssertTrue(text.contains(" labelled actions can ever be positive: they have lengths that no pyramid level is responsible for, "), text)
        }
        // Recordings to be labelled in which no row stands.
        var clips = MadeRecordings()
        clips.add("long", duration: 20, rows: 39, actions: [(2, 6, 0)])
        for i in 0..<2 { clips.add("c\(i)", duration: 1.6, rows: 1, fps: 5, stride: 1, window: 64, actions: []) }
        let mixed = try clips.store(path)
        let warning =
            "warning: no pseudo-label can ever be positive in 2 of the 2 unlabelled recordings, for example 'c0' of 1.6 s, whose one row stands "
            + "at 6.4 s; look at the window, stride and fps that the features were imported with, and at model.regression_range"
        let oneClass =
            "warning: all labelled actions are of one class, 'run': ICD, which learns from pairs of different classes, promotes and removes no label; "
            + "set icd.eap and icd.mpp to false"
        for (rounds, icd) in [(0, true), (1, true), (1, false)] {
            let settings = try configuration([
                "data.virtual_shards=1", "data.batch_size=1", "apl.rounds=\(rounds)", "icd={eap: \(icd), mpp: \(icd)}",
            ])
            let detector = try XCTUnwrap(try settings.detector(inputDimension: 4, classes: 2) as? ActionFormer)
            let method = try AdaptivePseudoLabelMethod(
                configuration: settings, store: mixed, detector: detector, recordings: TrainingRecordings(labeled: [0], unlabeled: [1, 2]))
            XCTAssertEqual(try method.review(), rounds == 0 ? [] : icd ? [warning, oneClass] : [warning])
            XCTAssertFalse(method.state.keys.contains { $0.hasPrefix("icd") })
        }
        // Every other row is a point: an action around one row meets it when it is moved.
        var made = MadeRecordings()
        made.add("a", duration: 20, rows: 39, actions: [(1.8, 2.2, 0)])
        made.add("b", duration: 20, rows: 39, actions: [(3.8, 4.2, 1)])
        let store = try made.store(path)
        for (mixup, count) in [("null", 2), ("0.5", 0)] {
            let configuration = try RunConfiguration(
                yaml: """
                    data: {store: "\(path)"}
                    model: {backbone_arch: [1, 0, 1], embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 8], [8, 10000]]}
                    training: {iterations: 10}
                    method: {name: apl}
                    apl: {rounds: 0}
                    """, file: "run.yaml", overrides: late + ["apl.mixup_alpha=\(mixup)"])
            let detector = try XCTUnwrap(try configuration.detector(inputDimension: 4, classes: 2) as? ActionFormer)
            let found = LearnableActions(
                store.videos.indices.map { ($0, store.videos[$0].annotation.instances) }, configuration: configuration, store: store,
                detector: detector)
            XCTAssertEqual(found.total - found.learnable, count, "apl.mixup_alpha \(mixup)")
        }
    }

    /// Each stage's warm-up is compared with the stage.
    func testWarmUpsAsLongAsTheirStages() throws {
        func warnings(_ overrides: [String]) throws -> [String] {
            let folder = path + "-run"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let run = try TrainingRun(
                try configuration(overrides), folder: folder, resume: false, communicator: try Communicator.world())
            return run.notes.filter { $0.contains("warm-up") }
        }
        let labels = ["data.labeled_fraction=0.3"]
        XCTAssertEqual(try warnings(labels + ["apl.pretraining_iterations=4", "apl.round_warmup_iterations=3"]), [])
        XCTAssertEqual(
            try warnings(labels + ["apl.pretraining_iterations=3", "apl.round_warmup_iterations=4"]),
            [
                "warning: the warm-up of 3 iterations is as long as 'pre-training' (3) or longer: the learning rate only rises; "
                    + "lower training.warmup_iterations",
                "warning: the warm-up of 4 iterations lasts to the end of 'round 1' (4) or beyond; lower apl.round_warmup_iterations",
            ])
        XCTAssertEqual(
            try warnings(labels + ["apl.round_warmup_iterations=12"]),
            [
                "warning: the warm-up of 12 iterations is as long as 'round 1' to 'round 3' (12) or longer: the learning rate only rises; "
                    + "lower apl.round_warmup_iterations"
            ])
    }

    func testEpochs() throws {
        // Seven steps of two for all 14 recordings; ten unlabelled ones by four make two steps.
        let (method, _, _) = try method(["apl.pretraining_epochs=2", "apl.round_iterations=null", "apl.round_epochs=3", "apl.rounds=1"])
        XCTAssertEqual(method.stages.map(\.iterations), [14, 10, 6])
        XCTAssertEqual(method.iterationsPerEpoch, 2)
        XCTAssertEqual(try self.method(["apl.rounds=0"]).0.stages.map(\.name), ["burn-in"])
        XCTAssertEqual(try self.method(["apl.rounds=0"], labeled: 14).0.stages.map(\.name), ["burn-in"])
    }

    /// Pre-training sees all recordings and no label, burn-in the labelled ones alone, each recording once per epoch.
    func testRecordings() throws {
        let (method, recordings, store) = try method(["apl.pretraining_iterations=7"])
        func seen(_ steps: Range<Int>) -> [TrainingVideo] {
            steps.flatMap { step in
                (0..<2).flatMap { shard -> [TrainingVideo] in
                    let groups = method.videos(at: StepPosition(step: step, shard: shard))
                    XCTAssertEqual(groups.count, 1)
                    return groups[0]
                }
            }
        }
        let before = seen(0..<7)
        XCTAssertEqual(before.map(\.index).sorted(), (recordings.labeled + recordings.unlabeled).sorted())
        XCTAssertTrue(before.allSatisfy { $0.instances.isEmpty })
        let after = seen(7..<9)
        XCTAssertEqual(after.map(\.index).sorted(), recordings.labeled.sorted())
        for video in after { XCTAssertEqual(video.instances.count, store.videos[video.index].annotation.instances.count) }
    }

    /// With MixUp every group is followed by as many partners of its kind.
    func testPartners() throws {
        let (method, recordings, _) = try method(["apl.mixup_alpha=0.5"])
        for step in 0..<10 {
            let groups = method.videos(at: StepPosition(step: step, shard: step % 2))
            XCTAssertEqual(groups.map(\.count), [1, 1])
            XCTAssertTrue(recordings.labeled.contains(groups[1][0].index))
        }
    }

    /// The labelled recordings' rate of actions, over the unlabelled ones.
    func testExpectedActions() throws {
        let (method, recordings, store) = try method([])
        func seconds(_ videos: [Int]) -> Double { videos.map { store.videos[$0].annotation.duration }.reduce(0, +) }
        let instances = recordings.labeled.flatMap { store.videos[$0].annotation.instances }
        for (label, expected) in method.expectedActions.enumerated() {
            let rate = Double(instances.count { $0.label == label }) / seconds(recordings.labeled)
            XCTAssertEqual(expected, rate * seconds(recordings.unlabeled), accuracy: 1e-9)
        }
        XCTAssertGreaterThan(method.expectedActions.reduce(0, +), 0)
    }

    func testStateOfAnotherRunIsRefused() throws {
        let (method, _, _) = try method([])
        let state = method.state
        XCTAssertEqual(Set(state.keys), ["apl_round", "icd_weights", "icd_first_moments", "icd_second_moments"])
        try method.restore(state)
        XCTAssertEqual(method.state, state)
        for name in state.keys {
            var damaged = state
            damaged[name]?.removeLast(8)
            XCTAssertThrowsError(try method.restore(damaged)) { error in
                XCTAssertEqual(
                    "\(error)",
                    """
                    error: the checkpoint's state of the method does not fit: '\(name)' has \((state[name]?.count ?? 0) - 8) bytes
                      where: key 'method.name'
                      do: resume with the configuration of the run, or use an older checkpoint
                    """)
            }
        }
        var other = state
        other["apl_labels"] = [Double](arrayLiteral: 1e6, 0, 1, 0).withUnsafeBytes { Array($0) }
        XCTAssertThrowsError(try method.restore(other), "a recording that the store does not have")
    }

    /// What is estimated of a run's memory, against what its buffers come to: all stages, both contrasts, MixUp.
    func testMemory() throws {
        for overrides in [[], ["apl.mixup_alpha=1"], ["acp.coarse=false", "acp.fine=false", "apl.pretraining_iterations=0"]] {
            let overrides =
                [
                    "data.max_rows=50", "data.evaluation_subset=null", "data.labeled_fraction=0.4", "model.embd_dim=48", "model.fpn_dim=48",
                    "model.head_dim=48", "training.iterations=2", "training.warmup_iterations=1", "apl.pretraining_iterations=2",
                    "apl.round_iterations=2", "apl.rounds=1", "apl.selection_floor=0", "training.threads=1",
                ] + overrides
            let (method, _, store) = try method(overrides), configuration = try configuration(overrides), communicator = try Communicator.world()
            let detector = try TrainingRun.makeDetector(configuration, store)
            let planner = try MemoryPlanner(configuration, detector: detector, store: store, communicator: communicator)
            let estimate = planner.run(method, evaluated: [])
            let folder = path + ".run"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let run = try TrainingRun(configuration, folder: folder, resume: false, communicator: communicator)
            let pool = BufferPool.shared, before = pool.usedBytes
            pool.resetPeak()
            _ = try run.run()
            // Detection's phases have room for what is not in the pool.
            let phase = try XCTUnwrap(estimate.phases.filter { !$0.comesFromData }.max { $0.bytes < $1.bytes })
            let measured = Double(pool.peakBytes - before), estimated = Double(phase.bytes)
            XCTAssertGreaterThan(estimated / measured, 0.9, "\(overrides): \(estimate.text), \(measured) measured")
            XCTAssertLessThan(estimated / measured, 1.6, "\(overrides): \(estimate.text), \(measured) measured")
        }
    }

    /// Whole runs whose targets wait for the outputs end in the bits of those whose targets do not: with contrast, without, with MixUp.
    func testTargetsFromOutputsGiveTheSameBits() throws {
        for overrides in [[], ["acp.coarse=false", "acp.fine=false", "apl.pretraining_iterations=0"], ["apl.mixup_alpha=0.5"]] {
            let overrides =
                [
                    "data.max_rows=50", "data.evaluation_subset=null", "data.labeled_fraction=0.4", "training.iterations=3",
                    "training.warmup_iterations=1", "apl.pretraining_iterations=2", "apl.round_iterations=2", "apl.rounds=2",
                    "apl.selection_floor=0", "training.threads=1",
                ] + overrides
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
            XCTAssertEqual(try digest { LateAssigned($0) }, try digest { $0 }, "\(overrides)")
        }
    }
}
