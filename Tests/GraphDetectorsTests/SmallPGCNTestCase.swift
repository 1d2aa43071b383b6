import Autograd
import Detectors
import Foundation
import GraphDetectors
import NeuralNetworks
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// Tiny P-GCNs, proposals and batches.
class SmallPGCNTestCase: XCTestCase {
    /// Of the proposals' file.
    private(set) var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: folder) }

    /// Two recordings of 20 s with an action from 5 to 10 s of class 1; "a" has proposals of all kinds, "b" of none but foreground, "c" no proposals.
    func model(_ change: (inout PGCNSettings) -> Void = { _ in }) throws -> PGCN {
        let path = folder + "/p.json"
        func list(_ ends: [(Double, Double)]) -> String {
            ends.map { "{\"label\": \"any\", \"segment\": [\($0.0), \($0.1)], \"score\": 0.5}" }.joined(separator: ", ")
        }
        let text = """
            {"results": {
            "a": [\(list([(5.2, 10), (4.8, 9.6), (5, 6), (9, 12), (5.5, 10.5), (14, 19), (0, 3), (12, 20)]))],
            "b": [\(list([(5, 10.2), (5.5, 10)]))],
            "c": []}}
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        var settings = PGCNSettings()
        (settings.inputDimension, settings.classes, settings.hiddenDimension) = (5, 3, 6)
        change(&settings)
        let model = PGCN(settings)
        model.initializeParameters(seed: 3)
        model.lists = try ProposalLists([path])
        return model
    }

    func batch(_ names: [String], action: Segment? = Segment(start: 5, end: 10), seed: UInt64 = 1) -> PackedBatch {
        var random = RandomStream(seed: seed, "batch")
        let grid = FeatureGrid(fps: 10, stride: 5, window: 10), rows = 39
        return PackedBatch(
            features: PackedSequence(
                Tensor(rows: rows * names.count, columns: 5, (0..<5 * rows * names.count).map { _ in random.normal() }),
                offsets: (0...names.count).map { rows * $0 }),
            videos: names.map { VideoContext(id: VideoID($0), grid: grid, duration: 20) },
            instances: names.map { _ in action.map { [GridInstance(segment: grid.gridSegment($0), label: 1)] } ?? [] })
    }

    func pass(_ tape: Tape = Tape()) -> ForwardPass { ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 4, "step")) }
}
