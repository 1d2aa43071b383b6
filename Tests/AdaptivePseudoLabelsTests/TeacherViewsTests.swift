import AdaptivePseudoLabels
import Autograd
import Detectors
import RandomStreams
import TemporalAnnotations
import XCTest

/// A teacher that looks several times.
final class TeacherViewsTests: XCTestCase {
    private func prediction(_ start: Float, _ end: Float, _ score: Double, _ label: Int = 0) -> ViewAgreement.Prediction {
        ViewAgreement.Prediction(segment: GridSegment(start: start, end: end), label: label, score: score)
    }

    func testAgreementIsTheMeanOfTheViews() {
        let first = [prediction(0, 10, 0.8), prediction(20, 30, 0.5), prediction(50, 60, 0.4, 1)]
        XCTAssertEqual(ViewAgreement.merged([]), [])
        XCTAssertEqual(ViewAgreement.merged([first]), first)
        XCTAssertEqual(ViewAgreement.merged([[], first]), [], "what the first view does not see is not there")
        let second = [prediction(52, 60, 0.4), prediction(2, 10, 0.4), prediction(21, 31, 1)]
        let merged = ViewAgreement.merged([first, second])
        XCTAssertEqual(merged.map(\.label), [0, 0, 1])
        XCTAssertEqual(merged[0].score, 0.6, accuracy: 1e-12)
        XCTAssertEqual(merged[0].segment.start, Float(0.4 * 2 / 1.2), accuracy: 1e-6)
        XCTAssertEqual(merged[0].segment.end, 10, accuracy: 1e-6)
        XCTAssertEqual(merged[1].score, 0.75, accuracy: 1e-12)
        XCTAssertEqual(merged[1].segment.start, Float(20.0 * 0.5 + 21) / 1.5, accuracy: 1e-5)
        // The other view sees another class there: half the score, the same place.
        XCTAssertEqual(merged[2], prediction(50, 60, 0.2, 1))
    }

    /// One counterpart serves one prediction, the better one; one of too little overlap serves none.
    func testCounterpartsAreTakenOnce() {
        let first = [prediction(0, 10, 0.3), prediction(0, 11, 0.6)]
        let merged = ViewAgreement.merged([first, [prediction(0, 10, 0.8), prediction(6, 14, 0.9)]])
        XCTAssertEqual(merged.map(\.score), [0.15, 0.7].map { $0 }, "the better one takes [0, 10]; tIoU with [6, 14] is below a half")
        let three = ViewAgreement.merged([first, [prediction(0, 10, 0.8), prediction(0, 9, 0.6)], []])
        XCTAssertEqual(three[1].score, (0.6 + 0.8) / 3, accuracy: 1e-12)
        XCTAssertEqual(three[0].score, (0.3 + 0.6) / 3, accuracy: 1e-12)
    }

    /// Predicts one action over the whole of what it is given, as sure as the first value of the features.
    private final class Whole: AssessedLocalizer {
        func detect(_ batch: PackedBatch) -> [[Detection]] { detectWithParts(batch).map { $0.map(\.detection) } }
        func detectWithParts(_ batch: PackedBatch) -> [[AssessedDetection]] {
            let grid = GridSegment(start: 0, end: Float(batch.features.rows)), video = batch.videos[0]
            let detection = Detection(
                video: video.id, segment: video.grid.segment(grid), label: 0, score: Double(batch.features.tensor.values[0]))
            return [
                [
                    AssessedDetection(detection: detection, gridSegment: grid, classScore: 0.25, overlap: nil, distance: nil, reliability: nil)
                ]
            ]
        }
    }

    private func batch(_ values: [Float], columns: Int) -> PackedBatch {
        let rows = values.count / columns
        return PackedBatch(
            features: PackedSequence(Tensor(rows: rows, columns: columns, values), offsets: [0, rows]),
            videos: [VideoContext(id: VideoID("a"), grid: FeatureGrid(fps: 1, stride: 2, window: 2), duration: 17)], instances: [[]])
    }

    func testViewsAreShiftedAndLackChannels() throws {
        let batch = batch((0..<40).map(Float.init), columns: 4)
        var random = RandomStream(seed: 1, "view")
        let plain = TeacherViews(count: 2, dropout: 0).view(of: batch, shift: 3, &random)
        XCTAssertEqual(plain.features.tensor.array, (12..<40).map(Float.init))
        XCTAssertEqual(plain.features.offsets, [0, 7])
        random = RandomStream(seed: 1, "view")
        let lacking = TeacherViews(count: 2, dropout: 0.5).view(of: batch, shift: 0, &random).features.tensor.array
        for column in 0..<4 {
            let own = (0..<10).map { lacking[4 * $0 + column] }, whole = (0..<10).map { 2 * Float(4 * $0 + column) }
            XCTAssertTrue(own == whole || own == whole.map { _ in 0 }, "column \(column): \(own)")
        }
        // Segments of a shifted view are those of the recording again: the view of rows 1 to 9 covers [1, 10].
        let views = TeacherViews(count: 2, dropout: 0)
        let found = try views.predictions(Whole(), self.batch([0.5] + [Float](repeating: 1, count: 9), columns: 1)) {
            RandomStream(seed: 1, "view", $0)
        }
        XCTAssertEqual(found.count, 1)
        XCTAssertEqual(found[0].detection.score, 0.75)
        XCTAssertEqual(found[0].classScore, 0.25)
        XCTAssertEqual(found[0].gridSegment.start, 1 / 1.5, accuracy: 1e-6)
        XCTAssertEqual(found[0].gridSegment.end, 10)
        // Cut to the recording, which ends at 17 s.
        XCTAssertEqual(found[0].detection.segment.end, 17)
        XCTAssertEqual(found[0].detection.segment.start, batch.videos[0].grid.segment(found[0].gridSegment).start, accuracy: 1e-9)
    }

    func testFewRowsAndOneView() throws {
        let one = batch([0.5], columns: 1)
        for count in [1, 2, 5] {
            let found = try TeacherViews(count: count, dropout: 0).predictions(Whole(), one) { RandomStream(seed: 1, "view", $0) }
            XCTAssertEqual(found.map(\.detection.score), [0.5])
            XCTAssertEqual(found[0].gridSegment, GridSegment(start: 0, end: 1))
        }
    }
}
