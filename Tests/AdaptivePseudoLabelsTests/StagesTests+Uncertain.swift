import AdaptivePseudoLabels
import FeatureStore
import PseudoLabels
import RunRecords
import Sampling
import TemporalAnnotations
import XCTest

/// Candidates that are neither labels nor background.
extension StagesTests {
    private func label(_ video: Int, _ start: Double, _ end: Double, score: Double, _ fate: PseudoLabelFate, _ store: FeatureStore) -> PseudoLabel {
        PseudoLabel(
            video: store.videos[video].id, segment: Segment(start: start, end: end), label: 1, score: score, classScore: score, fate: fate)
    }

    /// One label at [2, 5] s; candidates at [7, 9], [2.2, 5] and, the best, [7, 9.1] s.
    ///
    /// - Returns: how many stretches, or labels, the recording's rows hold.
    private func requireUncertain(_ video: TrainingVideo, isIgnored: Bool, isWhole: Bool, _ store: FeatureStore) throws -> Int {
        let grid = store.videos[video.index].grid, shift = Float(video.rows.lowerBound)
        func onRows(_ start: Double, _ end: Double) -> GridSegment {
            let whole = grid.gridSegment(Segment(start: start, end: end))
            return GridSegment(start: whole.start - shift, end: whole.end - shift)
        }
        guard isIgnored else {
            XCTAssertEqual(video.ignored, [])
            let weights = try XCTUnwrap(video.weights)
            XCTAssertEqual(weights.count, video.instances.count)
            if isWhole { XCTAssertEqual(video.instances.map(\.segment), [onRows(2, 5), onRows(7, 9.1)]) }
            // The label lies before the candidate, which counts a half.
            for (instance, weight) in zip(video.instances, weights) {
                XCTAssertEqual(weight, instance.segment.start < onRows(6, 7).start ? 1 : 0.5)
            }
            return weights.count
        }
        XCTAssertNil(video.weights)
        if isWhole { XCTAssertEqual(video.ignored, [onRows(7, 9), onRows(2.2, 5), onRows(7, 9.1)]) }
        let half = Float(0.5 * grid.window / grid.stride)
        for segment in video.ignored {
            XCTAssertTrue(segment.start >= -half && segment.end <= Float(video.rows.count) + half && segment.length > 0)
        }
        return video.ignored.count
    }

    /// Stretches and weights of a round come into the batches of the unlabelled recordings, and back from a checkpoint.
    func testUncertainCandidatesReachTheBatches() throws {
        for (rule, crop) in [("ignore", 1000), ("soft", 1000), ("ignore", 9), ("soft", 9)] {
            let overrides = ["apl.uncertain=\(rule)", "data.max_rows=\(crop)", "apl.mixup_alpha=0.5"]
            let (method, recordings, store) = try method(overrides)
            var labels = RoundLabels(round: 1, normalizers: [100])
            for video in recordings.unlabeled {
                labels.add([label(video, 2, 5, score: 0.9, .positive, store)], store: store)
                let others = [
                    label(video, 7, 9, score: 0.25, .rejected, store), label(video, 2.2, 5, score: 0.75, .rejected, store),
                    label(video, 7, 9.1, score: 0.5, .removed, store),
                ]
                if rule == "soft" { labels.weigh(others, overlap: 0.1, store: store) } else { labels.ignore(others, store: store) }
            }
            try method.take(labels)
            let round = try XCTUnwrap(method.stages.firstIndex { $0.name == "round 1" })
            let first = method.stages[..<round].reduce(0) { $0 + $1.iterations }
            var found = 0
            for step in first..<first + 4 {
                for shard in 0..<2 {
                    let groups = method.videos(at: StepPosition(step: step, shard: shard))
                    XCTAssertEqual(groups.count, 4)
                    for video in groups[0] + groups[1] { XCTAssertTrue(video.weights == nil && video.ignored.isEmpty) }
                    for video in groups[2] + groups[3] {
                        found += try requireUncertain(video, isIgnored: rule == "ignore", isWhole: crop == 1000, store)
                    }
                }
            }
            XCTAssertGreaterThan(found, 8)
            let other = try self.method(overrides).0
            try other.restore(method.state)
            XCTAssertEqual(other.state, method.state)
            XCTAssertEqual(other.round, method.round)
            let key = rule == "soft" ? "apl_label_weights" : "apl_ignored"
            var damaged = method.state
            damaged[key]?.removeLast(4)
            if rule == "ignore" { damaged[key]?.removeLast(4) }
            XCTAssertThrowsError(try other.restore(damaged)) { XCTAssertTrue("\($0)".contains("'\(key)'"), "\($0)") }
        }
    }
}
