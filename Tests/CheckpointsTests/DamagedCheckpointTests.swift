import Checkpoints
import Diagnostics
import Foundation
import RunRecords
import TestSupport
import XCTest

/// A checkpoint that was damaged in any way is passed over as damaged, or read as it was.
final class DamagedCheckpointTests: XCTestCase {
    func testRandomDamagesAreReadOrRefused() throws {
        let folder = NSTemporaryDirectory() + "kairos-damaged-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/a.h5", other = folder + "/b.h5"
        let state = TwoLayers.usual()
        state.initializeParameters(seed: 1)
        let header = Checkpoint.Header(
            programVersion: "0.1.0", step: 7, optimizerStep: 7, seed: 3, lossNormalizer: 1, configuration: "data:\n  store: s.h5\n",
            configurationDigest: "c", storeDigest: "s", classes: ["a", "b"], inputDimension: 2, methodState: ["round": [1, 2, 3]])
        let digest = try Checkpoint.write(
            TrainingState(arena: .init(state), weightDecay: 0, emaDecay: 0.9, initialLossNormalizer: 1), header: header, to: path)
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let regions = whole.indices.filter { whole[$0] != 0 }.map { $0..<$0 + 1 }
        var refused = 0
        for number in 0..<300 {
            try Data(Damage.damaged(whole, seed: 2, number: number, regions: regions)).write(to: URL(fileURLWithPath: other))
            do {
                let checkpoint = try Checkpoint(path: other)
                XCTAssertEqual(checkpoint.digest, digest, "number \(number)")
            } catch {
                XCTAssertEqual((error as? Failure)?.kind, .badInput, "number \(number): \(error)")
                refused += 1
            }
        }
        XCTAssertGreaterThan(refused, 200)
    }
}
