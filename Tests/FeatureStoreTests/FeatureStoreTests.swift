import Diagnostics
import FeatureStore
import Foundation
import HDF5
import TemporalAnnotations
import TestSupport
import XCTest

/// Made-up features: value = 100 * video + row + column / 8, all exact in half precision.
struct CountingSource: FeatureSource {
    var classes = ClassMap(names: ["run", "jump"])
    var dimension = 3
    var videos: [VideoPlan]
    var spoil: (video: Int, row: Int, column: Int, value: Float)?

    init(rows: [Int]) {
        videos = rows.enumerated().map { index, count in
            let instances = (0..<index).map { ActionInstance(segment: Segment(start: Double($0), end: Double($0) + 0.5), label: $0 % 2) }
            let annotation = VideoAnnotation(
                id: VideoID("video_\(index)"), subset: index == 0 ? "Validation" : "Test", duration: 10 + Double(index), fps: 25,
                instances: instances)
            return VideoPlan(rows: count, grid: FeatureGrid(fps: 25, stride: 4, window: 16), annotation: annotation)
        }
    }

    func value(_ video: Int, _ row: Int, _ column: Int) -> Float { Float(100 * video + row) + Float(column) / 8 }

    func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
        for row in 0..<videos[index].rows {
            for column in 0..<dimension { target[row * dimension + column] = value(index, row, column) }
        }
        if let spoil, spoil.video == index { target[spoil.row * dimension + spoil.column] = spoil.value }
    }
}

final class FeatureStoreTests: FolderTestCase {
    private func read(_ store: FeatureStore, _ video: Int, _ rows: Range<Int>) throws -> [Float] {
        var values = [Float](repeating: .nan, count: rows.count * store.dimension)
        try store.read(rows, ofVideo: video).copy(to: &values)
        return values
    }

    func testStoreGivesBackWhatWasWritten() throws {
        let source = CountingSource(rows: [5, 1, 9])
        for storage in FeatureStorage.allCases {
            let digest = try FeatureStoreWriter(storage: storage).write(source, to: path("a.h5"))
            let store = try FeatureStore(path: path("a.h5"))
            XCTAssertEqual(store.dimension, 3)
            XCTAssertEqual(store.rows, 15)
            XCTAssertEqual(store.storage, storage)
            XCTAssertEqual(store.classes, source.classes)
            XCTAssertEqual(store.digest, digest)
            XCTAssertEqual(store.videos.map(\.id), ["video_0", "video_1", "video_2"])
            XCTAssertEqual(store.videos.map(\.firstRow), [0, 5, 6])
            XCTAssertEqual(store.videos.map(\.rows), [5, 1, 9])
            XCTAssertEqual(store.videos.map(\.annotation), source.videos.map(\.annotation))
            XCTAssertEqual(store.videos.map(\.grid), source.videos.map(\.grid))
            XCTAssertEqual(store.instanceCount, 3)
            XCTAssertEqual(store.index(of: "video_2"), 2)
            XCTAssertNil(store.index(of: "video_3"))
            for video in 0..<3 {
                for rows in [0..<source.videos[video].rows, 0..<1, 0..<0] {
                    let expected = rows.flatMap { row in (0..<3).map { source.value(video, row, $0) } }
                    XCTAssertEqual(try read(store, video, rows), expected, "\(storage) video \(video) rows \(rows)")
                }
            }
            XCTAssertEqual(try read(store, 2, 4..<6), (4..<6).flatMap { row in (0..<3).map { source.value(2, row, $0) } })
            XCTAssertNoThrow(try store.verify())
            XCTAssertEqual(
                try FileManager.default.contentsOfDirectory(atPath: path("")).filter { $0.hasSuffix(".part") || $0.hasSuffix(".lock") }, [])
        }
    }

    func testDigestFollowsTheContents() throws {
        func digest(_ change: (inout CountingSource) -> Void, _ storage: FeatureStorage = .float32) throws -> String {
            var source = CountingSource(rows: [2, 3])
            change(&source)
            return try FeatureStoreWriter(storage: storage).write(source, to: path("a.h5"))
        }
        let digests = [
            try digest { _ in }, try digest({ _ in }, .float16), try digest { $0.spoil = (1, 2, 0, 7) },
            try digest { $0.classes = ClassMap(names: ["run", "hop"]) }, try digest { $0.videos[1].annotation.instances[0].label = 1 },
            try digest { $0.videos[1].grid.stride = 5 }, try digest { $0.videos[0].annotation.subset = "Test" },
        ]
        XCTAssertEqual(Set(digests).count, digests.count)
        XCTAssertEqual(try digest { _ in }, digests[0])
    }

    func testChangedValuesAreFound() throws {
        let digest = try FeatureStoreWriter().write(CountingSource(rows: [2, 3]), to: path("a.h5"))
        let file = try HDF5File.openForWriting(path("a.h5"))
        let matrix = try HDF5Matrix(in: file, "features")
        try matrix.writeStored(3..<4, [Float](repeating: 0, count: 3))
        matrix.close()
        file.close()
        let store = try FeatureStore(path: path("a.h5"))
        let found = try store.contentDigest()
        assertFailure(
            """
            error: the store was changed after it was written: its digest is \(found.prefix(12))..., \(digest.prefix(12))... is recorded
              where: file 'FOLDER/a.h5'
              do: copy the store again from its source, or make it again
            """
        ) { try store.verify() }
    }

    func testHalfPrecisionIsExact() {
        var halves = (0..<65536).map { UInt16($0) }.filter { $0 & 0x7c00 != 0x7c00 }
        var floats = [Float](repeating: 0, count: halves.count)
        HalfPrecision.widen(halves, into: &floats, count: halves.count)
        for (half, float) in zip(halves, floats) { XCTAssertEqual(float.bitPattern, Float(Float16(bitPattern: half)).bitPattern, "half \(half)") }
        let special: [UInt16] = [0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff]
        var widened = [Float](repeating: 0, count: special.count)
        HalfPrecision.widen(special, into: &widened, count: special.count)
        XCTAssertEqual(widened[0], .infinity)
        XCTAssertEqual(widened[1], -.infinity)
        XCTAssertTrue(widened[2...].allSatisfy(\.isNaN))
        let expected = halves
        HalfPrecision.narrow(floats, into: &halves, count: floats.count)
        XCTAssertEqual(halves, expected)

        // Between the halves: the middles (ties), their neighbours, and numbers below the smallest.
        let positive = floats.filter { $0.sign == .plus }.sorted()
        var between: [Float] = [1e-9, 2.9e-8, 3e-8, 65519.99]
        for (low, high) in zip(positive, positive.dropFirst()) {
            let middle = (low + high) / 2
            between += [middle, middle.nextUp, middle.nextDown, -middle]
        }
        var narrowed = [UInt16](repeating: 0, count: between.count)
        HalfPrecision.narrow(between, into: &narrowed, count: between.count)
        for (value, half) in zip(between, narrowed) { XCTAssertEqual(half, Float16(value).bitPattern, "\(value)") }
    }

    func testRefusedOnWriting() throws {
        var source = CountingSource(rows: [2, 3])
        for (value, what) in [(Float.nan, "NaN"), (.infinity, "an infinite value"), (-.infinity, "an infinite value")] {
            source.spoil = (1, 2, 1, value)
            assertFailure(
                """
                error: the features hold \(what) at row 2, column 1
                  where: video 'video_1'
                  do: extract the features of this video again, or leave the video out
                """
            ) { try FeatureStoreWriter().write(source, to: path("a.h5")) }
        }
        source.spoil = (1, 2, 1, 70000)
        assertFailure(
            """
            error: the value 70000.0 at row 2, column 1 does not fit float16, which ends at 65504
              where: video 'video_1'
              do: use --storage float32
            """
        ) { try FeatureStoreWriter(storage: .float16).write(source, to: path("a.h5")) }
        source.spoil = (1, 2, 1, -65519)
        XCTAssertNoThrow(try FeatureStoreWriter(storage: .float16).write(source, to: path("b.h5")))

        source = CountingSource(rows: [2, 3])
        source.videos[1].annotation.id = "video_0"
        assertFailure("error: the video stands there twice\n  where: video 'video_0'\n  do: keep one of the two") {
            try FeatureStoreWriter().write(source, to: path("a.h5"))
        }
        assertFailure(
            """
            error: the video has no feature rows
              where: video 'video_1'
              do: extract its features again or leave the video out
            """
        ) { try FeatureStoreWriter().write(CountingSource(rows: [2, 0]), to: path("a.h5")) }
        assertFailure("error: there is no video to write\n  do: check the source folder and the annotations") {
            try FeatureStoreWriter().write(CountingSource(rows: []), to: path("a.h5"))
        }
        assertFailure(
            """
            error: the output's folder 'FOLDER/none' does not exist
              where: file 'FOLDER/none/a.h5'
              do: make the folder or choose another output path
            """, kind: .failed
        ) { try FeatureStoreWriter().write(CountingSource(rows: [1]), to: path("none/a.h5")) }
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), ["b.h5"], "nothing half-written may stay")
    }

    func testAFailedWriteKeepsTheFileThatWasThere() throws {
        let digest = try FeatureStoreWriter().write(CountingSource(rows: [2, 3]), to: path("a.h5"))
        var source = CountingSource(rows: [2, 3])
        source.spoil = (1, 0, 0, .nan)
        XCTAssertThrowsError(try FeatureStoreWriter().write(source, to: path("a.h5")))
        XCTAssertEqual(try FeatureStore(path: path("a.h5")).digest, digest)
    }

    func testRefusedOnOpening() throws {
        func changed(_ change: (HDF5File) throws -> Void) throws -> String {
            try FeatureStoreWriter().write(CountingSource(rows: [2, 3]), to: path("a.h5"))
            let file = try HDF5File.openForWriting(path("a.h5"))
            defer { file.close() }
            try change(file)
            return path("a.h5")
        }
        func replace(_ file: HDF5File, _ name: String, _ values: [Int]) throws {
            try file.remove(name)
            try file.writeInts(name, values)
        }
        let newer = try changed { try $0.setAttribute(of: "", named: "version", 3) }
        assertFailure(
            """
            error: the store has version 3, this program reads versions 1 to 2
              where: file 'FOLDER/a.h5'
              do: use the newer program that wrote it, or make the store again
            """
        ) { try FeatureStore(path: newer) }
        let foreign = try changed { try $0.setAttribute(of: "", named: "format", "kairos checkpoint") }
        assertFailure(
            """
            error: this HDF5 file is not a feature store: its format is 'kairos checkpoint'
              where: file 'FOLDER/a.h5'
              do: make a store with 'kairos import' or 'kairos synthesize'
            """
        ) { try FeatureStore(path: foreign) }
        let bare = try HDF5File.create(path("bare.h5"))
        bare.close()
        assertFailure(
            """
            error: this HDF5 file is not a feature store: it has no attribute 'format'
              where: file 'FOLDER/bare.h5'
              do: make a store with 'kairos import' or 'kairos synthesize'
            """
        ) { try FeatureStore(path: path("bare.h5")) }
        let shifted = try changed { try replace($0, "videos/first_row", [0, 3]) }
        assertFailure(
            """
            error: the index does not fit together: video 'video_1' has 3 rows from row 3, row 2 was expected
              where: file 'FOLDER/a.h5', dataset 'videos/first_row'
              do: make the store again
            """
        ) { try FeatureStore(path: shifted) }
        let short = try changed { try replace($0, "videos/rows", [2, 2]) }
        assertFailure(
            """
            error: the index does not fit the matrix: the videos have 4 rows together, the matrix has 5
              where: file 'FOLDER/a.h5', dataset 'features'
              do: make the store again
            """
        ) { try FeatureStore(path: short) }
        let unequal = try changed { try replace($0, "videos/rows", [2]) }
        assertFailure(
            """
            error: it holds 1 entries, 2 were expected
              where: file 'FOLDER/a.h5', dataset 'videos/rows'
              do: make the store again
            """
        ) { try FeatureStore(path: unequal) }
        let label = try changed { try replace($0, "annotations/label", [2]) }
        assertFailure(
            """
            error: annotation 0 names class number 2; the store has 2 classes
              where: file 'FOLDER/a.h5', video 'video_1', dataset 'annotations/label'
              do: make the store again
            """
        ) { try FeatureStore(path: label) }
        let owner = try changed { try replace($0, "annotations/video", [2]) }
        assertFailure(
            """
            error: annotation 0 names video number 2; the store has 2 videos
              where: file 'FOLDER/a.h5', dataset 'annotations/video'
              do: make the store again
            """
        ) { try FeatureStore(path: owner) }
        let endless = try changed { try replace($0, "videos/rows", [2, Int.max]) }
        assertFailure(
            """
            error: the index does not fit together: video 'video_1' has 9223372036854775807 rows from row 2, row 2 was expected
              where: file 'FOLDER/a.h5', dataset 'videos/first_row'
              do: make the store again
            """
        ) { try FeatureStore(path: endless) }
        let twice = try changed {
            try $0.remove("videos/id")
            try $0.writeStrings("videos/id", ["video_0", "video_0"])
        }
        assertFailure("error: the video 'video_0' stands there twice\n  where: file 'FOLDER/a.h5'\n  do: make the store again") {
            try FeatureStore(path: twice)
        }
        let integers = try changed { try replace($0, "features", [1, 2, 3]) }
        assertFailure(
            """
            error: it is [3] of 64-bit integers, a contiguous matrix [rows, dimension] of little-endian float32 or float16 was expected
              where: file 'FOLDER/a.h5', dataset 'features'
              do: make the store with 'kairos import' or 'kairos synthesize'
            """
        ) { try FeatureStore(path: integers) }
        let without = try changed { try $0.remove("classes") }
        assertFailure(
            """
            error: the file holds no dataset 'classes'
              where: file 'FOLDER/a.h5', dataset 'classes'
              do: check that the file is of the kind expected here
            """
        ) { try FeatureStore(path: without) }
    }

    func testTimesThatAreNoneAreRefusedOnOpening() throws {
        func check(_ dataset: String, _ values: [Double], video: Int, _ what: String, line: UInt = #line) throws {
            try FeatureStoreWriter().write(CountingSource(rows: [2, 3]), to: path("a.h5"))
            let file = try HDF5File.openForWriting(path("a.h5"))
            try file.remove(dataset)
            try file.writeDoubles(dataset, values)
            try file.finishWriting()
            assertFailure(
                """
                error: \(what)
                  where: file 'FOLDER/a.h5', video 'video_\(video)', dataset '\(dataset.replacingOccurrences(of: "/end", with: "/start"))'
                  do: make the store again
                """, line: line
            ) { try FeatureStore(path: path("a.h5")) }
        }
        try check("videos/fps", [25, 0], video: 1, "the fps are 0.0, not a positive number up to 1000000")
        try check("videos/fps", [1e30, 25], video: 0, "the fps are 1e+30, not a positive number up to 1000000")
        try check("videos/stride", [.nan, 4], video: 0, "the stride is nan, not a positive number up to 1000000000")
        try check("videos/window", [16, -1], video: 1, "the window is -1.0, not a positive number up to 1000000000")
        try check("videos/duration", [10, .nan], video: 1, "the duration is nan, not a positive number up to 10000000")
        try check("videos/duration", [.infinity, 11], video: 0, "the duration is inf, not a positive number up to 10000000")
        try check("annotations/start", [3], video: 1, "the segment [3.0, 0.5] is reversed")
        try check("annotations/end", [.infinity], video: 1, "the segment [0.0, inf] is not finite")
        try check("annotations/end", [.nan], video: 1, "the segment [0.0, nan] is not finite")
    }

    func testTruncatedStoreIsRefusedAtEveryLength() throws {
        try FeatureStoreWriter().write(CountingSource(rows: [200, 300]), to: path("a.h5"))
        let whole = try Data(contentsOf: URL(fileURLWithPath: path("a.h5")))
        for length in stride(from: 0, to: whole.count, by: 97) {
            try whole.prefix(length).write(to: URL(fileURLWithPath: path("cut.h5")))
            XCTAssertThrowsError(try FeatureStore(path: path("cut.h5")), "\(length) of \(whole.count) bytes") {
                XCTAssertEqual(($0 as? Failure)?.kind, .badInput, "\($0)")
            }
        }
        try whole.prefix(5000).write(to: URL(fileURLWithPath: path("cut.h5")))
        assertFailure(
            """
            error: the file ends early: its header promises \(Damage.endOfHDF5(whole)) bytes, it holds 5000
              where: file 'FOLDER/cut.h5'
              do: copy the file again from its source, or make it again
            """
        ) { try FeatureStore(path: path("cut.h5")) }
    }

    /// The library would call zeros what is missing.
    func testAStoreThatShrinksWhileItIsReadIsNoticed() throws {
        try FeatureStoreWriter().write(CountingSource(rows: [200, 300]), to: path("a.h5"))
        let store = try FeatureStore(path: path("a.h5"))
        XCTAssertNoThrow(try store.read(0..<300, ofVideo: 1))
        let whole = try XCTUnwrap(FileManager.default.attributesOfItem(atPath: path("a.h5"))[.size] as? Int)
        XCTAssertEqual(truncate(path("a.h5"), off_t(whole / 2)), 0)
        assertFailure(
            """
            error: the file has become shorter since it was opened: row 200 lies beyond its end
              where: file 'FOLDER/a.h5', dataset 'features'
              do: let nothing write to a file that is in use; copy it again from its source, or make it again
            """
        ) { try store.read(0..<300, ofVideo: 1) }
    }
}
