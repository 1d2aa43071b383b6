import Collectives
import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import XCTest

/// The store that all ranks write together, beside the one that a single rank writes.
final class FeatureStoreWritingTests: XCTestCase {
    private var world: Communicator!
    private var folder = ""

    override func setUpWithError() throws {
        world = try Communicator.world()
        folder = try world.broadcast(world.isRoot ? NSTemporaryDirectory() + "/kairos-\(UUID().uuidString)" : "")
        if world.isRoot { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
        try world.barrier()
    }

    override func tearDownWithError() throws {
        try world.barrier()
        if world.isRoot { try FileManager.default.removeItem(atPath: folder) }
    }

    /// Synthetic features, of which one value of some videos may be spoilt.
    private struct Spoilt: FeatureSource {
        let source: SyntheticFeatures
        var spoilt: Set<Int>
        var classes: ClassMap { source.classes }
        var dimension: Int { source.dimension }
        var videos: [VideoPlan] { source.videos }
        func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
            try source.readRows(ofVideo: index, into: target)
            if spoilt.contains(index) { target[4] = .nan }
        }
    }

    private func source(videos: Int = 7, spoilt: Set<Int> = [], seed: UInt64 = 1) throws -> Spoilt {
        let set = try SyntheticFeatures.annotations(videos: videos, classes: 2, seed: seed)
        return Spoilt(source: try SyntheticFeatures(annotations: set, dimension: 3, stride: 15, window: 30, seed: 1), spoilt: spoilt)
    }

    func testAllRanksTogetherWriteTheFileOfOneRank() throws {
        for storage in FeatureStorage.allCases {
            for videos in [1, 2, 7] {
                let writer = FeatureStoreWriter(storage: storage)
                let digest = try writer.write(try source(videos: videos), to: folder + "/together.h5", communicator: world)
                XCTAssertEqual(try FeatureStore(path: folder + "/together.h5").contentDigest(), digest)
                guard world.isRoot else { continue }
                XCTAssertEqual(try writer.write(try source(videos: videos), to: folder + "/alone.h5"), digest)
                let files = try ["together.h5", "alone.h5"].map { try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)")) }
                XCTAssertEqual(files[0], files[1], "\(videos) videos, \(storage)")
            }
            try world.barrier()
        }
    }

    func testAFailureOfOneRankReachesAll() throws {
        for spoilt in [0, 3, 6] {
            XCTAssertThrowsError(try FeatureStoreWriter().write(try source(spoilt: [spoilt]), to: folder + "/a.h5", communicator: world)) { error in
                let failure = error as? Failure
                XCTAssertEqual(failure?.what, "the features hold NaN at row 1, column 1")
                let video = Failure.Place.video("synthetic_000\(spoilt + 1)")
                XCTAssertEqual(failure?.places, world.size == 1 ? [video] : [.rank(spoilt % world.size), video])
            }
            try world.barrier()
            XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), [])
            try world.barrier()
        }
    }

    func testFaultsOfAllRanksAreNamed() throws {
        XCTAssertThrowsError(try FeatureStoreWriter().write(try source(spoilt: [1, 2, 4]), to: folder + "/a.h5", communicator: world)) { error in
            XCTAssertEqual(
                (error as? Failure)?.what,
                """
                3 of 7 videos cannot be stored:
                    'synthetic_0002', 'synthetic_0003', 'synthetic_0005': the features hold NaN at row 1, column 1
                """)
        }
        try world.barrier()
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), [])
    }

    func testRanksMustMeanTheSameVideos() throws {
        try XCTSkipIf(world.size < 2, "needs 2 ranks, \(world.size) run")
        XCTAssertThrowsError(
            try FeatureStoreWriter().write(try source(seed: UInt64(world.rank)), to: folder + "/a.h5", communicator: world)
        ) { error in
            XCTAssertTrue(((error as? Failure)?.what ?? "").hasPrefix("the list of videos to write differs between ranks: "), "\(error)")
        }
    }

    func testAnUnwritableFolderStopsAllRanks() throws {
        XCTAssertThrowsError(try FeatureStoreWriter().write(try source(), to: folder + "/none/a.h5", communicator: world)) { error in
            XCTAssertEqual((error as? Failure)?.what, "the output's folder '\(folder)/none' does not exist")
        }
    }
}
