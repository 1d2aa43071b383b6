import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

final class SyntheticFeaturesTests: FolderTestCase {
    private func rows(_ source: SyntheticFeatures, _ video: Int) throws -> [Float] {
        var values = [Float](repeating: .nan, count: source.videos[video].rows * source.dimension)
        try values.withUnsafeMutableBufferPointer { try source.readRows(ofVideo: video, into: XCTUnwrap($0.baseAddress)) }
        return values
    }

    func testAnnotationsAreRandomButSound() throws {
        let set = try SyntheticFeatures.annotations(videos: 40, classes: 3, seed: 1)
        XCTAssertEqual(set.videos.count, 40)
        XCTAssertEqual(set.classes.names, ["action_0", "action_1", "action_2"])
        XCTAssertEqual(set.videos(in: "Validation").count, 27)
        XCTAssertEqual(set.videos(in: "Test").count, 13)
        XCTAssertEqual(set.videos[0].id, "synthetic_0001")
        XCTAssertEqual(Set(set.videos.flatMap { $0.instances.map(\.label) }), [0, 1, 2])
        for video in set.videos {
            XCTAssertTrue((3...8).contains(video.instances.count))
            var end = 0.0
            for instance in video.instances {
                XCTAssertGreaterThan(instance.segment.start, end)
                XCTAssertGreaterThanOrEqual(instance.segment.length, 0.98)
                end = instance.segment.end
            }
            XCTAssertLessThan(end, video.duration)
        }
        XCTAssertEqual(try SyntheticFeatures.annotations(videos: 40, classes: 3, seed: 1).videos, set.videos)
        XCTAssertNotEqual(try SyntheticFeatures.annotations(videos: 40, classes: 3, seed: 2).videos, set.videos)
    }

    func testFeaturesFollowTheSeedAlone() throws {
        func features(_ seed: UInt64) throws -> [[Float]] {
            let set = try SyntheticFeatures.annotations(videos: 3, classes: 2, seed: 5)
            let source = try SyntheticFeatures(annotations: set, dimension: 7, stride: 15, window: 30, seed: seed)
            return try [2, 0, 1, 0].map { try rows(source, $0) }
        }
        let first = try features(9)
        XCTAssertEqual(first[1], first[3])
        XCTAssertEqual(try features(9), first)
        XCTAssertNotEqual(try features(10), first)
    }

    func testRowCountsAreThoseTheImporterExpects() throws {
        let set = try SyntheticFeatures.annotations(videos: 20, classes: 2, seed: 3)
        for (stride, window) in [(4.0, 16.0), (15, 30), (8, 8)] {
            for video in try SyntheticFeatures(annotations: set, dimension: 2, stride: stride, window: window, seed: 0).videos {
                XCTAssertTrue(RowCountCheck(duration: video.annotation.duration, grid: video.grid).accepts(video.rows))
            }
        }
    }

    /// Actions of a class look alike and differ from other classes and from the background, by far less than one value's noise.
    func testClassesShowInTheMeanButNotInOneValue() throws {
        let set = try SyntheticFeatures.annotations(videos: 60, classes: 2, seed: 4)
        let source = try SyntheticFeatures(annotations: set, dimension: 128, stride: 15, window: 30, seed: 4)
        var sums = [[Float]](repeating: [Float](repeating: 0, count: 128), count: 3)
        var counts = [Float](repeating: 0, count: 3)
        var squares: Float = 0
        for (index, video) in source.videos.enumerated() {
            let values = try rows(source, index)
            for row in 0..<video.rows {
                let seconds = video.grid.seconds(atPosition: Double(row))
                let label = video.annotation.instances.first { $0.segment.start + 1 < seconds && seconds < $0.segment.end - 1 }?.label
                let near = video.annotation.instances.contains { $0.segment.start - 1 < seconds && seconds < $0.segment.end + 1 }
                guard label != nil || !near else { continue }
                counts[label ?? 2] += 1
                for column in 0..<128 {
                    sums[label ?? 2][column] += values[row * 128 + column]
                    squares += values[row * 128 + column] * values[row * 128 + column]
                }
            }
        }
        let means = sums.indices.map { group in sums[group].map { $0 / counts[group] } }
        func distance(_ a: Int, _ b: Int) -> Float { zip(means[a], means[b]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot() }
        XCTAssertEqual(distance(0, 2), 4, accuracy: 1.2)
        XCTAssertEqual(distance(1, 2), 4, accuracy: 1.2)
        XCTAssertGreaterThan(distance(0, 1), 4)
        let deviation = (squares / (counts.reduce(0, +) * 128)).squareRoot()
        XCTAssertEqual(deviation, 1.1, accuracy: 0.2)
    }

    func testRefusals() throws {
        assertFailure("error: --videos is 0\n  do: give a number above 0", kind: .wrongUsage) {
            try SyntheticFeatures.annotations(videos: 0, classes: 2, seed: 0)
        }
        let set = try SyntheticFeatures.annotations(videos: 2, classes: 2, seed: 0)
        assertFailure("error: --dimension is 0\n  do: give a number above 0", kind: .wrongUsage) {
            try SyntheticFeatures(annotations: set, dimension: 0, stride: 4, window: 16, seed: 0)
        }
        assertFailure("error: --dimension is 9223372036854775807\n  do: give a number from 1 to 65536", kind: .wrongUsage) {
            try SyntheticFeatures(annotations: set, dimension: .max, stride: 4, window: 16, seed: 0)
        }
        assertFailure("error: --videos is 1000001\n  do: give a number from 1 to 1000000", kind: .wrongUsage) {
            try SyntheticFeatures.annotations(videos: 1_000_001, classes: 2, seed: 0)
        }
        assertFailure("error: --classes is 9223372036854775807\n  do: give a number from 1 to 10000", kind: .wrongUsage) {
            try SyntheticFeatures.annotations(videos: 2, classes: .max, seed: 0)
        }
        assertFailure("error: --feature-stride is 1e-25\n  do: give a number from 1e-06 to 1000000000", kind: .wrongUsage) {
            try SyntheticFeatures(annotations: set, dimension: 2, stride: 1e-25, window: 16, seed: 0)
        }
        let long = AnnotationSet(
            version: "", classes: set.classes, videos: [VideoAnnotation(id: "a", subset: "Test", duration: 1e6, fps: 500, instances: [])])
        assertFailure(
            """
            error: 1000000.0 s at 500.0 fps with stride 1.0 make 500000000.0 feature rows, more than 100000000
              where: video 'a'
              do: check the video's duration, the frames per second and --feature-stride
            """
        ) { try SyntheticFeatures(annotations: long, dimension: 2, stride: 1, window: 1, seed: 0) }
        assertFailure("error: --window is -1.0\n  do: give a number above 0", kind: .wrongUsage) {
            try SyntheticFeatures(annotations: set, dimension: 2, stride: 4, window: -1, seed: 0)
        }
    }
}
