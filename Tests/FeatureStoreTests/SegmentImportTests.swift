import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// Actions that do not lie in their videos, on import: all are looked at before anything is said.
final class SegmentImportTests: FolderTestCase {
    /// Videos of 10 s at 25 fps with these segments each; their rows stand every 4 frames.
    private func source(_ segments: [[[Double]]], cuts: Bool) throws -> NumpyFeatures {
        let videos = try segments.enumerated().map { index, list in
            try NumpyFixtures.npy(shape: [60, 4]).write(to: URL(fileURLWithPath: path("v\(index).npy")))
            return VideoAnnotation(
                id: VideoID("v\(index)"), subset: "Test", duration: 10, fps: 25,
                instances: list.map { ActionInstance(segment: Segment(start: $0[0], end: $0[1]), label: 0) })
        }
        var options = NumpyFeatures.Options()
        options.cutSegments = cuts
        let set = AnnotationSet(version: "", classes: ClassMap(names: ["run"]), videos: videos)
        return try NumpyFeatures(folder: folder, annotations: set, options: options, annotationsPath: "a.json")
    }

    private let good = [[1.0, 2], [3, 4], [5, 6], [7, 8], [8, 9]]

    func testSegmentsInFrames() throws {
        let frames = good.map { $0.map { 25 * $0 } }
        assertFailure(
            """
            error: 10 of 10 segments lie outside their videos, or more than half of each does, in 2 videos: 'v0', 'v1'; they look like numbers of \
            frames: divide them by the frames per second
              where: file 'a.json'
              do: write segments as [start, end] in seconds
            """
        ) { try source([frames, frames], cuts: true) }
        assertFailure(
            """
            error: 2 of 2 videos do not fit:
                'v0', 'v1': the segment [25.0, 50.0] of class 'run' lies outside the video of 10.0 s
              where: file 'FOLDER'
              do: write segments as [start, end] in seconds: 10 of 10 lie outside their videos, they look like numbers of frames: divide them by the \
            frames per second
            """
        ) { try source([frames, frames], cuts: false) }
    }

    func testSomeSegmentsOutside() throws {
        assertFailure(
            """
            error: 2 of 3 videos do not fit:
                'v1': the segment [9.0, 12.0] of class 'run' lies outside the video of 10.0 s
                'v2': the segment [3.0, 3.0] of class 'run' has no length
              where: file 'FOLDER'
              do: correct the annotations, or give --duration-from-features v1,v2 where the durations are wrong, or --cut-segments
            """
        ) { try source([good, good + [[9, 12]], good + [[3, 3]]], cuts: false) }
        let cut = try source([good, good, good + [[11, 12], [8, 12]], good], cuts: true)
        XCTAssertEqual(cut.videos.map(\.annotation.instances.count), [5, 5, 6, 5])
        XCTAssertEqual(
            cut.notes,
            [
                "segments left out: 1 of 22; cut to their videos: 1", "video 'v2': the segment [11.0, 12.0] of class 'run' was left out",
                "video 'v2': the segment [8.0, 12.0] of class 'run' was cut to the video of 10.0 s",
            ])
        assertFailure(
            """
            error: 3 of 18 segments lie outside their videos, or more than half of each does, in 1 video: 'v3'
              where: file 'a.json'
              do: write segments as [start, end] in seconds and the durations
            """
        ) { try source([good, good, good, [[11, 12], [13, 14], [15, 16]]], cuts: true) }
    }
}
