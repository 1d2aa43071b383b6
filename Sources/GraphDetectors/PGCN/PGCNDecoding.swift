import Autograd
import Detectors
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
        /// [proposals] of each of ALQA's branches, logits; empty without it.
        package var quality: [[Float]]

        package init(activity: [Float] = [], completeness: [Float] = [], offsets: [Float] = [], quality: [[Float]] = []) {
            self.activity = activity
            self.completeness = completeness
            self.offsets = offsets
            self.quality = quality
        }

        /// Takes the mean with what another network says of the same proposals, whose weight is given; this one's is 1.
        package mutating func join(_ other: Scores, weight: Double) {
            func mean(_ a: [Float], _ b: [Float]) -> [Float] {
                zip(a, b).map { Float((Double($0) + weight * Double($1)) / (1 + weight)) }
            }
            activity = mean(activity, other.activity)
            completeness = mean(completeness, other.completeness)
            offsets = mean(offsets, other.offsets)
            quality = zip(quality, other.quality).map(mean)
        }
    }

    /// A pair of a proposal and a class that remains.
    package struct Found: Equatable, Sendable {
        package var label: Int
        package var score: Double
        /// Moved, in frames.
        package var segment: FrameSegment
        /// Place of the proposal in the list.
        package var proposal: Int
        /// softmax(activity) of the class.
        package var classScore: Double
    }

    /// softmax(activity) of the classes: [proposals, classes].
    package func classScores(_ said: Scores) -> [Double] {
        let classes = settings.classes
        return stride(from: 0, to: said.activity.count, by: classes + 1).flatMap { first -> [Double] in
            let logits = said.activity[first..<first + classes + 1].map(Double.init), most = logits.max() ?? 0
            let total = logits.reduce(0) { $0 + exp($1 - most) }
            return (0..<classes).map { exp(logits[$0 + 1] - most) / total }
        }
    }

    /// P_tiou, P_tnd and P_diou of the proposals (APL, Eq. 4); nil without ALQA.
    package func quality(_ said: Scores) -> QualityScores? {
        guard let count = said.quality.first?.count, count > 0 else { return nil }
        let logits = said.quality.map { Tensor(rows: $0.count, columns: 1, $0) }
        return QualityScores(QualityLogits(logits), settings: settings.options.quality)
    }

    /// softmax(activity) of the class, times e^completeness, with ALQA times P_diou to the power that the method says: [proposals, classes].
    package func scores(_ said: Scores) -> [Double] { scores(said, classScores(said), quality(said)) }

    private func scores(_ said: Scores, _ classScores: [Double], _ quality: QualityScores?) -> [Double] {
        let reliability = quality?.raised(to: settings.options.quality.power).reliability
        return classScores.indices.map { pair in
            let score = classScores[pair] * exp(Double(said.completeness[pair]))
            return reliability.map { score * Double($0[pair / settings.classes]) } ?? score
        }
    }

    /// - Parameters:
    ///   - proposals: in frames.
    ///   - said: of each of them.
    ///   - frames: of the recording.
    /// - Returns: best first.
    package func detections(_ proposals: [FrameSegment], _ said: Scores, frames: Double) -> [Found] {
        let classes = settings.classes, classScores = classScores(said), scores = scores(said, classScores, quality(said))
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
            let offsets = SIMD2(Double(said.offsets[2 * pair]), Double(said.offsets[2 * pair + 1]))
            let moved = proposals[pair / classes].moved(by: offsets)
            // Cut to the recording.
            let segment = FrameSegment(start: min(max(moved.start, 0), frames), end: min(max(moved.end, 0), frames))
            return Found(
                label: pair % classes, score: scores[pair], segment: segment, proposal: pair / classes, classScore: classScores[pair])
        }
    }

    /// tIoU; negative where both are apart.
    private func overlap(_ a: FrameSegment, _ b: FrameSegment) -> Double {
        let shared = min(a.end, b.end) - max(a.start, b.start), union = a.length + b.length - shared
        return union > 0 ? shared / union : 0
    }
}
