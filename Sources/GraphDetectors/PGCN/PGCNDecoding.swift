import Foundation
import TemporalAnnotations

/// From what the network says of all proposals of a recording to detections (the published `eval_detection_results.py`): scores, the best pairs of
/// a proposal and a class, suppression within classes, and only then the offsets.
package struct PGCNDecoding {
    let settings: PGCNSettings

    package init(settings: PGCNSettings) { self.settings = settings }

    /// What the network says of a recording's proposals.
    package struct Scores: Equatable, Sendable {
        /// [proposals, classes + 1], logits.
        package var activity: [Float]
        /// [proposals, classes].
        package var completeness: [Float]
        /// [proposals, 2 classes], no longer standardised.
        package var offsets: [Float]

        package init(activity: [Float] = [], completeness: [Float] = [], offsets: [Float] = []) {
            self.activity = activity
            self.completeness = completeness
            self.offsets = offsets
        }

        /// Takes the mean with what another network says of the same proposals, whose weight is given; this one's is 1.
        package mutating func join(_ other: Scores, weight: Double) {
            func mean(_ a: [Float], _ b: [Float]) -> [Float] {
                zip(a, b).map { Float((Double($0) + weight * Double($1)) / (1 + weight)) }
            }
            activity = mean(activity, other.activity)
            completeness = mean(completeness, other.completeness)
            offsets = mean(offsets, other.offsets)
        }
    }

    /// softmax(activity) of the class, times e^completeness: [proposals, classes].
    package func scores(_ said: Scores) -> [Double] {
        let classes = settings.classes
        return stride(from: 0, to: said.activity.count, by: classes + 1).enumerated().flatMap { proposal, first -> [Double] in
            let logits = said.activity[first..<first + classes + 1].map(Double.init), most = logits.max() ?? 0
            let total = logits.reduce(0) { $0 + exp($1 - most) }
            return (0..<classes).map { exp(logits[$0 + 1] - most) / total * exp(Double(said.completeness[proposal * classes + $0])) }
        }
    }

    /// - Parameters:
    ///   - proposals: in frames.
    ///   - said: of each of them.
    ///   - frames: of the recording.
    /// - Returns: class, score and segment in frames, best first.
    package func detections(_ proposals: [FrameSegment], _ said: Scores, frames: Double) -> [(label: Int, score: Double, segment: FrameSegment)] {
        let classes = settings.classes, scores = scores(said)
        let best = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }.prefix(settings.topScores)
        var byClass = [[Int]](repeating: [], count: classes)
        for pair in best { byClass[pair % max(classes, 1)].append(pair) }
        var kept: [Int] = []
        for pairs in byClass {
            var own: [Int] = []
            for pair in pairs where !own.contains(where: { overlap(proposals[$0 / classes], proposals[pair / classes]) > settings.nmsThreshold }) {
                own.append(pair)
            }
            kept += own
        }
        kept.sort { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
        return kept.map { pair in
            let moved = Self.moved(proposals[pair / classes], by: said.offsets[(2 * pair)...], frames: frames)
            return (pair % classes, scores[pair], moved)
        }
    }

    /// tIoU; negative where both are apart.
    private func overlap(_ a: FrameSegment, _ b: FrameSegment) -> Double {
        let shared = min(a.end, b.end) - max(a.start, b.start), union = a.length + b.length - shared
        return union > 0 ? shared / union : 0
    }

    /// Moved by the first offset in lengths, and e^(second offset) as long; cut to the recording.
    private static func moved(_ segment: FrameSegment, by offsets: ArraySlice<Float>, frames: Double) -> FrameSegment {
        let center = segment.center + segment.length * Double(offsets[offsets.startIndex])
        let half = 0.5 * segment.length * exp(Double(offsets[offsets.startIndex + 1]))
        return FrameSegment(start: min(max(center - half, 0), frames), end: min(max(center + half, 0), frames))
    }
}
