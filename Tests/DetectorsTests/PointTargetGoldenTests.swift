import Detectors
import HDF5
import PostProcessing
import TemporalAnnotations
import TestSupport
import XCTest

/// Targets and detections of the published ActionFormer, element by element.
final class PointTargetGoldenTests: XCTestCase {
    /// What the tests need of one file.
    private struct Golden {
        let file: HDF5File
        let name: String
        let videos: Int
        let classes: Int
        let points: PyramidPoints
        let ranges: [ClosedRange<Float>]

        init(_ path: String) throws {
            file = try HDF5File.open(path)
            name = URL(fileURLWithPath: path).lastPathComponent
            videos = try file.intAttribute(of: "/", named: "batch")
            classes = try file.intAttribute(of: "/", named: "num_classes")
            ranges = try PyramidConfiguration.regressionRanges(file)
            let rows = try file.intAttribute(of: "/", named: "seq_len")
            points = PyramidPoints(rows: [Int](repeating: rows, count: videos), levels: ranges.count)
        }

        /// `outputs/NAME/level` [B, C, T_l] of all levels, packed as [points, C].
        func packedOutputs(_ output: String, channels: Int) throws -> [Float] {
            var packed = [Float](repeating: .nan, count: points.count * channels)
            for level in 0..<points.levels {
                let length = points.range(level: level, video: 0).count, values = try file.readFloats("outputs/\(output)/\(level)")
                XCTAssertEqual(try file.shape(of: "outputs/\(output)/\(level)"), [videos, channels, length])
                for video in 0..<videos {
                    let range = points.range(level: level, video: video)
                    for channel in 0..<channels {
                        for i in 0..<length {
                            packed[(range.lowerBound + i) * channels + channel] = values[(video * channels + channel) * length + i]
                        }
                    }
                }
            }
            return packed
        }
    }

    /// Classes equal at every point; offsets within 1e-5 at every point, positive or not.
    func testGoldenTargets() throws {
        for path in try Fixtures.files(matching: "actionformer_", suffix: ".h5") {
            let golden = try Golden(path), file = golden.file
            defer { file.close() }
            let assigner = CenterSamplingAssigner(
                classes: golden.classes, regressionRanges: golden.ranges, sampling: .radius,
                radius: Float(try file.doubleAttribute(of: "/", named: "center_sample_radius")))
            let targets = assigner.assign(golden.points, instances: try PackedBatch(fixture: file).instances)
            var positives: [Int] = []
            for video in 0..<golden.videos {
                let classes = try file.readFloats("targets/\(video)/cls"), offsets = try file.readFloats("targets/\(video)/offsets")
                let points = golden.points.indices(video: video)
                XCTAssertEqual(try file.shape(of: "targets/\(video)/cls"), [points.count, golden.classes])
                XCTAssertEqual(try file.shape(of: "targets/\(video)/offsets"), [points.count, 2])
                for (i, point) in points.enumerated() {
                    let own = classes[i * golden.classes..<(i + 1) * golden.classes]
                    XCTAssertEqual(
                        Array(targets.classes[point * golden.classes..<(point + 1) * golden.classes]), Array(own), "\(golden.name), point \(i)")
                    if own.contains(where: { $0 > 0 }) { positives.append(point) }
                    for side in 0..<2 {
                        XCTAssertEqual(
                            targets.offsets[2 * point + side], offsets[2 * i + side], accuracy: 1e-5 * max(1, abs(offsets[2 * i + side])),
                            "\(golden.name), video \(video), point \(i), side \(side)")
                    }
                }
            }
            XCTAssertFalse(positives.isEmpty)
            XCTAssertEqual(targets.positives, positives.sorted(), golden.name)
        }
    }

    /// Labels equal, scores within 1e-5 relative, segments within 1e-4 s; in the same order but for neighbours of equal score (see `ordered`).
    func testGoldenDetections() throws {
        for path in try Fixtures.files(matching: "actionformer_", suffix: ".h5") {
            let golden = try Golden(path), file = golden.file
            defer { file.close() }
            let videos = try PackedBatch(fixture: file).videos
            let found = DetectionDecoder(settings: try DetectionSettings(fixture: file), classes: golden.classes).detections(
                logits: try golden.packedOutputs("cls_logits", channels: golden.classes), offsets: try golden.packedOutputs("offsets", channels: 2),
                points: golden.points, videos: videos)
            for video in 0..<golden.videos {
                let segments = try file.readFloats("detections/\(video)/segments_sec"), scores = try file.readFloats("detections/\(video)/scores")
                let labels = try file.readInts("detections/\(video)/labels")
                XCTAssertEqual(found[video].count, scores.count, golden.name)
                guard found[video].count == scores.count else { continue }
                let expected = scores.indices.map {
                    Detection(
                        video: videos[video].id, segment: Segment(start: Double(segments[2 * $0]), end: Double(segments[2 * $0 + 1])),
                        label: labels[$0], score: Double(scores[$0]))
                }
                for (i, pair) in zip(ordered(found[video], as: expected), expected).enumerated() {
                    XCTAssertEqual(pair.0.video, videos[video].id)
                    XCTAssertEqual(pair.0.label, pair.1.label, "\(golden.name), video \(video), label \(i)")
                    XCTAssertEqual(pair.0.score, pair.1.score, accuracy: Self.scoreTolerance * pair.1.score, "\(golden.name), score \(i)")
                    XCTAssertEqual(pair.0.segment.start, pair.1.segment.start, accuracy: 1e-4, "\(golden.name), start \(i)")
                    XCTAssertEqual(pair.0.segment.end, pair.1.segment.end, accuracy: 1e-4, "\(golden.name), end \(i)")
                }
            }
        }
    }

    private static let scoreTolerance = 1e-5

    /// Scores within the tolerance of each other may stand in either order: an exponential that differs in its last bit swaps them. Brings
    /// such neighbours, and no others, into the order of `expected`.
    private func ordered(_ found: [Detection], as expected: [Detection]) -> [Detection] {
        var found = found
        for i in found.indices {
            let wanted = expected[i]
            let match = found.indices[i...].prefix { abs(found[$0].score - wanted.score) <= 2 * Self.scoreTolerance * wanted.score }.first {
                found[$0].label == wanted.label && abs(found[$0].segment.start - wanted.segment.start) <= 1e-4
                    && abs(found[$0].segment.end - wanted.segment.end) <= 1e-4
            }
            if let match { found.insert(found.remove(at: match), at: i) }
        }
        return found
    }
}
