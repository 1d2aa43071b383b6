import ActionDetection
import Checkpoints
import Collectives
import Diagnostics
import FeatureStore
import Foundation
import HDF5
import NeuralNetworks
import RunRecords
import StandardRegistry
import TemporalAnnotations
import TestSupport
import Training
import TrainingMethods
import XCTest

/// A checkpoint on stores with other classes and other rates than those of its training.
final class TrainedDetectorTests: XCTestCase {
    private var folder = ""
    private func path(_ name: String) -> String { folder + "/" + name }

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-detector-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private static let names = ["run", "jump", "STAND_TO_SIT"]

    private func configuration(_ overrides: [String] = []) throws -> RunConfiguration {
        try RunConfiguration(
            yaml: """
                data: {store: nowhere.h5}
                model:
                  {backbone_arch: [1, 1, 1], n_mha_win_size: 5, n_head: 2, embd_dim: 8, fpn_dim: 8, head_dim: 8, regression_range: [[0, 4], [4, 10000]]}
                training: {iterations: 2, threads: 1, cls_prior_prob: 0.3}
                """, file: "run.yaml", overrides: overrides, registry: .standard)
    }

    /// Writes a checkpoint of first weights.
    private func writeCheckpoint(rate: FeatureRate?, classes: [String] = names, storeDigest: String = "elsewhere") throws {
        let configuration = try configuration()
        let detector = try configuration.detector(inputDimension: 4, classes: classes.count)
        detector.initializeParameters(seed: 3)
        let state = TrainingState(arena: ParameterArena(detector), weightDecay: 0, emaDecay: 0.9, initialLossNormalizer: 1)
        let header = Checkpoint.Header(
            programVersion: "0.1.0", step: 5, optimizerStep: 5, seed: 0, lossNormalizer: 1, configuration: configuration.canonicalYAML,
            configurationDigest: configuration.digest, storeDigest: storeDigest, classes: classes, inputDimension: 4, featureRate: rate)
        try Checkpoint.write(state, header: header, to: path("c.h5"))
    }

    private func writeStore(_ name: String, classes: [String] = names, _ add: (inout MemoryFeatures) -> Void) throws {
        var features = MemoryFeatures(classes: classes)
        add(&features)
        try FeatureStoreWriter().write(features, to: path(name))
    }

    private func open(_ store: String, _ overrides: [String] = []) throws -> TrainedDetector {
        try TrainedDetector(checkpoint: path("c.h5"), store: path(store), weights: .current, overrides: overrides, registry: .standard)
    }

    private func detections(_ detector: TrainedDetector) throws -> Data {
        let found = try detector.detect(videos: Array(detector.store.videos.indices), communicator: try Communicator.world())
        XCTAssertFalse(try XCTUnwrap(found)[0].detections.isEmpty)
        return try DetectionFile.json(try XCTUnwrap(found), classes: detector.classes)
    }

    private func said(_ notes: [String]) -> [String] { notes.map { $0.replacingOccurrences(of: folder, with: "FOLDER") } }

    private func refused(_ expected: String, code: Int32 = 3, _ body: () throws -> Void, line: UInt = #line) {
        XCTAssertThrowsError(try body(), line: line) { error in
            XCTAssertEqual("\(error)".replacingOccurrences(of: folder, with: "FOLDER"), expected, line: line)
            XCTAssertEqual((error as? Failure)?.exitCode, code, line: line)
        }
    }

    private static func rate(_ secondsPerRow: Double, to most: Double? = nil, window: Double = 1, rows: Int? = nil) -> FeatureRate {
        FeatureRate(
            secondsPerRow: .init(least: secondsPerRow, median: secondsPerRow, greatest: most ?? secondsPerRow),
            secondsPerWindow: .init(least: window, median: window, greatest: window), rowsPerVideo: rows)
    }

    // MARK: Classes

    /// Whatever classes a store has, the detections are the same, under the checkpoint's names.
    func testClassesAreTheCheckpoints() throws {
        try writeCheckpoint(rate: Self.rate(0.5))
        func video(_ features: inout MemoryFeatures) { features.add("v", rows: 30, stride: 15, window: 30) }
        try writeStore("same.h5", video)
        let same = try open("same.h5")
        try same.fitRate(videos: [0], resampling: false)
        XCTAssertEqual(same.notes, [])
        let expected = try detections(same)
        XCTAssertTrue(String(decoding: expected, as: UTF8.self).contains("\"STAND_TO_SIT\""))
        let all = "the checkpoint knows 'run', 'jump', 'STAND_TO_SIT'"
        let cases: [(classes: [String], notes: [String])] = [
            ([], []), (["jump"], []), (["STAND_TO_SIT", "jump", "run"], []),
            (
                ["run", "Stand to sit", "jump", "swim far away"],
                [
                    "warning: 2 of the 4 classes of the store 'FOLDER/other.h5' cannot be detected: "
                        + "'Stand to sit' (did you mean 'STAND_TO_SIT'?), 'swim far away'; \(all)"
                ]
            ),
            (["swim far away"], ["warning: the class of the store 'FOLDER/other.h5' cannot be detected: 'swim far away'; \(all)"]),
            (
                ["swim far away", "JUMP"],
                [
                    "warning: all 2 classes of the store 'FOLDER/other.h5' cannot be detected: 'swim far away', 'JUMP' (did you mean 'jump'?); \(all)"
                ]
            ),
        ]
        // No more than eight are named.
        let many = (0..<2_000).map { "an action far away from others, number \($0)" }
        let named = many.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
        XCTAssertEqual(
            ClassMatch(known: Self.names, asked: many).warnings(store: "s.h5", holder: "the checkpoint"),
            ["warning: all 2000 classes of the store 's.h5' cannot be detected: \(named) and 1992 more; \(all)"])
        for (classes, notes) in cases {
            try writeStore("other.h5", classes: classes, video)
            let other = try open("other.h5")
            try other.fitRate(videos: [0], resampling: false)
            XCTAssertEqual(said(other.notes), notes, "\(classes)")
            XCTAssertEqual(try detections(other), expected, "\(classes)")
        }
    }

    /// Keys that count classes and columns are compared with the checkpoint, not with the store.
    func testKeysFollowTheCheckpoint() throws {
        try writeCheckpoint(rate: Self.rate(0.5))
        try writeStore("s.h5", classes: ["run"]) { $0.add("v", rows: 30, stride: 15, window: 30) }
        XCTAssertNoThrow(try open("s.h5", ["training.head_empty_cls=[2]"]))
        refused(
            """
            error: class 3 does not exist: the checkpoint has 3 classes
              where: file 'FOLDER/c.h5', key 'training.head_empty_cls'
              do: give indices from 0 to 2
            """
        ) { _ = try open("s.h5", ["training.head_empty_cls=[3]"]) }
        refused(
            """
            error: the checkpoint's features have 4 columns, the configuration says 5
              where: file 'FOLDER/c.h5', key 'model.input_dimension'
              do: use the store that the configuration was written for, or leave model.input_dimension out
            """
        ) { _ = try open("s.h5", ["model.input_dimension=5"]) }
        try writeCheckpoint(rate: nil, classes: ["run", "run"])
        refused(
            """
            error: the checkpoint names the class 'run' twice
              where: file 'FOLDER/c.h5'
              do: use an older checkpoint of the run
            """
        ) { _ = try open("s.h5") }
    }

    // MARK: Rates

    private func fit(_ store: String, resampling: Bool = false) throws -> TrainedDetector {
        let detector = try open(store)
        try detector.fitRate(videos: Array(detector.store.videos.indices), resampling: resampling)
        return detector
    }

    func testRowsAtAnotherRateAreRefused() throws {
        try writeStore("s.h5") {
            $0.add("a", rows: 30, stride: 30, window: 30)
            $0.add("b", rows: 30, stride: 15, window: 30)
            $0.add("c", rows: 30, stride: 24, window: 30)
        }
        try writeCheckpoint(rate: Self.rate(0.5))
        refused(
            """
            error: the rows of 2 of 3 videos are 0.8 to 1 s apart, the model was trained on rows 0.5 s apart
              where: file 'FOLDER/s.h5', file 'FOLDER/c.h5', video 'a'
              do: use features of the training's extractor settings, or add --resample to interpolate the rows to 0.5 s apart
            """
        ) { _ = try fit("s.h5") }
        // Videos that are not detected do not count.
        XCTAssertNoThrow(try open("s.h5").fitRate(videos: [1], resampling: false))
        // The training had rows as far apart as these, and a little further.
        try writeCheckpoint(rate: Self.rate(0.49, to: 0.99))
        XCTAssertEqual(try fit("s.h5").notes, [])
        try writeCheckpoint(rate: Self.rate(0.5, to: 0.95))
        XCTAssertEqual(
            try fit("s.h5").notes,
            [
                "warning: the rows of 1 of 3 videos are 1 s apart, the model was trained on rows 0.5 to 0.95 s apart: "
                    + "--resample brings them to that rate"
            ])
        try writeCheckpoint(rate: Self.rate(0.6, to: 1))
        XCTAssertThrowsError(try fit("s.h5"))
    }

    func testAnotherWindowIsAWarning() throws {
        try writeStore("s.h5") {
            $0.add("a", rows: 30, stride: 15, window: 30)
            $0.add("b", rows: 30, stride: 15, window: 16)
        }
        try writeCheckpoint(rate: Self.rate(0.5))
        XCTAssertEqual(
            try fit("s.h5").notes,
            [
                "warning: the rows of 1 of 2 videos see windows of 0.5333 s, the model was trained on windows of 1 s: "
                    + "use features of the same extractor settings, or correct --window of the import"
            ])
    }

    func testRowsPerVideo() throws {
        try writeStore("s.h5") {
            $0.add("a", rows: 30, stride: 15, window: 30)
            $0.add("b", rows: 50, stride: 15, window: 30)
            $0.add("c", rows: 20, stride: 9, window: 9)
        }
        try writeCheckpoint(rate: Self.rate(0.3, to: 5, rows: 20))
        refused(
            """
            error: 2 of 3 videos have 30 to 50 rows, the model was trained on 20 rows per video, whatever its length
              where: file 'FOLDER/s.h5', file 'FOLDER/c.h5', video 'a'
              do: use features of the training's extractor settings, or add --resample to interpolate the rows to 20 per video
            """
        ) { _ = try fit("s.h5") }
        let fitted = try fit("s.h5", resampling: true)
        XCTAssertEqual(fitted.notes, ["the rows of 2 of 3 videos are interpolated to 20 per video"])
        _ = try detections(fitted)
    }

    /// Rows of half the rate, interpolated, give what rows of the checkpoint's rate give, where the features are linear in between.
    func testResampledRowsGiveTheDetectionsOfTheRate() throws {
        try writeCheckpoint(rate: Self.rate(0.5))
        try writeStore("fine.h5") { $0.add("v", rows: 79, stride: 15, window: 30) }
        try writeStore("finest.h5") { $0.add("v", rows: 157, stride: 7.5, window: 30) }
        try writeStore("coarse.h5") { $0.add("v", rows: 40, stride: 30, window: 30) }
        let expected = try detections(try fit("fine.h5"))
        XCTAssertThrowsError(try fit("finest.h5"))
        // Every second row: the same to the bit.
        XCTAssertEqual(try detections(try fit("finest.h5", resampling: true)), expected)
        XCTAssertEqual(try detections(try fit("fine.h5", resampling: true)), expected)
        let coarse = try fit("coarse.h5", resampling: true)
        XCTAssertEqual(coarse.notes, ["the rows of 1 of 1 videos are interpolated to 0.5 s apart"])
        let found = try XCTUnwrap(try coarse.detect(videos: [0], communicator: try Communicator.world()))[0].detections
        XCTAssertFalse(found.isEmpty)
        // In seconds of the video, up to its end.
        XCTAssertGreaterThan(found.map(\.segment.end).max() ?? 0, 30)
        XCTAssertLessThanOrEqual(found.map(\.segment.end).max() ?? 0, 40)
    }

    /// Checkpoints of earlier versions do not know their rate: on the store of their training it is that store's, on others it is said once.
    func testCheckpointsWithoutARate() throws {
        try writeStore("s.h5") { $0.add("a", rows: 30, stride: 30, window: 30) }
        try writeCheckpoint(rate: nil)
        let file = try HDF5File.open(path("c.h5"))
        XCTAssertFalse(file.exists("feature_rate") || file.exists("program_digest"))
        file.close()
        XCTAssertEqual(
            said(try fit("s.h5").notes),
            [
                "warning: the checkpoint 'FOLDER/c.h5', written by kairos 0.1.0, does not record how far apart the rows of its training were: "
                    + "make sure that they were 1 s apart, as in this store"
            ])
        refused(
            """
            error: the checkpoint, written by kairos 0.1.0, does not record how far apart the rows of its training were
              where: file 'FOLDER/c.h5'
              do: leave --resample out, and make sure that the store was made with the stride of the training
            """
        ) { _ = try fit("s.h5", resampling: true) }
        try writeCheckpoint(rate: nil, storeDigest: try FeatureStore(path: path("s.h5")).digest)
        XCTAssertEqual(try fit("s.h5").notes, [])
        XCTAssertEqual(try fit("s.h5", resampling: true).notes, [])
    }
}
