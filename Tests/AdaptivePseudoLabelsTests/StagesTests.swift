import AdaptivePseudoLabels
import Detectors
import FeatureStore
import NeuralNetworks
import TemporalAnnotations
import Training
import XCTest

/// The stages of a run: lengths and learning rates, and what each step sees.
final class StagesTests: XCTestCase {
    private var path = ""

    override func setUpWithError() throws {
        path = NSTemporaryDirectory() + "kairos-stages-\(UUID().uuidString).h5"
        let annotations = try SyntheticFeatures.annotations(videos: 21, classes: 2, seed: 4)
        try FeatureStoreWriter().write(try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4), to: path)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: path) }

    private func method(_ overrides: [String], labeled: Int = 4) throws -> (AdaptivePseudoLabelMethod, TrainingRecordings, FeatureStore) {
        let configuration = try RunConfiguration(
            yaml: """
                data: {store: \(path), virtual_shards: 2, batch_size: 2}
                model: {backbone_arch: [1, 0, 1], embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 8], [8, 10000]]}
                training: {iterations: 10, warmup_iterations: 3, learning_rate: 0.01}
                method: {name: apl}
                apl: {round_iterations: 4, rounds: 3, unlabeled_batch_size: 4}
                """, file: "run.yaml", overrides: overrides)
        let store = try FeatureStore(path: path)
        let training = store.videos.indices.filter { store.videos[$0].annotation.subset == "Validation" }
        XCTAssertEqual(training.count, 14)
        let recordings = TrainingRecordings(labeled: Array(training.prefix(labeled)), unlabeled: Array(training.dropFirst(labeled)))
        let detector = ActionFormer(try configuration.actionFormer(inputDimension: store.dimension, classes: store.classes.count))
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
}
