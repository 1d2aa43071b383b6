import Detectors
import HDF5
import TemporalAnnotations
import TestSupport
import WeakSupervision
import XCTest

/// Proposals against the published implementation, row by row: from its activations, and from those of our generator.
final class ProposalGoldenTests: XCTestCase {
    private func grid(_ file: HDF5File) throws -> FeatureGrid {
        let frames = Double(try file.intAttribute(of: "/", named: "frames_per_segment"))
        return FeatureGrid(fps: Double(try file.intAttribute(of: "/", named: "fps")), stride: frames, window: frames)
    }

    private func compare(_ name: String, _ found: [Detection], _ file: HDF5File, accuracy: Double) throws {
        let shape = try file.shape(of: name), theirs = try file.readDoubles(name)
        XCTAssertEqual([found.count, 4], shape, name)
        guard [found.count, 4] == shape else { return }
        for (i, detection) in found.enumerated() {
            let row = [Double(detection.label), detection.score, detection.segment.start, detection.segment.end]
            for (ours, expected) in zip(row, theirs[4 * i..<4 * i + 4]) {
                guard abs(ours - expected) <= accuracy else { return XCTFail("\(name), row \(i): \(row), expected \(theirs[4 * i..<4 * i + 4])") }
            }
        }
    }

    func testGoldenProposals() throws {
        try GeneratorFixture.forEach { fixture in
            let file = fixture.file, segments = fixture.segments, classes = fixture.classes
            let cas = try file.readFloats("cas"), actionness = try file.readFloats("actionness"), scores = try file.readFloats("video_scores")
            let extraction = ProposalExtraction(fixture.settings), grid = try grid(file)
            for video in 0..<fixture.videos {
                let own = Array(scores[video * classes..<(video + 1) * classes])
                let proposals = extraction.proposals(
                    activations: Array(cas[video * segments * classes..<(video + 1) * segments * classes]),
                    actionness: Array(actionness[video * segments..<(video + 1) * segments]), videoScores: own,
                    labels: extraction.labels(videoScores: own, known: nil))
                let all = extraction.detections(
                    proposals, video: VideoID("\(video)"), rows: segments, segments: segments, grid: grid, duration: .infinity)
                try compare("proposals/\(video)/before_nms_class_score_start_end", all, file, accuracy: 5e-8)
                // Theirs stand class by class. Equal scores (proposals without any activation) are taken in the order of an unstable sort there:
                // ours are given in the order of those that theirs has kept.
                let name = "proposals/\(video)/after_nms_class_score_start_end"
                let theirs = try file.readDoubles(name)
                func rank(_ detection: Detection) -> Int {
                    stride(from: 0, to: theirs.count, by: 4).first {
                        Int(theirs[$0]) == detection.label && abs(theirs[$0 + 2] - detection.segment.start) < 1e-9
                            && abs(theirs[$0 + 3] - detection.segment.end) < 1e-9
                    } ?? theirs.count
                }
                let ranked = all.map { (rank($0), $0) }.enumerated().sorted { ($0.element.0, $0.offset) < ($1.element.0, $1.offset) }
                let kept = extraction.suppressed(ranked.map(\.element.1)).enumerated()
                    .sorted { ($0.element.label, $0.offset) < ($1.element.label, $1.offset) }
                try compare(name, kept.map(\.element), file, accuracy: 5e-8)
            }
        }
    }

    /// From the features on, before NMS; what the localizer gives is that after it.
    func testGoldenProposalsOfTheGenerator() throws {
        try GeneratorFixture.forEach { fixture in
            let grid = try grid(fixture.file), extraction = ProposalExtraction(fixture.settings), classes = fixture.classes
            let videos = (0..<fixture.videos).map { VideoContext(id: VideoID("\($0)"), grid: grid, duration: 1e6) }
            let batch = PackedBatch(features: fixture.features, videos: videos, instances: Array(repeating: [], count: fixture.videos))
            let found = ProposalLocalizer([fixture.generator], settings: fixture.settings).detectWithScores(batch)
            let outputs = fixture.generator(fixture.features, .inference()), actionness = outputs.actionness
            for (video, one) in found.enumerated() {
                let (detections, scores) = (one.proposals, one.videoScores)
                XCTAssertNil(one.densities)
                XCTAssertEqual(one.divided, [])
                let rows = fixture.features.rows(of: video)
                let proposals = extraction.proposals(
                    activations: Array(outputs.activations.tensor.array[rows.lowerBound * classes..<rows.upperBound * classes]),
                    actionness: Array(actionness[rows]), videoScores: scores, labels: extraction.labels(videoScores: scores, known: nil))
                let all = extraction.detections(
                    proposals, video: videos[video].id, rows: rows.count, segments: rows.count, grid: grid, duration: 1e6)
                try compare("proposals/\(video)/before_nms_class_score_start_end", all, fixture.file, accuracy: 1e-4)
                XCTAssertEqual(detections, extraction.suppressed(all))
            }
        }
    }
}
