@testable import AdaptivePseudoLabels
import Autograd
import Detectors
import RandomStreams
import TemporalAnnotations
import XCTest

final class MixupTests: XCTestCase {
    private func batch(_ rows: [Int], first: Float, _ instances: [[GridInstance]]) -> PackedBatch {
        var offsets = [0]
        for count in rows { offsets.append(offsets[offsets.count - 1] + count) }
        let values = (0..<offsets[offsets.count - 1] * 2).map { first + Float($0) }
        let grid = FeatureGrid(fps: 25, stride: 4, window: 16)
        return PackedBatch(
            features: PackedSequence(Tensor(rows: offsets[offsets.count - 1], columns: 2, values), offsets: offsets),
            videos: rows.indices.map { VideoContext(id: VideoID("v\($0)"), grid: grid, duration: 10) }, instances: instances)
    }

    func testFeaturesAndActions() {
        func action(_ start: Float, _ end: Float, _ label: Int) -> GridInstance { GridInstance(segment: GridSegment(start: start, end: end), label: label) }
        let own = batch([4, 2], first: 0, [[action(0, 1, 7)], []])
        let others = batch([2, 5], first: 100, [[action(0, 1, 1)], [action(0, 2, 2), action(0, 3, 3), action(1.5, 4, 4)]])
        let result = Mixup.mix(own, with: others, weight: 0.75, keptPart: 0.5)
        // Two recordings: rows 0...3 and 4, 5; partners: rows 0, 1 and 2...6.
        let before = (0..<12).map { Float($0) }
        let partner: [Float?] = [100, 101, 102, 103, nil, nil, nil, nil, 104, 105, 106, 107]
        XCTAssertEqual(result.features.tensor.array, zip(before, partner).map { x, y in y.map { 0.75 * x + 0.25 * $0 } ?? x })
        XCTAssertEqual(own.features.tensor.array, result.features.tensor.array, "in place")
        // Cut to the last row, 1: half of the first remains, a third of the second, nothing of the third.
        XCTAssertEqual(result.instances, [[action(0, 1, 1)], [action(0, 1, 2)]])
        XCTAssertEqual(own.instances, [[action(0, 1, 7)], []])
        XCTAssertEqual(result.videos.map(\.id), own.videos.map(\.id))
    }

    /// E max(w, 1 - w) of Beta(a, a): 3/4 for a = 1; 1/2 + 1/pi for a = 1/2.
    func testWeights() {
        for (alpha, mean) in [(1.0, 0.75), (0.5, 0.5 + 1 / Double.pi), (2.0, 0.6875)] {
            var random = RandomStream(seed: 3, "mixup")
            var sum = 0.0
            for _ in 0..<20_000 {
                let weight = Mixup.weight(alpha: alpha, random: &random)
                XCTAssertTrue(weight >= 0.5 && weight <= 1)
                sum += Double(weight)
            }
            XCTAssertEqual(sum / 20_000, mean, accuracy: 0.005, "alpha \(alpha)")
        }
    }
}
