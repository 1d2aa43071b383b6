import Diagnostics
import Foundation
import TemporalAnnotations
import XCTest

/// Segments that cannot be in seconds.
final class SegmentScaleTests: XCTestCase {
    /// Videos of 40 s at 30 fps, each with these segments.
    private func videos(
        _ segments: [[Double]], from first: Int = 0, count: Int = 6, duration: Double = 40, fps: Double? = 30, label: Int = 0
    ) -> [VideoAnnotation] {
        (first..<first + count).map { index in
            VideoAnnotation(
                id: VideoID("v\(index)"), subset: "Test", duration: duration, fps: fps,
                instances: segments.map { ActionInstance(segment: Segment(start: $0[0], end: $0[1]), label: label) })
        }
    }

    private let seconds = [[2.0, 5.0], [19, 22], [33, 37]]
    private func times(_ factor: Double) -> [[Double]] { seconds.map { $0.map { $0 * factor } } }

    func testUnits() {
        XCTAssertEqual(SegmentScale(videos(seconds)).outside, 0)
        XCTAssertNil(SegmentScale(videos(seconds)).guess)
        XCTAssertNil(SegmentScale(videos(seconds)).warning)
        let frames = "they look like numbers of frames: divide them by the frames per second"
        let milliseconds = "they look like milliseconds: divide them by 1000"
        XCTAssertEqual(SegmentScale(videos(times(30))).guess, frames)
        XCTAssertEqual(SegmentScale(videos(times(30))).videosOutside.count, 6)
        XCTAssertEqual(SegmentScale(videos(times(1000))).guess, milliseconds)
        XCTAssertEqual(SegmentScale(videos(times(1000), fps: nil)).guess, milliseconds)
        // Frame numbers without a known rate are not taken for milliseconds.
        XCTAssertNil(SegmentScale(videos(times(30), fps: nil)).guess)
        XCTAssertEqual(
            SegmentScale(videos(times(2.5))).guess, "they look like per cent of the video: multiply them by its duration and divide by 100")
        // Two rows per second.
        var rows = SegmentScale()
        for video in videos(times(2)) { for instance in video.instances { rows.add(instance.segment, of: video, rowsPerSecond: 2) } }
        XCTAssertEqual(rows.guess, "they look like numbers of feature rows: turn them into seconds")
        // Nothing explains a minute more than there is.
        XCTAssertNil(SegmentScale(videos([[50_000_000, 50_000_002]])).guess)
    }

    func testFractions() {
        XCTAssertEqual(
            SegmentScale(videos(times(1.0 / 40))).warning,
            "all 18 segments lie in the first second of their videos, which last 40 s in the mean: they look like fractions of the video; "
                + "segments are in seconds")
        XCTAssertEqual(
            SegmentScale(videos(times(2.5), duration: 400)).warning,
            "all 18 segments lie in the first 100 s of their videos, which last 400 s in the mean: they look like per cent of the video; "
                + "segments are in seconds")
        // Short clips, one short action, actions all over the videos.
        XCTAssertNil(SegmentScale(videos([[0.1, 0.5]], duration: 2)).warning)
        XCTAssertNil(SegmentScale(videos([[0.1, 0.5]], count: 1)).warning)
        XCTAssertNil(SegmentScale(videos([[0.1, 0.5], [30, 31]])).warning)
    }

    /// A segment that hangs over the end by less than half, one of no length, one that begins before the video: none is outside.
    func testWhatIsInside() {
        let scale = SegmentScale(videos([[36, 43], [5, 5], [-2, 3]], count: 1))
        XCTAssertEqual(scale.count, 3)
        XCTAssertEqual(scale.outside, 0)
        XCTAssertEqual(SegmentScale(videos([[36, 45], [41, 41], [-3, 1]], count: 1)).outside, 3)
    }

    private func losses(_ videos: [VideoAnnotation]) throws -> [String] {
        var losses = SegmentLosses()
        for video in videos { for instance in video.instances { losses.add(instance.segment, label: instance.label, of: video) } }
        return try losses.finish(classes: ClassMap(names: ["run", "jump"]), places: [.file("a.json")], advice: "correct them")
    }

    private func refuses(_ videos: [VideoAnnotation], _ what: String, _ advice: String, line: UInt = #line) {
        XCTAssertThrowsError(try losses(videos), line: line) {
            XCTAssertEqual("\($0)", "error: \(what)\n  where: file 'a.json'\n  do: \(advice)", line: line)
        }
    }

    func testLossesOfAStore() throws {
        XCTAssertEqual(try losses(videos(seconds)), [])
        refuses(
            videos(times(30)),
            "18 of 18 segments lie outside their videos, or more than half of each does, in 6 videos: 'v0', 'v1', 'v2', 'v3', 'v4' and 1 more; "
                + "they look like numbers of frames: divide them by the frames per second", "correct them")
        // One in ten is a small share, more is not.
        let few = videos(seconds, count: 9) + videos(seconds + [[50, 60]], from: 9, count: 1) + videos([[45, 50], [60, 70]], from: 10, count: 1)
        XCTAssertEqual(try losses(few), ["segments left out: 3 of 33; cut to their videos: 0; no action is left in 1 video: 'v10'"])
        refuses(
            videos(seconds, count: 8) + videos([[45, 50], [60, 70], [80, 85]], from: 8, count: 1),
            "3 of 27 segments lie outside their videos, or more than half of each does, in 1 video: 'v8'", "correct them and the durations")
        // All of a class, however few.
        refuses(
            videos(seconds, count: 9) + videos([[50, 60]], from: 9, count: 1, label: 1),
            "all 1 segments of class 'jump' lie outside their videos or have no length", "correct them and the durations")
    }

    func testFractionsAreSaidOnReading() throws {
        let path = NSTemporaryDirectory() + "kairos-\(UUID().uuidString).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let classes = ClassMap(names: ["run"])
        try AnnotationSet(version: "", classes: classes, videos: videos(times(1.0 / 40))).write(to: path)
        XCTAssertEqual(try AnnotationSet(readingJSON: path, segments: .lenient).notes.count, 1)
        try AnnotationSet(version: "", classes: classes, videos: videos(times(1000))).write(to: path)
        XCTAssertThrowsError(try AnnotationSet(readingJSON: path, segments: .lenient)) {
            XCTAssertEqual(
                "\($0)".replacingOccurrences(of: path, with: "a.json"),
                """
                error: 18 of 18 segments lie outside their videos, or more than half of each does, in 6 videos: 'v0', 'v1', 'v2', 'v3', 'v4' and 1 more; \
                they look like milliseconds: divide them by 1000
                  where: file 'a.json'
                  do: correct the annotations
                """)
        }
    }
}
