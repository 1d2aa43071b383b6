import Autograd
import Checkpoints
import Collectives
import DataParallel
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import NeuralNetworks
import PyramidDetectors
import RandomStreams
import RunRecords
import StandardRegistry
import TemporalAnnotations
import TestSupport
import Training
import TrainingMethods
import XCTest

/// The ordinary step: targets of either kind, several views of a batch, weights, normalisers.
final class LearningStepTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-learning-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let annotations = try SyntheticFeatures.annotations(videos: 9, classes: 2, seed: 4)
        try FeatureStoreWriter().write(
            try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4), to: folder + "/store.h5")
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private func configuration() throws -> RunConfiguration {
        try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/store.h5", virtual_shards: 2, batch_size: 4}
                model: {backbone_arch: [1, 0, 1], embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 8], [8, 10000]]}
                training: {iterations: 8, warmup_iterations: 2, learning_rate: 0.01, checkpoint_every: 5, threads: 1}
                """, file: "run.yaml", overrides: [])
    }

    private func digest(_ name: String, stopAfter: Int? = nil, resume: Bool = false, _ detector: (ActionFormer) -> any Detector) throws -> String {
        try TrainingRun(
            try configuration(), folder: "\(folder)/\(name)", resume: resume, communicator: try Communicator.world(),
            makeDetector: { configuration, store, _ in
                detector(try XCTUnwrap(try configuration.detector(inputDimension: store.dimension, classes: store.classes.count) as? ActionFormer))
            }
        ).run(stopAfter: stopAfter).digest
    }

    /// A whole supervised run whose targets wait for the outputs ends in the bits of one whose targets do not.
    func testTargetsFromOutputsGiveTheSameBits() throws {
        XCTAssertEqual(try digest("late") { LateAssigned($0) }, try digest("known") { $0 })
    }

    // MARK: Single steps

    /// Everything that a step needs.
    private struct Bench<D: Detector> {
        let detector: D
        let arena: ParameterArena
        let state: TrainingState
        let step: TrainingStep

        /// - Parameter batches: of the shards, all of this rank.
        init(_ detector: D, _ batches: [PackedBatch]) throws {
            let world = try Communicator.world(), shards = try VirtualShards(count: batches.count, communicator: world)
            self.detector = detector
            arena = ParameterArena(detector)
            detector.initializeParameters(seed: 2)
            state = TrainingState(
                arena: arena, weightDecay: 0, emaDecay: 0.9, initialLossNormalizer: 10, normalizers: detector.normalizers)
            step = TrainingStep(
                step: 3, stage: 0, seed: 5, batches: batches.enumerated().map { ($0, [$1]) }, state: state, communicator: world, shards: shards,
                reduction: GradientReduction(arena: arena, communicator: world, shards: shards, options: .init(bucketElements: 64)))
        }

        var gradients: [Float] { Array(UnsafeBufferPointer(start: arena.gradients, count: arena.count)) }
    }

    private func actionFormer() throws -> ActionFormer {
        try XCTUnwrap(try configuration().detector(inputDimension: 5, classes: 2) as? ActionFormer)
    }

    private func batch(_ shard: Int) -> PackedBatch {
        var random = RandomStream(seed: 1, "features", shard)
        let x = Tensor(rows: 30, columns: 5, (0..<150).map { _ in random.normal() }), grid = FeatureGrid(fps: 1, stride: 1, window: 1)
        let actions = [
            GridInstance(segment: GridSegment(start: 2, end: 7.5), label: 0), GridInstance(segment: GridSegment(start: 1, end: 19), label: 1),
        ]
        return PackedBatch(
            features: PackedSequence(x, offsets: [0, 10, 30]),
            videos: ["a", "b"].map { VideoContext(id: VideoID($0), grid: grid, duration: 20) }, instances: [[actions[0]], actions])
    }

    /// Features with noise: a strong augmentation.
    private func noisy(_ x: PackedSequence) -> PackedSequence {
        var random = RandomStream(seed: 9, "strong")
        return x.with(Tensor(rows: x.rows, columns: x.columns, x.tensor.array.map { $0 + 0.3 * random.normal() }))
    }

    /// A method learns from a weak and a strong view of one batch, the strong one with the labels that the weak one was given by a teacher, by the
    /// public interface alone: losses and gradients are the sums of what each view gives alone.
    func testWeakAndStrongViewsOfOneBatch() throws {
        let batches = [batch(0), batch(1)]
        func views(_ bench: Bench<ActionFormer>, _ kinds: [String]) throws -> [[LearningView]] {
            try bench.step.batches.map { _, groups in
                try kinds.map { kind in
                    guard kind == "strong" else { return LearningView(groups[0], purpose: "weak") }
                    var labelled = groups[0]
                    // The teacher is the averaged model on the weak view; it gives every video its best detection, on the grid.
                    let found = bench.state.average.withAveragedWeights { bench.detector.detectWithParts(groups[0]) }
                    labelled.instances = found.map { $0.prefix(1).map { GridInstance(segment: $0.gridSegment, label: $0.detection.label) } }
                    XCTAssertEqual(try XCTUnwrap(labelled.instances.first).count, 1)
                    return LearningView(labelled, purpose: "strong", prefix: "strong_", weight: 0.5, augment: noisy)
                }
            }
        }
        // Known divisors, so that views alone are divided as they are together.
        func learn(_ kinds: [String]) throws -> (losses: [[String: Double]], gradients: [Float], counts: [[Double]]) {
            let bench = try Bench(try actionFormer(), batches)
            var seen: [[Double]] = [], rules = LearningRules<ActionFormer>()
            rules.normalizers = { counts in
                seen = counts
                return counts.map { _ in [4] }
            }
            return (try bench.step.learn(bench.detector, views: try views(bench, kinds), rules), bench.gradients, seen)
        }
        let both = try learn(["weak", "strong"]), weak = try learn(["weak"]), strong = try learn(["strong"])
        XCTAssertEqual(both.counts, weak.counts + strong.counts)
        assertClose("gradients", both.gradients, zip(weak.gradients, strong.gradients).map { $0 + $1 }, absolute: 1e-6, relative: 1e-4)
        XCTAssertGreaterThan(strong.gradients.map(abs).max() ?? 0, 0)
        for shard in 0..<2 {
            XCTAssertEqual(
                Set(both.losses[shard].keys), ["classification", "regression", "strong_classification", "strong_regression", "total"])
            for (name, value) in both.losses[shard] where name != "total" {
                XCTAssertEqual(value, (name.hasPrefix("strong") ? strong : weak).losses[shard][name], name)
            }
            let parts = try ["classification", "regression"].map { name in
                try XCTUnwrap(both.losses[shard][name]) + 0.5 * XCTUnwrap(both.losses[shard]["strong_" + name])
            }
            XCTAssertEqual(try XCTUnwrap(both.losses[shard]["total"]), parts[0] + parts[1], accuracy: 1e-6)
        }
    }

    /// Views share the state's normaliser, which moves once, by the positives of all.
    func testSharedNormalizer() throws {
        let bench = try Bench(try actionFormer(), [batch(0), batch(1)])
        let count = bench.detector.assignTargets(batch(0)).positives.count
        XCTAssertGreaterThan(count, 1)
        _ = try bench.step.learn(bench.detector, views: bench.step.batches.map { [LearningView($0.groups[0]), LearningView($0.groups[0])] })
        XCTAssertEqual(bench.state.normalizers.values, [0.9 * 10 + 0.1 * Double(4 * count)])
    }

    func testWeightsCountInTheNormalizer() throws {
        var batches = [batch(0), batch(1)]
        batches[0].weights = LabelWeights(instances: [[0.25], [0.25, 0.25]])
        let bench = try Bench(try actionFormer(), batches), count = Double(bench.detector.assignTargets(batch(0)).positives.count)
        _ = try bench.step.learn(bench.detector, views: batches.map { [LearningView($0)] })
        XCTAssertEqual(bench.state.normalizers.values, [0.9 * 10 + 0.1 * (1.25 * count)])
    }

    func testWeightsThatTheDetectorDoesNotHeedAreRefused() throws {
        var batches = [batch(0)]
        batches[0].weights = LabelWeights(instances: [[1], [1, 1]])
        let bench = try Bench(ToyDetector(columns: 5), batches)
        XCTAssertThrowsError(try bench.step.learn(bench.detector, views: batches.map { [LearningView($0)] })) { error in
            XCTAssertEqual(
                "\(error)",
                """
                error: the method weighs its labels, which the detector does not heed
                  where: key 'model.name'
                  do: choose a detector whose targets have weights
                """)
        }
    }

    func testACountThatIsNoNumberIsAnError() throws {
        let toy = TwoCounts(columns: 5)
        toy.second = .nan
        let bench = try Bench(toy, [batch(0)])
        XCTAssertThrowsError(try bench.step.learn(bench.detector, views: [[LearningView(batch(0))]])) { error in
            XCTAssertTrue("\(error)".hasPrefix("error: a count of the targets is nan\n  where: step 4\n"), "\(error)")
        }
    }

    // MARK: Several normalisers

    /// The second normaliser is the step's own count, from 2 upwards; both reach the losses in the detector's order.
    func testSeveralNormalizers() throws {
        let bench = try Bench(TwoCounts(columns: 5), [batch(0), batch(1)])
        XCTAssertEqual(bench.state.normalizers.values, [10, 5])
        _ = try bench.step.learn(bench.detector, views: bench.step.batches.map { [LearningView($0.groups[0])] })
        XCTAssertEqual(bench.state.normalizers.values, [0.9 * 10 + 0.1 * 6, 3])
        XCTAssertEqual(bench.detector.seen, [[9.6, 3], [9.6, 3]])
        bench.detector.second = 0.25
        _ = try bench.step.learn(bench.detector, views: bench.step.batches.map { [LearningView($0.groups[0])] })
        XCTAssertEqual(bench.state.normalizers.values[1], 2)
    }

    /// A checkpoint keeps every normaliser: a run that goes on ends in the bits of one that was not stopped.
    func testCheckpointsKeepEveryNormalizer() throws {
        let whole = try digest("whole") { _ in TwoCounts(columns: 5) }
        _ = try digest("part", stopAfter: 3) { _ in TwoCounts(columns: 5) }
        let stopped = try Checkpoint(path: folder + "/part/checkpoints/step-00000003.h5")
        XCTAssertEqual(Array(stopped.header.furtherNormalizers.keys), ["second"])
        XCTAssertEqual(try digest("part", resume: true) { _ in TwoCounts(columns: 5) }, whole)
        let ended = try Checkpoint(path: folder + "/part/checkpoints/step-00000008.h5")
        XCTAssertEqual(ended.header.furtherNormalizers["second"], 3)
        XCTAssertNotEqual(ended.header.furtherNormalizers["second"], ended.header.lossNormalizer)
    }

    func testACheckpointWithoutANormalizerIsRefused() throws {
        _ = try digest("toy", stopAfter: 3) { _ in ToyDetector(columns: 5) }
        XCTAssertThrowsError(try digest("toy", resume: true) { _ in TwoCounts(columns: 5) }) { error in
            XCTAssertTrue("\(error)".hasPrefix("error: the checkpoint lacks the normaliser 'second'"), "\(error)")
        }
    }
}

/// The toy detector with two normalisers.
private final class TwoCounts: AnnotationAssigned {
    struct Targets: DetectorTargets { var counts: [Double] }
    private let toy: ToyDetector
    /// What a shard counts for the second.
    var second = 1.5
    /// The normalisers given to the losses.
    private(set) var seen: [[Float]] = []

    init(columns: Int) { toy = ToyDetector(columns: columns) }

    let normalizers = [LossNormalizer("first"), LossNormalizer("second", share: 1, least: 2, initial: 5)]
    func visitParameters(_ visitor: ParameterVisitor) { toy.visitParameters(visitor) }
    func assignTargets(_ batch: PackedBatch) -> Targets { Targets(counts: toy.assignTargets(batch).counts + [second]) }
    func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> ToyDetector.Outputs { toy(features, pass) }
    func seedLosses(_ outputs: ToyDetector.Outputs, targets: Targets, normalizers: [Float], tape: Tape) -> [String: Double] {
        seen.append(normalizers)
        return toy.seedLosses(
            outputs, targets: PointTargets(classes: [], offsets: [], positives: []), normalizers: [normalizers[0] + normalizers[1]], tape: tape)
    }
    func detect(_ batch: PackedBatch) throws -> [[Detection]] { toy.detect(batch) }
}
