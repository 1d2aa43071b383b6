import AdaptivePseudoLabels
import Foundation
import RandomStreams
import RunRecords
import TemporalAnnotations
import XCTest

/// Thresholds from a mixture of scores and from a precision on recordings whose truth is known.
final class ScoreThresholdTests: XCTestCase {
    func testMixtureSeparatesTwoGroups() {
        // 20 around 0.2 and 10 around 0.8, at fixed places.
        let low = (0..<20).map { 0.15 + 0.005 * Float($0) }, high = (0..<10).map { 0.75 + 0.01 * Float($0) }
        let mixture = ScoreMixture(low + high)
        XCTAssertEqual(mixture.threshold, Double(high[0]))
        XCTAssertEqual(mixture.lower.share, 2 / 3, accuracy: 1e-6)
        XCTAssertEqual(mixture.lower.mean, 0.1975, accuracy: 1e-6)
        XCTAssertEqual(mixture.upper.mean, 0.795, accuracy: 1e-6)
        // Of 0, 0.005, ...: the population's variance is 0.005^2 (20^2 - 1) / 12.
        XCTAssertEqual(mixture.lower.variance, 0.005 * 0.005 * 399 / 12, accuracy: 1e-6)
    }

    /// The likelihood of the components that were found is no lower than that of others near them.
    func testMixtureIsAMaximum() {
        var random = RandomStream(seed: 3, "mixture")
        let scores = (0..<400).map { i in min(1, max(0.15, (i % 3 == 0 ? 0.7 : 0.3) + 0.12 * random.normal())) }
        let mixture = ScoreMixture(scores)
        func likelihood(_ a: ScoreMixture.Component, _ b: ScoreMixture.Component) -> Double {
            func density(_ x: Double, _ c: ScoreMixture.Component) -> Double {
                c.share / (2 * Double.pi * c.variance).squareRoot() * exp(-(x - c.mean) * (x - c.mean) / (2 * c.variance))
            }
            return scores.reduce(0) { $0 + log(density(Double($1), a) + density(Double($1), b)) }
        }
        let best = likelihood(mixture.lower, mixture.upper)
        for step in [-0.02, 0.02] {
            for change in 0..<5 {
                var (a, b) = (mixture.lower, mixture.upper)
                switch change {
                case 0: a.mean += step
                case 1: b.mean += step
                case 2: a.variance *= 1 + 5 * step
                case 3: b.variance *= 1 + 5 * step
                default: (a.share, b.share) = (a.share + step, b.share - step)
                }
                XCTAssertLessThan(likelihood(a, b), best + 1e-6, "change \(change) by \(step)")
            }
        }
        XCTAssertTrue((0.4...0.6).contains(mixture.threshold), "\(mixture.threshold)")
        XCTAssertEqual(ScoreMixture(scores.reversed()), mixture, "the order of the scores changes nothing")
    }

    func testMixtureOfNothingAndOfOneScore() {
        XCTAssertEqual(ScoreMixture([]).threshold, .infinity)
        XCTAssertEqual(ScoreMixture([0.4]).threshold, Double(Float(0.4)))
        XCTAssertEqual(ScoreMixture([0.4, 0.4, 0.4]).threshold, Double(Float(0.4)), "equal scores are all positive")
        XCTAssertEqual(ScoreMixture([0.2, 0.9]).threshold, Double(Float(0.9)))
        let selection = PseudoLabelSelection(
            [0.1, 0.2, 0.22, 0.9].map {
                PseudoInstance(video: 0, label: 0, start: 0, end: 1, jointScore: $0, classScore: $0)
            }, classes: 1, settings: SelectionSettings(threshold: .mixture, floor: 0.15))
        XCTAssertEqual(selection.fates, [.dropped, .candidate, .candidate, .positive])
    }

    // MARK: Precision

    private let id = VideoID("a")
    private func label(_ start: Double, _ end: Double, _ score: Double, label: Int = 0, video: VideoID? = nil) -> PseudoLabel {
        PseudoLabel(
            video: video ?? id, segment: Segment(start: start, end: end), label: label, score: score, classScore: score, fate: .rejected)
    }
    private func truth(_ segments: [(Double, Double)]) -> [VideoAnnotation] {
        [
            VideoAnnotation(
                id: id, subset: "Training", duration: 100, fps: 1,
                instances: segments.map { ActionInstance(segment: Segment(start: $0.0, end: $0.1), label: 0) })
        ]
    }
    private func threshold(_ labels: [PseudoLabel], _ target: Double) -> Double? {
        PrecisionThreshold.threshold(labels, truth: truth([(0, 10), (20, 30), (40, 50)]), target: target) { $0.score }
    }

    func testPrecisionThreshold() {
        let labels = [
            label(0, 9, 0.9), label(60, 70, 0.8), label(20, 30, 0.7), label(41, 50, 0.6),
            // A second prediction of an action that is taken, one of another class, one with a tIoU of less than a half.
            label(0, 10, 0.5), label(40, 50, 0.4, label: 1), label(21, 24, 0.3),
        ]
        // Right so far: 1/1, 1/2, 2/3, 3/4, 3/5, 3/6, 3/7.
        XCTAssertEqual(threshold(labels, 0.75), 0.6)
        XCTAssertEqual(threshold(labels, 0.76), 0.9)
        XCTAssertEqual(threshold(labels, 0.5), 0.4)
        XCTAssertEqual(threshold(labels, 0), 0.3)
        XCTAssertEqual(threshold(labels.reversed(), 0.75), 0.6)
        XCTAssertNil(threshold([], 0.5))
        // None is right enough: the highest precision there is, at the least such score.
        XCTAssertEqual(threshold([label(60, 70, 0.9), label(0, 10, 0.8), label(80, 90, 0.7)], 0.9), 0.8)
        XCTAssertEqual(threshold([label(60, 70, 0.9), label(80, 90, 0.7)], 0.9), 0.7)
        // A threshold cannot part equal scores.
        XCTAssertEqual(threshold([label(0, 10, 0.9), label(60, 70, 0.5), label(20, 30, 0.5)], 1), 0.9)
    }
}
