import Detectors
import RandomStreams
import XCTest

final class BestScoresTests: XCTestCase {
    func testTheSameAsSortingAll() {
        var random = RandomStream(seed: 7, "best scores")
        for count in [0, 1, 2, 3, 7, 64, 501] {
            // Of few values, so that many are equal.
            for values in [3, 1_000_000] {
                let scores = (0..<count).map { _ in Float(random.uniformIndex(below: values)) }
                let sorted = scores.enumerated().sorted { $0.element != $1.element ? $0.element > $1.element : $0.offset < $1.offset }
                for order in [Array(0..<count), Array((0..<count).reversed())] {
                    for most in [-1, 0, 1, 2, 3, 5, 64, 500, 501, 502, Int.max] {
                        var best = BestScores(most)
                        for index in order { best.offer(scores[index], index: index) }
                        let found = best.sorted(), expected = sorted.prefix(max(0, most))
                        XCTAssertEqual(found.map(\.index), expected.map(\.offset), "\(most) of \(count)")
                        XCTAssertEqual(found.map(\.score), expected.map(\.element), "\(most) of \(count)")
                    }
                }
            }
        }
    }
}
