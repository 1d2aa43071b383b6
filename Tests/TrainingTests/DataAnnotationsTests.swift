import Collectives
import Diagnostics
import FeatureStore
import Foundation
import StandardRegistry
import TemporalAnnotations
import Training
import TrainingMethods
import XCTest

/// `data.annotations`: files that know other classes, other videos or another order than the store.
final class DataAnnotationsTests: XCTestCase {
    private var folder = ""
    private let annotations = try? SyntheticFeatures.annotations(videos: 9, classes: 2, seed: 4)

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-annotations-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let source = try SyntheticFeatures(annotations: try XCTUnwrap(annotations), dimension: 5, stride: 15, window: 30, seed: 4)
        try FeatureStoreWriter().write(source, to: folder + "/store.h5")
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private func run(_ name: String, _ set: AnnotationSet?) throws -> TrainingRun {
        try set?.write(to: "\(folder)/\(name).json")
        let configuration = try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/store.h5", virtual_shards: 2, batch_size: 4}
                training: {iterations: 1, warmup_iterations: 0, learning_rate: 0.01, threads: 1}
                """, file: "run.yaml", overrides: set == nil ? [] : ["data.annotations=\(folder)/\(name).json"])
        return try TrainingRun(
            configuration, folder: "\(folder)/\(name)", resume: false, communicator: try Communicator.world(),
            makeDetector: { _, store, _ in ToyDetector(columns: store.dimension) })
    }

    /// The test videos alone, with the classes numbered the other way round: the same numbers as with the store's own annotations.
    func testClassesAreMatchedByName() throws {
        var set = try XCTUnwrap(annotations)
        let own = try run("own", nil).run().evaluation
        set.classes = ClassMap(names: set.classes.names.reversed())
        set.videos = set.videos(in: "Test").map { video in
            var video = video
            video.instances = video.instances.map { ActionInstance(segment: $0.segment, label: 1 - $0.label) }
            return video
        }
        XCTAssertEqual(try run("turned", set).run().evaluation, own)
        // One class alone, and videos that the store does not have.
        set.videos = set.videos.map { video in
            var video = video
            video.instances = video.instances.filter { $0.label == 0 }
            return video
        }
        set.videos.append(VideoAnnotation(id: "elsewhere", subset: "Test", duration: 30, fps: 30, instances: []))
        let fewer = try run("fewer", set)
        XCTAssertTrue(
            fewer.notes.contains(
                "warning: the store lacks 1 of the 4 videos that '\(folder)/fewer.json' has of subset 'Test', the first is 'elsewhere': "
                    + "their actions count as missed"), "\(fewer.notes)")
        XCTAssertEqual(try XCTUnwrap(try fewer.run().evaluation).apPerClass.keys.sorted(), [set.classes.names[0]])
        let all = try classesDetected("fewer"), lacking = all.count { $0 == set.classes.names[1] }
        XCTAssertGreaterThan(lacking, 0)
        XCTAssertEqual(
            fewer.notes.last,
            "warning: \(lacking) of \(all.count) detections are of a class that the annotations lack and are passed over: '\(set.classes.names[1])'; "
                + "'\(set.classes.names[1])' is close to '\(set.classes.names[0])'")
    }

    /// A store made with some classes alone, and the annotations of all: what the store lacks is background.
    func testClassesThatTheStoreLacksAreBackground() throws {
        var set = try XCTUnwrap(annotations)
        let own = try run("own", nil).run().evaluation
        set.classes = ClassMap(names: ["another"] + set.classes.names)
        set.videos = set.videos.map { video in
            var video = video
            video.instances = video.instances.map { ActionInstance(segment: $0.segment, label: $0.label + 1) }
            video.instances.append(ActionInstance(segment: Segment(start: 0, end: video.duration / 2), label: 0))
            return video
        }
        let more = try run("more", set)
        XCTAssertTrue(
            more.notes.contains(
                "warning: 9 actions in '\(folder)/more.json' are of classes that the store lacks, and count as background: 'another'"),
            "\(more.notes)")
        XCTAssertEqual(try more.run().evaluation, own)
        // A name that is nearly one of the store's is a fault.
        let right = set.classes.names[1]
        set.classes = ClassMap(names: ["another", right + "s", set.classes.names[2]])
        XCTAssertThrowsError(try run("misspelt", set)) {
            XCTAssertEqual(($0 as? Failure)?.what, "class '\(right)s' is unknown; did you mean '\(right)'?", "\($0)")
        }
    }

    /// The class of every detection that a run has written.
    private func classesDetected(_ name: String) throws -> [String] {
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)/predictions.json")))
        let results = try XCTUnwrap((json as? [String: Any])?["results"] as? [String: [[String: Any]]])
        return results.values.joined().compactMap { $0["label"] as? String }
    }

    func testSegmentsInFramesAreRefused() throws {
        var set = try XCTUnwrap(annotations)
        set.videos = set.videos.map { video in
            var video = video
            video.instances = video.instances.map {
                ActionInstance(segment: Segment(start: 30 * $0.segment.start, end: 30 * $0.segment.end), label: $0.label)
            }
            return video
        }
        XCTAssertThrowsError(try run("frames", set)) {
            XCTAssertTrue(
                "\($0)".contains("annotated segments lie outside their videos, or more than half of each does; they look like numbers of frames"),
                "\($0)")
        }
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/frames"))
    }
}
