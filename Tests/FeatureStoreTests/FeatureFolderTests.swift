import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// Folders as people have them: several to join, other names, videos without annotations.
final class FeatureFolderTests: FolderTestCase {
    private func set(_ names: [String]) -> AnnotationSet {
        let videos = names.map { VideoAnnotation(id: VideoID($0), subset: "Test", duration: 10, fps: 25, instances: []) }
        return AnnotationSet(version: "", classes: ClassMap(names: ["run"]), videos: videos)
    }

    private func source(
        _ folders: [String], _ set: AnnotationSet?, _ change: (inout NumpyFeatures.Options) -> Void = { _ in }
    ) throws -> NumpyFeatures {
        var options = NumpyFeatures.Options()
        change(&options)
        return try NumpyFeatures(folders: folders.map { $0.isEmpty ? folder : path($0) }, annotations: set, options: options)
    }

    private func makeFolder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
    }

    private func rows(_ source: NumpyFeatures, _ video: Int) throws -> [Float] {
        try [Float](unsafeUninitializedCapacity: source.videos[video].rows * source.dimension) { buffer, count in
            try source.readRows(ofVideo: video, into: XCTUnwrap(buffer.baseAddress))
            count = buffer.count
        }
    }

    // MARK: Several folders

    func testFoldersAreJoinedColumnByColumn() throws {
        for (name, count, offset) in [("rgb", 60, Float(0)), ("flow", 59, 1000)] {
            try makeFolder(name)
            for video in ["a", "b"] {
                let count = video == "b" ? 60 : count
                try npy("\(name)/\(video).npy", shape: [count, 2], values: (0..<2 * count).map { offset + Float($0) })
            }
        }
        let joined = try source(["rgb", "flow"], set(["a", "b"]))
        XCTAssertEqual(joined.dimension, 4)
        XCTAssertEqual(joined.partDimensions, [2, 2])
        XCTAssertEqual(joined.videos.map(\.rows), [59, 60])
        XCTAssertEqual(joined.notes, ["the parts of 1 of 2 videos differ by up to 1 row; rows that not all parts have were cut at the end"])
        XCTAssertEqual(try rows(joined, 0), (0..<59).flatMap { row in [0, 1, 1000, 1001].map { Float($0 + 2 * row) } })
        let halved = try source(["flow", "rgb"], set(["a", "b"])) { $0.rescaledRows = 30 }
        XCTAssertEqual(try Array(rows(halved, 1)[0..<4]), [1001, 1002, 1, 2])
        // The same arrays in one folder, told apart by their names.
        for video in ["a", "b"] {
            for name in ["rgb", "flow"] {
                try FileManager.default.moveItem(atPath: path("\(name)/\(video).npy"), toPath: path("\(video)_\(name).npy"))
            }
        }
        let named = try source([""], set(["a", "b"])) { $0.fileSuffixes = ["_rgb.npy", "_flow.npy"] }
        XCTAssertEqual(try rows(named, 1), (0..<60).flatMap { row in [0, 1, 1000, 1001].map { Float($0 + 2 * row) } })
        // And in one file.
        try NumpyFixtures.npz([("rgb.npy", NumpyFixtures.npy(shape: [60, 2])), ("flow.npy", NumpyFixtures.npy(shape: [60, 1]))])
            .write(to: URL(fileURLWithPath: path("a.npz")))
        let arrays = try source([""], set(["a"])) { ($0.fileSuffixes, $0.arrays) = ([".npz"], ["flow", "rgb"]) }
        XCTAssertEqual(arrays.partDimensions, [1, 2])
        XCTAssertEqual(try Array(rows(arrays, 0)[0..<6]), [0, 0, 1, 1, 2, 3])
    }

    func testFoldersThatDoNotFitTogether() throws {
        for (name, count) in [("rgb", 60), ("flow", 57)] {
            try makeFolder(name)
            for video in ["a", "b"] { try npy("\(name)/\(video).npy", shape: [count, 2]) }
        }
        assertFailure(
            """
            error: 2 of 2 videos do not fit:
                'a': its parts have different numbers of rows: 60 in 'FOLDER/rgb/a.npy', 57 in 'FOLDER/flow/a.npy'
                'b': its parts have different numbers of rows: 60 in 'FOLDER/rgb/b.npy', 57 in 'FOLDER/flow/b.npy'
              where: file 'FOLDER/rgb', file 'FOLDER/flow'
              do: extract all parts of a video with the same stride and window
            """
        ) { try source(["rgb", "flow"], set(["a", "b"])) }
        try FileManager.default.removeItem(atPath: path("flow/b.npy"))
        assertFailure(
            """
            error: 1 of 2 videos have no features: 'b'
              where: file 'FOLDER/flow'
              do: add their files, or leave them out with --allow-missing
            """
        ) {
            try npy("flow/a.npy", shape: [60, 2])
            return try source(["rgb", "flow"], set(["a", "b"]))
        }
        XCTAssertEqual(try source(["rgb", "flow"], set(["a", "b"])) { $0.allowMissing = true }.missing, ["b"])
        assertFailure(
            """
            error: the same files of 'FOLDER/rgb' would be joined to themselves
              do: name different folders with --features, or different --file-prefix, --file-suffix or --array
            """, kind: .wrongUsage
        ) { try source(["rgb", "rgb"], set(["a"])) }
        assertFailure(
            "error: --features was given 2 times, --file-suffix 3 times\n  do: give each as often as the other, or once for all", kind: .wrongUsage
        ) { try source(["rgb", "flow"], set(["a"])) { $0.fileSuffixes = ["1", "2", "3"] } }
    }

    // MARK: What lies there

    private func finds(_ expected: String, _ videos: [String] = ["v0", "v1"], line: UInt = #line) throws {
        assertFailure(expected, line: line) { try source([""], set(videos)) }
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) { try FileManager.default.removeItem(atPath: path(name)) }
    }

    func testWhatLiesInTheFolderIsSaid() throws {
        let none = "error: 2 of 2 videos have no features: 'v0', 'v1'; the folder "
        let check = "check the folder: files named VIDEO.npy were expected (--file-prefix and --file-suffix change this)"
        func write(_ names: [String]) throws { for name in names { try npy(name, shape: [60, 4]) } }
        func text(_ names: [String]) throws { for name in names { try Data("text".utf8).write(to: URL(fileURLWithPath: path(name))) } }
        try finds(none + "is empty\n  where: file 'FOLDER'\n  do: \(check)")
        try write(["v0.npz", "v1.npz", "v10.npz"])
        try finds(none + "holds 2 files VIDEO.npz (v0.npz, v1.npz)\n  where: file 'FOLDER'\n  do: give --file-suffix '.npz'")
        try write(["v_v0_rgb.npy", "v_v1_rgb.npy"])
        try finds(
            none + "holds 2 files v_VIDEO_rgb.npy (v_v0_rgb.npy, v_v1_rgb.npy)\n  where: file 'FOLDER'\n"
                + "  do: give --file-prefix 'v_' --file-suffix '_rgb.npy'")
        try makeFolder("rgb")
        try write(["rgb/v0.npy", "rgb/v1.npy"])
        try finds(none + "holds 2 files rgb/VIDEO.npy (rgb/v0.npy, rgb/v1.npy)\n  where: file 'FOLDER'\n  do: give --features FOLDER/rgb")
        for name in ["v0", "v1"] {
            try makeFolder(name)
            try write(["\(name)/f.npy"])
        }
        try finds(none + "holds 2 files VIDEO/f.npy (v0/f.npy, v1/f.npy)\n  where: file 'FOLDER'\n  do: give --file-suffix '/f.npy'")
        try text(["v0.mat", "v1.mat"])
        try finds(
            none + "holds 2 files VIDEO.mat (v0.mat, v1.mat), which are neither .npy nor .npz\n  where: file 'FOLDER'\n"
                + "  do: save the features with numpy.save")
        try write(["V0.npy", "V1.npy"])
        try finds(
            none.replacingOccurrences(of: "; the folder ", with: "; ")
                + "the folder holds 'V0.npy' for video 'v0', which differs in upper and lower case\n  where: file 'FOLDER'\n"
                + "  do: rename the files or the videos")
        for (videos, files) in [(["v0.mp4", "v1.mp4"], ["v0.npy", "v1.npy"]), (["v_ab-c", "v_d"], ["ab-c.npy", "d.npy"])] {
            try write(files)
            try finds(
                "error: 2 of 2 videos have no features: '\(videos[0])', '\(videos[1])'; the folder holds '\(files[0])', the annotations name the "
                    + "video '\(videos[0])'\n  where: file 'FOLDER'\n  do: name files and videos alike", videos)
        }
        for name in ["train", "test"] { try makeFolder(name) }
        try write(["train/v0.npy", "train/v2.npy", "test/v1.npy"])
        try finds(
            "error: 3 of 3 videos have no features: 'v0', 'v1', 'v2'; the folder holds 2 files train/VIDEO.npy (train/v0.npy, train/v2.npy) "
                + "and 1 of other videos named in other ways\n  where: file 'FOLDER'\n  do: give all files one form of name: put all of them, or "
                + "links to them, into one folder", ["v0", "v1", "v2"])
        try text(["a.txt", "b.txt", "c.txt", "d.txt", ".hidden"])
        try finds(none + "holds 4 files (a.txt, b.txt, c.txt, ...)\n  where: file 'FOLDER'\n  do: \(check)")
        for name in ["train", "test"] { try makeFolder(name) }
        try finds(none + "holds no file, but the folders 'test', 'train'\n  where: file 'FOLDER'\n  do: \(check)")
        // Some are there.
        let some = "error: 1 of 2 videos have no features: 'v1'; the folder "
        try write(["v0.npy", "v1.npz"])
        try finds(
            some + "holds 1 file VIDEO.npz (v1.npz)\n  where: file 'FOLDER'\n  do: give all files one form of name: the others are named VIDEO.npy")
        try write(["v0.npy", "w1.npy"])
        try finds(
            some + "holds 1 file of no video (w1.npy)\n  where: file 'FOLDER'\n  do: add their files, or leave them out with --allow-missing")
        try write(["v0.npy"])
        assertFailure(
            "error: this is a file, not a folder of features\n  where: file 'FOLDER/v0.npy'\n"
                + "  do: give the folder that holds one .npy or .npz file per video"
        ) { try source(["v0.npy"], set(["v0"])) }
    }

    // MARK: Without annotations

    func testVideosWithoutAnnotations() throws {
        for (name, count) in [("new b", 60), ("a", 10), (".hidden", 5)] { try npy(name + ".npy", shape: [count, 4]) }
        try Data("x".utf8).write(to: URL(fileURLWithPath: path("readme.txt")))
        let source = try source([""], nil) { ($0.fps, $0.subset) = (25, "new") }
        XCTAssertEqual(source.videos.map(\.annotation.id), ["a", "new b"])
        XCTAssertEqual(source.videos.map(\.rows), [10, 60])
        // The last frame that a row sees: (59 * 4 + 16) / 25.
        XCTAssertEqual(source.videos.map(\.annotation.duration), [2.08, 10.08])
        XCTAssertEqual(source.videos.map(\.annotation.subset), ["new", "new"])
        XCTAssertEqual(source.classes.count, 0)
        try FeatureStoreWriter().write(source, to: path("s.h5"))
        let store = try FeatureStore(path: path("s.h5"))
        XCTAssertEqual([store.videos.count, store.classes.count, store.instanceCount], [2, 0, 0])
        try store.verify()
        let rescaled = try self.source([""], nil) { ($0.fps, $0.rescaledRows) = (25, 20) }
        XCTAssertEqual(rescaled.videos.map(\.rows), [20, 20])
        XCTAssertEqual(rescaled.videos[1].annotation.duration, 10.08)
        XCTAssertEqual(rescaled.videos[0].annotation.subset, "Unlabeled")
    }

    /// What a store could not hold is not written.
    func testTimesBeyondAllBounds() throws {
        for name in ["a", "b"] { try npy(name + ".npy", shape: [60, 4]) }
        assertFailure(
            """
            error: 2 of 2 videos do not fit:
                'a', 'b': 60 rows last 252000000.0 s, more than 10000000
              where: file 'FOLDER'
              do: check --fps, --feature-stride and --window
            """
        ) { try source([""], nil) { $0.fps = 1e-6 } }
        assertFailure(
            """
            error: 60 rows lie 1666666666.7 frames apart, more than 1000000000
              where: file 'FOLDER/a.npy', video 'a'
              do: check the video's duration and the frames per second
            """
        ) {
            let video = VideoAnnotation(id: "a", subset: "Test", duration: 1e6, fps: 1e5, instances: [])
            return try source([""], AnnotationSet(version: "", classes: ClassMap(names: []), videos: [video])) { $0.rowsSpanVideo = true }
        }
    }

    func testWithoutAnnotationsRefusals() throws {
        assertFailure(
            "error: no file is named VIDEO.npy; the folder is empty\n  where: file 'FOLDER'\n"
                + "  do: check the folder: files named VIDEO.npy were expected (--file-prefix and --file-suffix change this)"
        ) { try source([""], nil) { $0.fps = 25 } }
        for name in ["a", "b", "c"] { try NumpyFixtures.npz([]).write(to: URL(fileURLWithPath: path(name + ".npz"))) }
        assertFailure(
            "error: no file is named VIDEO.npy; the folder holds 3 files (a.npz, b.npz, c.npz)\n  where: file 'FOLDER'\n  do: give --file-suffix .npz"
        ) { try source([""], nil) { $0.fps = 25 } }
        for (index, name) in ["a", "b", "c"].enumerated() { try npy(name + ".npy", shape: [4, 60 + index]) }
        assertFailure(
            """
            error: the array has the shape [4, 60], which looks like [dimension, rows]; [rows, dimension] was expected
              where: file 'FOLDER/a.npy', video 'a'
              do: save it transposed: numpy.save(path, array.T)
            """
        ) { try source([""], nil) { $0.fps = 25 } }
        assertFailure(
            "error: neither --annotations nor --fps was given\n  do: give the frames per second of the videos with --fps, or their annotations",
            kind: .wrongUsage
        ) { try source([""], nil) }
        assertFailure(
            "error: --rows-span-video was given without --annotations\n"
                + "  do: give annotations with the durations of the videos, with or without actions: such rows do not tell them", kind: .wrongUsage
        ) { try source([""], nil) { $0.rowsSpanVideo = true } }
        for (option, change) in [
            ("--cut-segments", { $0.cutSegments = true }), ("--duration-from-features", { $0.durationFromFeatures = ["a"] }),
        ] as [(String, (inout NumpyFeatures.Options) -> Void)] {
            assertFailure(
                "error: \(option) was given without --annotations\n"
                    + "  do: leave it out: durations are taken from the rows, and there are no actions", kind: .wrongUsage
            ) { try source([""], nil, change) }
        }
    }
}
