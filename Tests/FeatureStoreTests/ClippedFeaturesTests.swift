import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// Recordings cut into clips.
final class ClippedFeaturesTests: FolderTestCase {
    /// Value of column c in row r of video v: 100 v + r + c / 10.
    private struct Counted: FeatureSource {
        let classes = ClassMap(names: ["run", "jump"])
        let dimension = 2
        var videos: [VideoPlan] = []

        mutating func add(_ name: String, duration: Double, rows: Int, window: Double = 30, actions: [(Double, Double, Int)] = [], weak: [Int] = []) {
            var annotation = VideoAnnotation(
                id: VideoID(name), subset: "Validation", duration: duration, fps: 30,
                instances: actions.map { ActionInstance(segment: Segment(start: $0.0, end: $0.1), label: $0.2) })
            annotation.weakLabels = weak
            videos.append(VideoPlan(rows: rows, grid: FeatureGrid(fps: 30, stride: 15, window: window), annotation: annotation))
        }

        func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
            for row in 0..<videos[index].rows { for c in 0..<2 { target[2 * row + c] = Float(100 * index + row) + Float(c) / 10 } }
        }
    }

    private func rows(_ source: some FeatureSource, _ video: Int) throws -> [Float] {
        var values = [Float](repeating: .nan, count: source.videos[video].rows * source.dimension)
        try values.withUnsafeMutableBufferPointer { try source.readRows(ofVideo: video, into: XCTUnwrap($0.baseAddress)) }
        return values
    }

    /// Rows stand every 0.5 s and see 1 s: a clip of 2 s has the three whose windows lie in it.
    func testClips() throws {
        var source = Counted()
        source.add("a", duration: 5.2, rows: 9, actions: [(0.5, 1, 0), (1.5, 4.25, 1), (5, 5.2, 0)])
        source.add("b", duration: 1, rows: 1, actions: [(0, 1, 0)])
        // Its last row begins where a clip does, and sees the recording's end.
        source.add("c", duration: 5, rows: 9)
        let clips = try ClippedFeatures(source, seconds: 2.1)
        XCTAssertEqual(
            clips.videos.map(\.annotation.id),
            ["a_clip000", "a_clip001", "a_clip002", "b_clip000", "c_clip000", "c_clip001", "c_clip002"])
        XCTAssertEqual(clips.videos.map(\.rows), [3, 3, 1, 1, 3, 3, 1])
        for (found, expected) in zip(clips.videos.map(\.annotation.duration), [2, 2, 1.2, 1, 2, 2, 1]) {
            XCTAssertEqual(found, expected, accuracy: 1e-12)
        }
        let expected: [[(Double, Double, Int)]] = [[(0.5, 1, 0), (1.5, 2, 1)], [(0, 2, 1)], [(0, 0.25, 1), (1, 1.2, 0)], [(0, 1, 0)], [], [], []]
        for (video, actions) in zip(clips.videos, expected) {
            XCTAssertEqual(video.annotation.instances.count, actions.count)
            for (instance, action) in zip(video.annotation.instances, actions) {
                XCTAssertEqual(instance.label, action.2)
                XCTAssertEqual(instance.segment.start, action.0, accuracy: 1e-12)
                XCTAssertEqual(instance.segment.end, action.1, accuracy: 1e-12)
            }
        }
        for order in [[0, 1, 2, 3, 4, 5, 6], [6, 0, 5, 3, 1]] {
            for index in order {
                let video = ["a", "b", "c"].firstIndex { clips.videos[index].annotation.id.name.hasPrefix($0) } ?? 0
                let first = 4 * (Int(clips.videos[index].annotation.id.name.suffix(1)) ?? 0)
                let expected: [Float] = (first..<first + clips.videos[index].rows).flatMap { row -> [Float] in
                    let value = Float(100 * video + row)
                    return [value, value + 0.1]
                }
                XCTAssertEqual(try rows(clips, index), expected)
            }
        }
    }

    /// Whatever the lengths: a row of a clip is the recording's at the same time, and sees nothing beyond the clip.
    func testRowsStayAtTheirTimes() throws {
        for seconds in [0.5, 1, 1.3, 2.5, 7, 100] {
            for window in [7.0, 15, 16, 40] where window <= seconds * 30 {
                var source = Counted()
                for rows in [1, 2, 3, 10, 17] {
                    source.add("v\(rows)", duration: (Double(rows - 1) * 15 + window) / 30 + 0.1, rows: rows, window: window, actions: [(0, 0.2, 0)])
                }
                let clips = try ClippedFeatures(source, seconds: seconds)
                var clip = 0
                for (index, video) in source.videos.enumerated() {
                    let whole = try rows(source, index)
                    var start = 0.0
                    while clip < clips.videos.count, clips.videos[clip].annotation.id.name.hasPrefix(video.annotation.id.name + "_") {
                        let plan = clips.videos[clip], own = try rows(clips, clip)
                        for row in 0..<plan.rows {
                            let time = start + plan.grid.seconds(atPosition: Double(row))
                            let place = Int(video.grid.position(atSeconds: time).rounded())
                            XCTAssertEqual(own[2 * row], whole[2 * place])
                            let end = plan.grid.seconds(atPosition: Double(row)) + window / 60
                            XCTAssertLessThanOrEqual(end, plan.annotation.duration + 1e-9)
                        }
                        start += plan.annotation.duration
                        clip += 1
                    }
                    XCTAssertLessThanOrEqual(start, video.annotation.duration + 1e-9)
                }
                XCTAssertEqual(clip, clips.videos.count)
            }
        }
    }

    func testRefusals() throws {
        var source = Counted()
        source.add("a", duration: 5, rows: 9)
        func check(_ seconds: Double, _ expected: String, kind: Failure.Kind, line: UInt = #line) {
            assertFailure(expected, kind: kind, line: line) { try ClippedFeatures(source, seconds: seconds) }
        }
        for seconds in [0, -1, Double.nan, .infinity, 1e8] {
            check(
                seconds,
                "error: --clip-seconds is \(seconds)\n  do: give a number above 0, up to 10000000; leave it out to keep recordings whole",
                kind: .wrongUsage)
        }
        check(
            0.6,
            """
            error: clips of 0.6 s are shorter than one window of 30.0 frames (1.0 s)
              where: video 'a'
              do: give --clip-seconds at least 1.0
            """, kind: .wrongUsage)
        source.add("w", duration: 5, rows: 9, weak: [1])
        check(
            2,
            """
            error: 1 of the 2 recordings have classes without segments: the classes of their clips are not known
              where: video 'w'
              do: leave --clip-seconds out, or give annotations with segments
            """, kind: .badInput)
    }
}
