import Collectives
import FeatureStore
import Foundation
import StandardRegistry
import Training
import TrainingMethods
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

    /// What a run by all ranks of this job, or by one rank alone, returns; on all ranks the same. It is over on all ranks.
    func digest(alone: Bool, _ train: (Communicator) throws -> String) throws -> String {
        var digest = ""
        if alone {
            try world.throwTogether { if world.isRoot { digest = try train(try Communicator.alone()) } }
        } else {
            digest = try train(world)
        }
        digest = try world.broadcast(digest)
        try world.barrier()
        return digest
    }

    /// Runs a configuration by all ranks of this job, or by one rank alone.
    ///
    /// - Returns: the digest of the last checkpoint, and the predictions; on all ranks the same.
    func run(
        _ yaml: String, _ name: String, _ overrides: [String], alone: Bool = false, resume: Bool = false, stopAfter: Int? = nil
    ) throws -> [String] {
        let configuration = try RunConfiguration(
            yaml: yaml.replacingOccurrences(of: "FOLDER", with: folder), file: "run.yaml", overrides: overrides)
        func train(_ ranks: Communicator) throws -> String {
            try TrainingRun(configuration, folder: "\(folder)/\(name)", resume: resume, communicator: ranks).run(stopAfter: stopAfter).digest
        }
        let digest = try digest(alone: alone, train)
        guard stopAfter == nil else { return [] }
        return [digest, try String(contentsOfFile: "\(folder)/\(name)/predictions.json", encoding: .utf8)]
    }

    /// Runs by all ranks and by one alone, uninterrupted and stopped at a step and gone on with by the other number of ranks: the same bits.
    func requireSameBits(_ yaml: String, _ name: String, _ overrides: [String], stopAfter: Int) throws {
        let expected = try run(yaml, name + "-alone", overrides, alone: true)
        XCTAssertEqual(try run(yaml, name, overrides), expected, "\(name), \(world.size) ranks")
        for alone in [true, false] {
            let part = "\(name)-stopped-\(alone)"
            _ = try run(yaml, part, overrides, alone: alone, stopAfter: stopAfter)
            XCTAssertEqual(try run(yaml, part, overrides, alone: !alone, resume: true), expected, "\(part), \(world.size) ranks")
        }
    }
}
