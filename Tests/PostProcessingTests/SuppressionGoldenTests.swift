import HDF5
import PostProcessing
import TemporalAnnotations
import TestSupport
import XCTest

/// Element by element, in the fixture's order: labels equal, scores within 1e-6 relative, segments within 1e-6 relative (with voting 1e-5 of the
/// longest coordinate: the fixture sums its weighted mean in another order).
final class SuppressionGoldenTests: XCTestCase {
    func testGoldenSuppression() throws {
        for path in try Fixtures.files(matching: "nms", suffix: ".h5") {
            let file = try HDF5File.open(path)
            defer { file.close() }
            let segments = try file.readFloats("segments"), scores = try file.readFloats("scores"), labels = try file.readInts("labels")
            XCTAssertEqual(try file.shape(of: "segments"), [scores.count, 2])
            XCTAssertEqual(try file.shape(of: "labels"), [scores.count])
            let candidates = scores.indices.map {
                Candidate(segment: GridSegment(start: segments[2 * $0], end: segments[2 * $0 + 1]), score: scores[$0], label: labels[$0])
            }
            func attribute(_ name: String) throws -> Float { Float(try file.doubleAttribute(of: "/", named: name)) }
            var settings = SuppressionSettings(
                method: .soft, iouThreshold: try attribute("iou_threshold"), sigma: try attribute("sigma"), minScore: try attribute("min_score"),
                maxSegments: try file.intAttribute(of: "/", named: "max_seg_num"), perClass: true,
                votingThreshold: try attribute("voting_thresh"))
            try compare(suppress(candidates, settings: settings), file, "soft_multiclass", segmentTolerance: 1e-6)
            settings.method = .hard
            try compare(suppress(candidates, settings: settings), file, "hard_multiclass", segmentTolerance: 1e-6)
            settings.method = .soft
            settings.perClass = false
            try compare(suppress(candidates, settings: settings), file, "soft_class_agnostic_voting", segmentTolerance: 1e-5)
        }
    }

    private func compare(_ found: [Candidate], _ file: HDF5File, _ group: String, segmentTolerance: Float) throws {
        let segments = try file.readFloats("\(group)/segments"), scores = try file.readFloats("\(group)/scores")
        let labels = try file.readInts("\(group)/labels")
        XCTAssertEqual(found.count, scores.count, group)
        guard found.count == scores.count else { return }
        let scale = segments.map(abs).max() ?? 1
        for (i, candidate) in found.enumerated() {
            XCTAssertEqual(candidate.label, labels[i], "\(group), label \(i)")
            XCTAssertEqual(candidate.score, scores[i], accuracy: 1e-6 * max(1e-3, scores[i]), "\(group), score \(i)")
            XCTAssertEqual(candidate.segment.start, segments[2 * i], accuracy: segmentTolerance * scale, "\(group), start \(i)")
            XCTAssertEqual(candidate.segment.end, segments[2 * i + 1], accuracy: segmentTolerance * scale, "\(group), end \(i)")
        }
    }
}
