import Collectives
import FeatureStore
import Foundation
import XCTest

/// Tests of all ranks over a small store that rank 0 makes, FOLDER/store.h5.
class StoreTestCase: XCTestCase {
    private(set) var world: Communicator!
    private(set) var folder = ""
    /// Recordings in the store.
    var recordings: Int { 12 }

    override func setUpWithError() throws {
        world = try Communicator.world()
        folder = try world.broadcast(world.isRoot ? NSTemporaryDirectory() + "/kairos-\(UUID().uuidString)" : "")
        try world.throwTogether {
            guard world.isRoot else { return }
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let annotations = try SyntheticFeatures.annotations(videos: recordings, classes: 2, seed: 4)
            try FeatureStoreWriter().write(
                try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4), to: folder + "/store.h5")
        }
        try world.barrier()
    }

    override func tearDownWithError() throws {
        try world.barrier()
        if world.isRoot { try FileManager.default.removeItem(atPath: folder) }
    }
}
