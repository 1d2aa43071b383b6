import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

final class NumpyFeaturesTests: FolderTestCase {
    /// Videos of 10 s at 25 fps: 59 rows lie inside, 63 fill it (stride 4, window 16).
    private func annotations(
        _ names: [String], fps: Double? = 25, duration: Double = 10, segment: Segment = Segment(start: 1, end: 2)
    ) -> AnnotationSet {
        let videos = names.map { name in
            VideoAnnotation(
                id: VideoID(name), subset: "Test", duration: duration, fps: fps, instances: [ActionInstance(segment: segment, label: 0)])
        }
        return AnnotationSet(version: "", classes: ClassMap(names: ["run"]), videos: videos)
    }

    private func source(
        _ names: [String], fps: Double? = 25, duration: Double = 10, segment: Segment = Segment(start: 1, end: 2),
        _ change: (inout NumpyFeatures.Options) -> Void = { _ in }
    ) throws -> NumpyFeatures {
        var options = NumpyFeatures.Options()
        change(&options)
        let set = annotations(names, fps: fps, duration: duration, segment: segment)
        return try NumpyFeatures(folder: folder, annotations: set, options: options, annotationsPath: "a.json")
    }

    private func rows(_ source: NumpyFeatures, _ video: Int) throws -> [Float] {
        var values = [Float](repeating: .nan, count: source.videos[video].rows * source.dimension)
        try values.withUnsafeMutableBufferPointer { try source.readRows(ofVideo: video, into: XCTUnwrap($0.baseAddress)) }
        return values
    }

    func testEveryFormIsRead() throws {
        let expected = (0..<60 * 4).map(Float.init)
        for type in ["<f2", "<f4", "<f8"] {
            for version in [1, 2, 3] as [UInt8] {
                try npy("a.npy", shape: [60, 4], type: type, version: version)
                let source = try source(["a"])
                XCTAssertEqual(source.dimension, 4)
                XCTAssertEqual(source.videos[0].rows, 60)
                XCTAssertEqual(source.videos[0].grid, FeatureGrid(fps: 25, stride: 4, window: 16))
                XCTAssertEqual(try rows(source, 0), expected, "\(type) version \(version)")
            }
        }
        try npy("a.npy", shape: [60, 4], fortran: true)
        XCTAssertEqual(try rows(try source(["a"]), 0), (0..<60).flatMap { row in (0..<4).map { Float($0 * 60 + row) } })
        try npy("v_a.feat", shape: [60, 4])
        XCTAssertEqual(
            try source(["a"]) {
                $0.filePrefixes = ["v_"]
                $0.fileSuffixes = [".feat"]
            }.videos[0].file, path("v_a.feat"))
    }

    func testNumbersBeyondAllBoundsAreRefused() throws {
        try npy("a.npy", shape: [60, 4])
        func check(_ change: (inout NumpyFeatures.Options) -> Void, _ expected: String, line: UInt = #line) {
            var options = NumpyFeatures.Options()
            change(&options)
            let set = AnnotationSet(
                version: "", classes: ClassMap(names: ["run"]),
                videos: [VideoAnnotation(id: "a", subset: "Test", duration: 10, fps: 24, instances: [])])
            assertFailure(expected, kind: .wrongUsage, line: line) { try NumpyFeatures(folder: folder, annotations: set, options: options) }
        }
        let frames = "give a number from 1e-06 to 1000000000"
        check({ $0.stride = 1e-25 }, "error: --feature-stride is 1e-25\n  do: \(frames)")
        check({ $0.window = 1e30 }, "error: --window is 1e+30\n  do: \(frames)")
        check({ $0.fps = 1e30 }, "error: --fps is 1e+30\n  do: give a number from 1e-06 to 1000000")
        check({ $0.rescaledRows = .max }, "error: --rescale is 9223372036854775807\n  do: give a number from 1 to 1000000")
        // Whoever asks for the rows of such a video is told a number all the same.
        XCTAssertEqual(
            RowCountCheck(duration: 1e300, grid: FeatureGrid(fps: 1e30, stride: 1e-25, window: 1)).accepted, 1...1_000_000_000_000_000)
    }

    func testRowCountsThatFit() throws {
        for rows in [57, 59, 63, 65] {
            try npy("a.npy", shape: [rows, 4])
            XCTAssertEqual(try source(["a"]).videos[0].rows, rows)
        }
        // Seconds instead of frames: 1 fps, stride and window of one second.
        try npy("a.npy", shape: [10, 4])
        XCTAssertEqual(try source(["a"]) { ($0.fps, $0.stride, $0.window) = (1, 1, 1) }.videos[0].grid.fps, 1)
    }

    func testRowCountsThatDoNotFit() throws {
        func check(_ rows: Int, _ advice: String, line: UInt = #line) throws {
            try npy("a.npy", shape: [rows, 4])
            assertFailure(
                """
                error: \(rows) rows do not fit 10 s at 25 fps with stride 4 and window 16: 57 to 65 rows were expected
                  where: file 'FOLDER/a.npy', video 'a'
                  do: check how the features were extracted: \(advice)
                """, line: line
            ) { try source(["a"]) }
        }
        try check(30, "a stride of 8 (--feature-stride 8) or 12.5 fps (--fps 12.5) would explain it")
        try check(125, "a stride of 2 (--feature-stride 2) or 50 fps (--fps 50) would explain it")
        try check(72, "30 fps (--fps 30) would explain it")
        try npy("a.npy", shape: [900, 4])
        assertFailure(
            """
            error: 900 rows do not fit 10 s at 25 fps with stride 4 and window 16: 57 to 65 rows were expected
              where: file 'FOLDER/a.npy', video 'a'
              do: check how the features were extracted; the rows would last 144 s, so the file may belong to another video
            """
        ) { try source(["a"]) }
    }

    func testFilesThatAreRefused() throws {
        func check(_ what: String, _ advice: String, line: UInt = #line) {
            assertFailure("error: \(what)\n  where: file 'FOLDER/a.npy'\n  do: \(advice)", line: line) { try source(["a"]) }
        }
        let copy = "copy the file again from its source and compare the sizes"
        try npy("a.npy", shape: [60, 4], drop: 6)
        check("the file ends early: its header promises 60 x 4 float32 (960 bytes of values), it holds 954", copy)
        try npy("a.npy", shape: [60, 4], values: [Float](repeating: 0, count: 241))
        check("the file ends late: its header promises 60 x 4 float32 (960 bytes of values), it holds 964", copy)
        try npy("a.npy", shape: [60, 4], drop: 960 + 20)
        check("the file ends early: its header has 118 bytes, the file 108", copy)
        // 2^63 - 128 bytes behind a header of 128; and more than can be counted.
        try npy("a.npy", shape: [17_179_869_120, 268_435_457], type: "<f2", values: [])
        check("the file ends early: its header promises 17179869120 x 268435457 float16 (9223372036854775680 bytes of values), it holds 0", copy)
        try npy("a.npy", shape: [17_179_869_120, 268_435_457], values: [])
        check(
            "the file ends early: its header promises 17179869120 x 268435457 float32 (more than 9223372036854775807 bytes of values), it holds 0",
            copy)
        try npy("a.npy", shape: [60, 4], type: "|b1")
        let types = "save them as numpy.save(path, array.astype('<f4'))"
        check("the values are of NumPy type '|b1'; floats of 2, 4 or 8 bytes or integers were expected", types)
        try npy("a.npy", shape: [60, 4], type: "<c8")
        check("the values are of NumPy type '<c8'; floats of 2, 4 or 8 bytes or integers were expected", types)
        try npy("a.npy", shape: [240])
        let reshape = "save one array [rows, dimension] per video, such as array.reshape(-1, dimension)"
        check("the array has the shape [240]; two sizes [rows, dimension] were expected", reshape)
        try Data("no numbers".utf8).write(to: URL(fileURLWithPath: path("a.npy")))
        check("this is not a .npy file", "save the features with numpy.save")
        try Data().write(to: URL(fileURLWithPath: path("a.npy")))
        check("this is not a .npy file", "save the features with numpy.save")
        try npy("a.npy", shape: [60, 4], version: 4)
        check("the file has .npy version 4, versions 1 to 3 are read", "save the features again with numpy.save")
        try npy("a.npy", shape: [60, -4], values: [])
        check(
            "the header is not that of a .npy file: {'descr': '<f4', 'fortran_order': False, 'shape': (60, -4,), }",
            "save the features again with numpy.save")
    }

    func testArraysThatAreRefused() throws {
        func check(_ shape: String, _ advice: String, names: [String] = ["a"], file: String = "a", line: UInt = #line) {
            assertFailure("error: \(shape)\n  where: file 'FOLDER/\(file).npy', video '\(file)'\n  do: \(advice)", line: line) { try source(names) }
        }
        try npy("a.npy", shape: [4, 60])
        check(
            "the array has the shape [4, 60], which looks like [dimension, rows]; [rows, dimension] was expected",
            "save it transposed: numpy.save(path, array.T)")
        // The length does not tell, the other videos do.
        try npy("a.npy", shape: [300, 60])
        try npy("b.npy", shape: [60, 300])
        try npy("c.npy", shape: [61, 300])
        check(
            "the array has the shape [300, 60], which looks like [dimension, rows]; [rows, dimension] was expected",
            "save it transposed: numpy.save(path, array.T)", names: ["a", "b", "c"])
        try npy("a.npy", shape: [0, 4])
        check(
            "the array has the shape [0, 4]: it is empty",
            "extract the features of this video again, or remove the file and use --allow-missing")
        try npy("a.npy", shape: [60, 300])
        try npy("b.npy", shape: [60, 299])
        check(
            "the rows have 299 values, those of the other videos 300", "extract all videos with the same network", names: ["a", "b", "c"], file: "b")
    }

    func testNaNIsRefusedWithItsPlace() throws {
        for (type, value) in [("<f2", Float.nan), ("<f4", .nan), ("<f8", .nan), ("<f2", -.infinity), ("<f8", .infinity)] {
            var values = [Float](repeating: 1, count: 240)
            values[4 * 7 + 3] = value
            try npy("a.npy", shape: [60, 4], type: type, values: values)
            assertFailure(
                """
                error: the features hold \(value.isNaN ? "NaN" : "an infinite value") at row 7, column 3
                  where: file 'FOLDER/a.npy', video 'a'
                  do: extract the features of this video again, or leave the video out
                """
            ) { try FeatureStoreWriter().write(try source(["a"]), to: path("a.h5")) }
        }
    }

    func testAllVideosWithNaNAreNamed() throws {
        for (name, place) in [("a", 31), ("b", 240), ("c", 0)] {
            var values = [Float](repeating: 1, count: 240)
            if place < 240 { values[place] = .nan }
            try npy(name + ".npy", shape: [60, 4], values: values)
        }
        assertFailure(
            """
            error: 2 of 3 videos cannot be stored:
                'a': the features hold NaN at row 7, column 3
                'c': the features hold NaN at row 0, column 0
              do: extract the features of this video again, or leave the video out
            """
        ) { try FeatureStoreWriter().write(try source(["a", "b", "c"]), to: path("a.h5")) }
        XCTAssertFalse(FileManager.default.fileExists(atPath: path("a.h5")))
    }

    func testMissingFeatures() throws {
        try npy("a.npy", shape: [60, 4])
        assertFailure(
            """
            error: 6 of 7 videos have no features: 'b', 'c', 'd', 'e', 'f' and 1 more
              where: file 'FOLDER'
              do: add their files, or leave them out with --allow-missing
            """
        ) { try source(["a", "b", "c", "d", "e", "f", "g"]) }
        let some = try source(["c", "a", "b"]) { $0.allowMissing = true }
        XCTAssertEqual(some.videos.map(\.annotation.id), ["a"])
        XCTAssertEqual(some.missing, ["c", "b"])
        for allow in [false, true] {
            assertFailure(
                """
                error: 2 of 2 videos have no features: 'b', 'c'; the folder holds 1 file (a.npy)
                  where: file 'FOLDER'
                  do: check the folder: files named VIDEO.npy were expected (--file-prefix and --file-suffix change this)
                """
            ) { try source(["b", "c"]) { $0.allowMissing = allow } }
        }
        assertFailure("error: the folder of features does not exist\n  where: file 'FOLDER/none'\n  do: check the path") {
            try NumpyFeatures(folder: path("none"), annotations: annotations(["a"]))
        }
    }

    func testFramesPerSecond() throws {
        try npy("a.npy", shape: [60, 4])
        assertFailure("error: the annotations do not say the frames per second of this video\n  where: video 'a'\n  do: give --fps") {
            try source(["a"], fps: nil)
        }
        XCTAssertEqual(try source(["a"], fps: nil) { $0.fps = 25 }.videos[0].grid.fps, 25)
        XCTAssertEqual(try source(["a"], fps: 100) { $0.fps = 25 }.videos[0].grid.fps, 25)
        assertFailure("error: --fps is -1.0\n  do: give a number above 0", kind: .wrongUsage) { try source(["a"]) { $0.fps = -1 } }
        assertFailure("error: --feature-stride is 0.0\n  do: give a number above 0", kind: .wrongUsage) { try source(["a"]) { $0.stride = 0 } }
    }

    /// Linear interpolation between row middles, as torch.nn.functional.interpolate(mode="linear", align_corners=False) computes it.
    func testRescalingToAFixedNumberOfRows() throws {
        let values = (0..<60).flatMap { [Float($0), Float(-2 * $0)] }
        try npy("a.npy", shape: [60, 2], values: values)
        let halved = try source(["a"]) { $0.rescaledRows = 30 }
        XCTAssertEqual(halved.videos[0].rows, 30)
        // 60 rows span 59 * 4 + 16 frames; 30 rows of 8.4 frames each cover them.
        XCTAssertEqual(halved.videos[0].grid, FeatureGrid(fps: 25, stride: 8.4, window: 8.4))
        let middles = (0..<30).flatMap { row -> [Float] in
            let place = 2 * Float(row) + 0.5
            return [place, -2 * place]
        }
        XCTAssertEqual(try rows(halved, 0), middles)
        let doubled = try source(["a"]) { $0.rescaledRows = 120 }
        let expected = (0..<120).flatMap { row -> [Float] in
            let place = min(59, max(0, Float(row) / 2 - 0.25))
            return [place, -2 * place]
        }
        XCTAssertEqual(try rows(doubled, 0), expected)
        XCTAssertEqual(try rows(try source(["a"]) { $0.rescaledRows = 60 }, 0), values)
        assertFailure("error: --rescale is 0\n  do: give a number above 0", kind: .wrongUsage) { try source(["a"]) { $0.rescaledRows = 0 } }
    }

    func testSegmentsOutsideTheVideo() throws {
        try npy("a.npy", shape: [60, 4])
        assertFailure(
            """
            error: the segment [8.0, 12.0] of class 'run' lies outside the video of 10.0 s
              where: file 'a.json', video 'a'
              do: correct the annotations, or give --duration-from-features a when the duration is wrong, or --cut-segments
            """
        ) { try source(["a"], segment: Segment(start: 8, end: 12)) }
        let near = try source(["a"], segment: Segment(start: 8, end: 10.5))
        XCTAssertEqual(near.videos[0].annotation.instances.map(\.segment), [Segment(start: 8, end: 10)])
        XCTAssertEqual(near.notes, ["video 'a': the segment [8.0, 10.5] of class 'run' was cut to the video of 10.0 s"])
        let cut = try source(["a"], segment: Segment(start: 8, end: 12)) { $0.cutSegments = true }
        XCTAssertEqual(cut.notes, ["video 'a': the segment [8.0, 12.0] of class 'run' was cut to the video of 10.0 s"])
        XCTAssertEqual(cut.videos[0].annotation.instances.map(\.segment), [Segment(start: 8, end: 10)])
        // The annotated duration is wrong: 60 rows last (59 * 4 + 16) / 25 s.
        let trusted = try source(["a"], duration: 5, segment: Segment(start: 8, end: 9)) { $0.durationFromFeatures = ["a"] }
        XCTAssertEqual(trusted.videos[0].annotation.duration, 10.08)
        assertFailure(
            """
            error: --duration-from-features names 'b', which has no annotations or no features
              do: check the video's name
            """, kind: .wrongUsage
        ) { try source(["a"]) { $0.durationFromFeatures = ["b"] } }
    }
}
