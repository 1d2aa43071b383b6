import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// Videos that do not fit: all are named in one run, with one guess.
final class ImportMismatchTests: FolderTestCase {
    /// Videos of 10 s at 25 fps, whose 60 rows fit stride 4 and window 16, unless told otherwise.
    private func set(
        _ names: [String], fps: Double? = 25, durations: [Double] = [], segment: Segment = Segment(start: 1, end: 2)
    ) -> AnnotationSet {
        let videos = names.enumerated().map { index, name in
            VideoAnnotation(
                id: VideoID(name), subset: "Test", duration: durations.isEmpty ? 10 : durations[index], fps: fps,
                instances: [ActionInstance(segment: segment, label: 0)])
        }
        return AnnotationSet(version: "", classes: ClassMap(names: ["run"]), videos: videos)
    }

    private func source(_ set: AnnotationSet, _ change: (inout NumpyFeatures.Options) -> Void = { _ in }) throws -> NumpyFeatures {
        var options = NumpyFeatures.Options()
        change(&options)
        return try NumpyFeatures(folder: folder, annotations: set, options: options, annotationsPath: "a.json")
    }

    private let names = ["v0", "v1", "v2", "v3", "v4", "v5"]

    private func write(rows: [Int], columns: Int = 4) throws {
        for (name, count) in zip(names, rows) { try npy(name + ".npy", shape: [count, columns]) }
    }

    func testAllRowsThatDoNotFitAreNamed() throws {
        try write(rows: [60, 30, 60, 30, 60, 41])
        assertFailure(
            """
            error: 3 of 6 videos do not fit:
                'v1', 'v3': 30 rows do not fit 10 s at 25 fps with stride 4 and window 16: 57 to 65 rows were expected
                'v5': 41 rows do not fit 10 s at 25 fps with stride 4 and window 16: 57 to 65 rows were expected
              where: file 'FOLDER'
              do: check that every file belongs to its video, and with which stride and frames per second it was extracted; \
            where the durations are wrong instead, give --duration-from-features v1,v3,v5
            """
        ) { try source(set(names)) }
        try write(rows: [60, 30, 60, 30, 60, 30])
        assertFailure(
            """
            error: 3 of 6 videos do not fit:
                'v1', 'v3', 'v5': 30 rows do not fit 10 s at 25 fps with stride 4 and window 16: 57 to 65 rows were expected
              where: file 'FOLDER'
              do: check how the features were extracted: a stride of 8 (--feature-stride 8) or 12 fps (--fps 12) would explain \
            these 3, not the others; where the durations are wrong instead, give --duration-from-features v1,v3,v5
            """
        ) { try source(set(names)) }
        // One that does not fit among others that do.
        try write(rows: [60, 60, 60, 60, 60, 30])
        assertFailure(
            """
            error: 30 rows do not fit 10 s at 25 fps with stride 4 and window 16: 57 to 65 rows were expected
              where: file 'FOLDER/v5.npy', video 'v5'
              do: check how the features were extracted: a stride of 8 (--feature-stride 8) or 12.5 fps (--fps 12.5) would explain \
            this one, not the others; where the duration is wrong instead, give --duration-from-features v5
            """
        ) { try source(set(names)) }
        // One mistake in the options: what explains all.
        try write(rows: [30, 30, 30, 30, 30, 30])
        assertFailure(
            """
            error: 6 of 6 videos do not fit:
                'v0', 'v1', 'v2', 'v3', 'v4', 'v5': 30 rows do not fit 10 s at 25 fps with stride 4 and window 16: \
            57 to 65 rows were expected
              where: file 'FOLDER'
              do: check how the features were extracted: a stride of 8 (--feature-stride 8) or 12 fps (--fps 12) would explain \
            all 6 videos
            """
        ) { try source(set(names)) }
        let trusted = try source(set(names)) { $0.durationFromFeatures = Set(names.map { VideoID($0) }) }
        XCTAssertEqual(trusted.videos.map(\.annotation.duration), [Double](repeating: 5.28, count: 6))
    }

    /// Every kind of fault at once.
    func testFaultsOfAllKinds() throws {
        try npy("v0.npy", shape: [60, 4])
        try npy("v1.npy", shape: [4, 60])
        try npy("v2.npy", shape: [60, 5])
        try npy("v3.npy", shape: [60, 4], drop: 6)
        try npy("v4.npy", shape: [0, 4])
        let all = set(names + ["v6"], fps: nil)
        let copy = "copy the file again from its source and compare the sizes"
        assertFailure(
            """
            error: 6 of 7 videos do not fit:
                'v5', 'v6': no file VIDEO.npy in 'FOLDER'
                'v3': the file ends early: its header promises 60 x 4 float32 (960 bytes of values), it holds 954
                'v1': the array has the shape [4, 60], which looks like [dimension, rows]; [rows, dimension] was expected
                'v2': the rows have 5 values, those of the other videos 4
                'v4': the array has the shape [0, 4]: it is empty
              where: file 'FOLDER'
              do: add their files, or leave them out with --allow-missing; \(copy); save it transposed: numpy.save(path, array.T); \
            extract all videos with the same network; extract the features of this video again, or remove the file and use --allow-missing
            """
        ) { try source(all) { $0.fps = 25 } }
        assertFailure(
            """
            error: 4 of 4 videos do not fit:
                'v0', 'v1', 'v2', 'v4': the annotations do not say the frames per second of this video
              where: file 'FOLDER'
              do: give --fps
            """
        ) { try source(set(["v0", "v1", "v2", "v4"], fps: nil)) }
        try write(rows: [60, 60, 60])
        assertFailure(
            """
            error: 3 of 3 videos do not fit:
                'v0', 'v1', 'v2': the segment [8.0, 12.0] of class 'run' lies outside the video of 10.0 s
              where: file 'FOLDER'
              do: correct the annotations, or give --duration-from-features v0,v1,v2 where the durations are wrong, or --cut-segments
            """
        ) { try source(set(["v0", "v1", "v2"], segment: Segment(start: 8, end: 12))) }
    }

    func testLongListsAreCounted() throws {
        let many = (10..<40).map { "v\($0)" }
        for (index, name) in many.enumerated() { try npy(name + ".npy", shape: [100 + index % 15, 4]) }
        do {
            _ = try source(set(many))
            XCTFail("nothing was thrown")
        } catch let failure as Failure {
            let lines = failure.what.split(separator: "\n")
            XCTAssertEqual(lines.count, 12)
            XCTAssertEqual(lines[0], "30 of 30 videos do not fit:")
            XCTAssertEqual(
                lines[1], "    'v10', 'v25': 100 rows do not fit 10 s at 25 fps with stride 4 and window 16: 57 to 65 rows were expected")
            XCTAssertEqual(lines[11], "    and 10 more")
            XCTAssertTrue(failure.advice.hasSuffix("give --duration-from-features @FILE (one name per line)"), failure.advice)
        }
    }

    func testRatesOfAllVideosTogether() throws {
        let clips = (0..<20).map { "c\($0)" }
        for name in clips { try npy(name + ".npy", shape: [4, 2]) }
        let short = set(clips, fps: 5, durations: [Double](repeating: 1.6, count: 20), segment: Segment(start: 0.5, end: 1))
        assertFailure(
            """
            error: 20 of 20 videos have more rows than stride 5 and window 5 give: 80 together, 20 to 40 were expected
              where: file 'FOLDER'
              do: check how the features were extracted: a stride of 2 or 1 (--feature-stride 2, --feature-stride 1) or \
            12.5 fps or 12 fps (--fps 12.5, --fps 12) would explain them
            """
        ) { try source(short) { ($0.stride, $0.window) = (5, 5) } }
        XCTAssertEqual(try source(short) { ($0.stride, $0.window) = (1, 5) }.videos.count, 20)
        // Those whose duration is taken from the rows say nothing.
        let trusted = try source(short) {
            ($0.stride, $0.window) = (5, 5)
            $0.durationFromFeatures = Set(clips.map { VideoID($0) })
        }
        XCTAssertEqual(trusted.videos[0].annotation.duration, 4)
        // Beside other faults.
        try FileManager.default.removeItem(atPath: path("c19.npy"))
        assertFailure(
            """
            error: 1 of 20 videos do not fit:
                'c19': no file VIDEO.npy in 'FOLDER'
                together: 19 of 19 videos have more rows than stride 5 and window 5 give: 76 together, 19 to 38 were expected
              where: file 'FOLDER'
              do: add their files, or leave them out with --allow-missing; check how the features were extracted: a stride of 2 or 1 \
            (--feature-stride 2, --feature-stride 1) or 12.5 fps or 12 fps (--fps 12.5, --fps 12) would explain them
            """
        ) { try source(short) { ($0.stride, $0.window) = (5, 5) } }
        // A window: 10 to 19 s at 25 fps, stride 4.
        for index in 0..<20 { try npy("c\(index).npy", shape: [(250 + 12 * index - 16) / 4 + 1, 2]) }
        let long = set(clips, durations: (0..<20).map { Double(250 + 12 * $0) / 25 })
        assertFailure(
            """
            error: 20 of 20 videos have fewer rows than one per stride of 4, and more than windows of 64 frames lie inside: \
            1750 together, 1510 or 1830 were expected
              where: file 'FOLDER'
              do: check how the features were extracted: a window of 16 (--window 16) would explain them
            """
        ) { try source(long) { $0.window = 64 } }
        XCTAssertEqual(try source(long).videos.count, 20)
    }

    func testRowsThatSpanTheVideo() throws {
        try write(rows: [100, 100, 100, 100, 100, 100])
        let durations = [11.3, 45.7, 120.9, 233.3, 64.2, 18.8]
        let anet = set(names, fps: nil, durations: durations, segment: Segment(start: 1, end: 5))
        func change(_ options: inout NumpyFeatures.Options) { (options.stride, options.window, options.fps) = (16, 16, 30) }
        for rescaled in [nil, 100, 50] as [Int?] {
            assertFailure(
                """
                error: 6 of 6 videos do not fit:
                    'v0': 100 rows do not fit 11.3 s at 30 fps with stride 16 and window 16: 19 to 24 rows were expected
                    'v1': 100 rows do not fit 45.7 s at 30 fps with stride 16 and window 16: 83 to 88 rows were expected
                    'v2': 100 rows do not fit 120.9 s at 30 fps with stride 16 and window 16: 221 to 232 rows were expected
                    'v3': 100 rows do not fit 233.3 s at 30 fps with stride 16 and window 16: 428 to 447 rows were expected
                    'v4': 100 rows do not fit 64.2 s at 30 fps with stride 16 and window 16: 117 to 124 rows were expected
                    'v5': 100 rows do not fit 18.8 s at 30 fps with stride 16 and window 16: 33 to 38 rows were expected
                  where: file 'FOLDER'
                  do: if these 100 rows span the video, whatever its length, give --rows-span-video and neither --feature-stride \
                nor --window
                """
            ) {
                try source(anet) {
                    change(&$0)
                    $0.rescaledRows = rescaled
                }
            }
        }
        // One video alone, which is to have as many rows as it has.
        assertFailure(
            """
            error: 100 rows do not fit 11.3 s at 30 fps with stride 16 and window 16: 19 to 24 rows were expected
              where: file 'FOLDER/v0.npy', video 'v0'
              do: if these 100 rows span the video, whatever its length, give --rows-span-video and neither --feature-stride nor --window
            """
        ) {
            try source(set(["v0"], fps: nil, durations: [11.3])) {
                change(&$0)
                $0.rescaledRows = 100
            }
        }
        for (fps, rescaled) in [(nil, nil), (30, nil), (nil, 50)] as [(Double?, Int?)] {
            let spanning = try source(anet) { ($0.rowsSpanVideo, $0.fps, $0.rescaledRows) = (true, fps, rescaled) }
            for (video, duration) in zip(spanning.videos, durations) {
                let rows = Double(rescaled ?? 100)
                XCTAssertEqual(video.rows, rescaled ?? 100)
                XCTAssertEqual(video.annotation.duration, duration)
                XCTAssertEqual(video.grid.stride, video.grid.window, accuracy: 1e-12)
                for row in [0.0, 37] { XCTAssertEqual(video.grid.seconds(atPosition: row), (row + 0.5) * duration / rows, accuracy: 1e-9) }
            }
        }
        XCTAssertEqual(
            try source(anet) { $0.rowsSpanVideo = true }.notes,
            ["all arrays have the shape [100, 4]; if 100 is the dimension, save them transposed: numpy.save(path, array.T)"])
        assertFailure(
            """
            error: --rows-span-video and --duration-from-features were both given
              do: leave one of them out: rows that span the video do not tell its length
            """, kind: .wrongUsage
        ) { try source(anet) { ($0.rowsSpanVideo, $0.durationFromFeatures) = (true, ["v0"]) } }
    }

    func testRowsThatSpanMostVideos() throws {
        let many = (10..<30).map { "v\($0)" }
        for (index, name) in many.enumerated() { try npy(name + ".npy", shape: [index == 7 ? 99 : 100, 4]) }
        XCTAssertThrowsError(try source(set(many, durations: (10..<30).map(Double.init)))) { error in
            XCTAssertEqual(
                (error as? Failure)?.advice,
                "if these 100 rows span the video, whatever its length, give --rows-span-video and neither --feature-stride nor --window")
        }
    }

    func testNamesThatAreUnknown() throws {
        try write(rows: [60, 60])
        assertFailure(
            """
            error: --duration-from-features names 'V1', 'x', which have no annotations or no features
              do: did you mean 'v1'?
            """, kind: .wrongUsage
        ) { try source(set(["v0", "v1"])) { $0.durationFromFeatures = ["x", "V1"] } }
    }
}
