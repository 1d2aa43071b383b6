import Collectives
import FeatureStore
import Foundation
import Kernels
import RunRecords
import StandardRegistry
import Training
import TrainingMethods
import XCTest

/// Runs of a toy detector on a small synthesized store.
class ToyRunTestCase: XCTestCase {
    private(set) var folder = ""
    var store: String { folder + "/store.h5" }

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-trainer-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let annotations = try SyntheticFeatures.annotations(videos: 9, classes: 2, seed: 4)
        try FeatureStoreWriter().write(try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4), to: store)
    }
    override func tearDown() {
        try? FileManager.default.removeItem(atPath: folder)
        ComputeContext.current.backend = .openblas
    }

    func configuration(_ overrides: [String] = []) throws -> RunConfiguration {
        try RunConfiguration(
            yaml: """
                data: {store: "\(store)", virtual_shards: 2, batch_size: 4}
                training: {iterations: 12, warmup_iterations: 2, learning_rate: 0.01, checkpoint_every: 5, log_every: 2, threads: 1, weight_decay: 0.1}
                """, file: "run.yaml", overrides: overrides)
    }

    func run(
        _ name: String, _ overrides: [String] = [], resume: Bool = false, extends: Bool = false, toy: ((FeatureStore) -> ToyDetector)? = nil
    ) throws -> TrainingRun {
        try TrainingRun(
            try configuration(overrides), folder: "\(folder)/\(name)", resume: resume, extends: extends, communicator: try Communicator.world(),
            observers: [LogObserver()], makeDetector: { _, store, _ in toy?(store) ?? ToyDetector(columns: store.dimension) })
    }

    func refused(_ expected: String, _ body: () throws -> Void, line: UInt = #line) {
        XCTAssertThrowsError(try body(), line: line) { error in
            XCTAssertEqual("\(error)".replacingOccurrences(of: folder, with: "FOLDER"), expected, line: line)
        }
    }
}
