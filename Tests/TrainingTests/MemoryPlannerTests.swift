import Autograd
import Collectives
import FeatureStore
import Foundation
import StandardRegistry
import Training
import TrainingMethods
import XCTest

/// What is estimated of a run, against what its buffers come to.
final class MemoryPlannerTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-planner-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let annotations = try SyntheticFeatures.annotations(videos: 9, classes: 2, seed: 4)
        try FeatureStoreWriter().write(
            try SyntheticFeatures(annotations: annotations, dimension: 16, stride: 15, window: 30, seed: 4), to: folder + "/store.h5")
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private func configuration(_ overrides: [String]) throws -> RunConfiguration {
        try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/store.h5", virtual_shards: 2, batch_size: 4, max_rows: 50, evaluation_subset: null}
                model:
                  {backbone_arch: [1, 1, 2], embd_dim: 48, fpn_dim: 48, head_dim: 48, regression_range: [[0, 4], [4, 16], [16, 10000]]}
                training: {iterations: 3, warmup_iterations: 1, learning_rate: 0.01, threads: 1}
                """, file: "run.yaml", overrides: overrides)
    }

    func testSupervisedRuns() throws {
        let triDet =
            "model={name: tridet, backbone_arch: [1, 1, 2], n_sgp_win_size: 3, sgp_mlp_dim: 96, embd_dim: 48, fpn_dim: 48, head_dim: 48, "
            + "regression_range: [[0, 4], [4, 16], [16, 10000]]}"
        // All shards of a rank run forward before the first runs backward.
        let temporalMaxer =
            "model={name: temporalmaxer, backbone_arch: [1, 0, 2], embd_dim: 48, fpn_dim: 48, head_dim: 48, "
            + "regression_range: [[0, 4], [4, 16], [16, 10000]]}"
        for (name, overrides) in [
            ("temporalmaxer", [temporalMaxer]), ("temporalmaxer, one shard", [temporalMaxer, "data.virtual_shards=1"]),
            ("windowed", ["model.n_mha_win_size=9"]), ("global", []), ("recompute", ["training.recompute_mlp=true"]), ("tridet", [triDet]),
            ("one shard", ["data.virtual_shards=1"]),
        ] {
            let configuration = try configuration(overrides), communicator = try Communicator.world()
            let store = try FeatureStore(path: configuration.data.store)
            let detector = try TrainingRun.makeDetector(configuration, store)
            let training = store.videos.indices.filter { store.videos[$0].annotation.subset == "Validation" }
            let method = try SupervisedMethod(store: store, detector: detector, labeled: training, configuration: configuration)
            let estimate = try MemoryPlanner(configuration, detector: detector, store: store, communicator: communicator).run(method, evaluated: [])
            let run = try TrainingRun(configuration, folder: "\(folder)/\(name)", resume: false, communicator: communicator)
            let pool = BufferPool.shared, before = pool.usedBytes
            pool.resetPeak()
            _ = try run.run()
            let measured = Double(pool.peakBytes - before), estimated = Double(try XCTUnwrap(estimate.largestPhase).bytes)
            XCTAssertGreaterThan(estimated / measured, 0.9, "\(name): \(estimate.text), \(measured) measured")
            XCTAssertLessThan(estimated / measured, 1.3, "\(name): \(estimate.text), \(measured) measured")
        }
    }

    func testParts() throws {
        let configuration = try configuration(["data.virtual_shards=4"]), communicator = try Communicator.alone()
        let store = try FeatureStore(path: configuration.data.store), detector = try TrainingRun.makeDetector(configuration, store)
        let planner = try MemoryPlanner(configuration, detector: detector, store: store, communicator: communicator)
        let parts = planner.trainedParts(detector, reduction: configuration.training.reductionOptions)
        let array = 4 * detector.namedParameters.reduce(0) { $0 + ($1.parameter.count + 15) / 16 * 16 }
        XCTAssertEqual(
            parts.map(\.name), ["weights", "gradients", "moments", "weight average", "gradient messages"])
        // Four shards of one rank: sums of two, of one, and the array that is written to.
        XCTAssertEqual(parts.map(\.bytes), [array, 3 * array, 2 * array, array, 0])
    }

    func testTheLongestBatchIsThatOfAShard() throws {
        let configuration = try configuration(["data.max_rows=70"]), communicator = try Communicator.alone()
        let store = try FeatureStore(path: configuration.data.store), detector = try TrainingRun.makeDetector(configuration, store)
        let planner = try MemoryPlanner(
            configuration, detector: detector, dimension: store.dimension, classes: 2, rows: [30, 90, 20, 80, 40], communicator: communicator)
        XCTAssertEqual(planner.longestBatch([0, 1, 2, 3, 4], perStep: 2), [70, 40])
        XCTAssertEqual(planner.longestBatch([0, 1, 2, 3, 4], perStep: 2, isCropped: false), [90, 40])
        // The last ones again when there are too few.
        XCTAssertEqual(planner.longestBatch([2], perStep: 3), [20, 20, 20])
        XCTAssertEqual(planner.longestBatch([], perStep: 3), [])
    }
}
