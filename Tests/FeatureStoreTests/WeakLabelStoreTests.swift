import Diagnostics
import FeatureStore
import Foundation
import HDF5
import TemporalAnnotations
import TestSupport
import XCTest

/// Classes without segments in a store.
final class WeakLabelStoreTests: FolderTestCase {
    /// Video 0 without actions, video 1 with one segment, video 2 with weak labels.
    private func source(_ weak: [Int]) -> CountingSource {
        var source = CountingSource(rows: [2, 3, 2])
        source.videos[2].annotation.instances = []
        source.videos[2].annotation.weakLabels = weak
        return source
    }

    func testWeakLabelsComeBack() throws {
        let digest = try FeatureStoreWriter().write(source([0, 1]), to: path("w.h5")), store = try FeatureStore(path: path("w.h5"))
        XCTAssertEqual(store.videos.map(\.annotation.weakLabels), [[], [], [0, 1]])
        XCTAssertEqual(store.videos.map(\.annotation.instances.count), [0, 1, 0])
        XCTAssertEqual(store.digest, digest)
        XCTAssertNoThrow(try store.verify())
        let file = try HDF5File.open(path("w.h5"))
        XCTAssertEqual(try file.intAttribute(of: "", named: "version"), 2)
        XCTAssertEqual(try file.readInts("weak_labels/video"), [2, 2])
        XCTAssertEqual(try file.readInts("weak_labels/label"), [0, 1])
        file.close()
        // They are part of what the digest says.
        XCTAssertNotEqual(try FeatureStoreWriter().write(source([1]), to: path("v.h5")), digest)
    }

    /// A store without weak labels is as it always was: version, datasets and digest.
    func testStoresWithoutWeakLabelsStayAsTheyWere() throws {
        try FeatureStoreWriter().write(source([]), to: path("s.h5"))
        let file = try HDF5File.open(path("s.h5"))
        defer { file.close() }
        XCTAssertEqual(try file.intAttribute(of: "", named: "version"), 1)
        XCTAssertFalse(file.exists("weak_labels"))
        XCTAssertEqual(
            try FeatureStore(path: path("s.h5")).digest, "2f8a05667bc9d029a9fb56c4bfe0103552925ed5db11dad15975fbd9c42b7901")
    }

    func testRefusedOnOpening() throws {
        func refuses(_ videos: [Int], _ labels: [Int], _ what: String, _ dataset: String, line: UInt = #line) throws {
            try FeatureStoreWriter().write(source([0, 1]), to: path("a.h5"))
            let file = try HDF5File.openForWriting(path("a.h5"))
            for (name, values) in [("weak_labels/video", videos), ("weak_labels/label", labels)] {
                try file.remove(name)
                try file.writeInts(name, values)
            }
            file.close()
            assertFailure(
                "error: \(what)\n  where: file 'FOLDER/a.h5', dataset 'weak_labels/\(dataset)'\n  do: make the store again", line: line
            ) { try FeatureStore(path: path("a.h5")) }
        }
        try refuses([2, 3], [0, 1], "weak label 1 names video number 3; the store has 3 videos", "video")
        try refuses([2, 2], [0, -1], "weak label 1 names class number -1; the store has 2 classes", "label")
        try refuses([1, 2], [0, 1], "weak label 0 is of video 'video_1', which has segments", "video")
        try refuses([2, 2], [1, 1], "the weak labels of video 'video_2' are not ascending", "label")
        try refuses([2], [0, 1], "it holds 2 entries, 1 were expected", "label")
    }

    func testFeaturesAreNotMadeFromWeakLabels() {
        let video = VideoAnnotation(id: "w", subset: "Test", duration: 9, fps: 30, instances: [], weakLabels: [0])
        assertFailure(
            """
            error: the video has classes without segments, features are made from segments
              where: video 'w'
              do: give annotations whose actions all have a segment
            """
        ) {
            try SyntheticFeatures(
                annotations: AnnotationSet(version: "", classes: ClassMap(names: ["run"]), videos: [video]), dimension: 4, stride: 15, window: 30,
                seed: 1)
        }
    }
}
