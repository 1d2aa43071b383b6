import Checkpoints
import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import RunRecords
import StandardRegistry
import TemporalAnnotations
import Training
import TrainingMethods
import WeakSupervision
import XCTest

/// Runs on stores whose recordings have classes without segments.
final class WeakLabelTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-weak-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    /// Features of recordings with segments; some are then known by their classes alone.
    private struct Weakened: FeatureSource {
        let source: SyntheticFeatures
        var videos: [VideoPlan]
        var classes: ClassMap { source.classes }
        var dimension: Int { source.dimension }

        init(_ source: SyntheticFeatures, where isWeak: (Int, VideoAnnotation) -> Bool) {
            self.source = source
            videos = source.videos
            for index in videos.indices where isWeak(index, videos[index].annotation) {
                videos[index].annotation.weakLabels = videos[index].annotation.knownClasses
                videos[index].annotation.instances = []
            }
        }

        func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws { try source.readRows(ofVideo: index, into: target) }
    }

    private func store(_ name: String, where isWeak: (Int, VideoAnnotation) -> Bool) throws {
        let annotations = try SyntheticFeatures.annotations(videos: 9, classes: 2, seed: 4)
        let source = try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4)
        try FeatureStoreWriter().write(Weakened(source, where: isWeak), to: "\(folder)/\(name).h5")
    }

    private func run(_ name: String, _ store: String, _ overrides: [String] = []) throws -> TrainingRun {
        let configuration = try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/\(store).h5", virtual_shards: 2, batch_size: 2}
                model: {backbone_arch: [1, 0, 1], embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 8], [8, 10000]]}
                training: {iterations: 4, warmup_iterations: 2, learning_rate: 0.01, threads: 1}
                method: {name: fustal}
                fustal: {embedding_dim: 8, segments: 20, generator_iterations: 4, generator_batch_size: 2, generator_learning_rate: 0.05,
                  filter: none, distill_after_iterations: 2, distill_score: 0.01}
                """, file: "run.yaml", overrides: overrides)
        return try TrainingRun(configuration, folder: "\(folder)/\(name)", resume: false, communicator: try Communicator.world())
    }

    private func refuses(_ expected: String, line: UInt = #line, _ body: () throws -> Void) {
        XCTAssertThrowsError(try body(), line: line) {
            XCTAssertEqual("\($0)".replacingOccurrences(of: folder, with: "FOLDER"), expected, line: line)
        }
    }

    /// Segments are never looked at in training: without them the weights are the same, bit by bit. What is measured against them is missing.
    func testTheSameWeightsWithoutSegments() throws {
        try store("segments") { _, _ in false }
        try store("classes") { _, _ in true }
        var weights: [[[Float]]] = []
        for name in ["segments", "classes"] {
            let training = try run(name, name), outcome = try training.run()
            XCTAssertEqual(outcome.evaluation == nil, name == "classes")
            weights.append(try Checkpoint(path: outcome.checkpoint).published(.current).map(\.values))
            let round = try String(contentsOfFile: "\(folder)/\(name)/pseudo_labels/round-1.json", encoding: .utf8)
            XCTAssertEqual(round.contains("\"quality\": null"), name == "classes", name)
            if name == "classes" {
                XCTAssertEqual(
                    training.notes.last,
                    "subset 'Test' has weak labels only: metrics.json was not written; the detections are in '\(folder)/classes/predictions.json'")
            }
        }
        XCTAssertEqual(weights[0], weights[1])
    }

    /// With `label_overlap`, labels of the student and of distillation lie apart, over all classes.
    func testLabelsApart() throws {
        try store("apart") { _, _ in false }
        let classes = try FeatureStore(path: "\(folder)/apart.h5").classes
        for (overlap, isApart) in [(1.0, false), (0.2, true)] {
            let name = "apart \(overlap)"
            _ = try run(name, "apart", ["fustal.label_overlap=\(overlap)"]).run()
            for round in 1...2 {
                let labels = try RunFolder("\(folder)/\(name)").readPseudoLabels(round: round, classes: classes).labels.filter(\.fate.isLabel)
                XCTAssertFalse(labels.isEmpty)
                let worst = labels.indices.flatMap { i in
                    labels[..<i].filter { $0.video == labels[i].video }.map { $0.segment.tIoU(labels[i].segment) }
                }.max()
                XCTAssertEqual((worst ?? 0) <= 0.2, isApart, "\(name), round \(round): \(worst ?? 0)")
            }
        }
    }

    func testWhatNeedsSegmentsRefuses() throws {
        try store("mixed") { index, video in index == 2 || video.subset == "Test" && index % 2 == 0 }
        refuses(
            """
            error: 1 of the 6 labelled recordings have weak labels only (classes without segments), the method 'supervised' learns from segments
              where: file 'FOLDER/mixed.h5', key 'method.name', video 'synthetic_0003'
              do: set method.name to fustal, or choose recordings with segments by data.labeled_order
            """
        ) { _ = try run("s", "mixed", ["method.name=supervised"]) }
        refuses(
            """
            error: 2 of the 3 recordings to evaluate have weak labels only (classes without segments): there is nothing to compare their detections with
              where: file 'FOLDER/mixed.h5', key 'data.evaluation_subset', video 'synthetic_0007'
              do: give data.annotations with segments, or set data.evaluation_subset to null
            """
        ) { _ = try run("e", "mixed") }
        // Chosen recordings with segments, and no evaluation: nothing is in the way.
        try Data("[\"synthetic_0001\", \"synthetic_0002\"]".utf8).write(to: URL(fileURLWithPath: folder + "/order.json"))
        XCTAssertNoThrow(
            try run(
                "o", "mixed",
                ["method.name=supervised", "data.labeled_order=\(folder)/order.json", "data.labeled_fraction=0.3", "data.evaluation_subset=null"]))
    }
}
