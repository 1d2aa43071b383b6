import Detectors
import Kernels
import PostProcessing
import TemporalAnnotations

/// From the probabilities of one map to proposals.
package struct BMNDecoding {
    let settings: BMNSettings

    package init(settings: BMNSettings) { self.settings = settings }

    /// A proposal [start, end) in rows of the map, and what its score is a product of.
    package struct Proposal {
        package var start: Int
        package var end: Int
        package var startScore: Float
        package var endScore: Float
        package var classification: Float
        package var regression: Float
        /// P_tnd; nil without ALQA's channel.
        package var distance: Float?
        /// What stands for the overlap in the score: P_diou to the power that the method says.
        package var factor: Float
        package var score: Double
    }

    /// The rows at which proposals may start (end): strict local maxima, and those above half of the largest score, the first and the last row left out; of
    /// starts also the first row, of ends the last (BSN, SSTAP).
    package static func boundaryBins(_ scores: [Float], isStart: Bool) -> [Bool] {
        var bins = [Bool](repeating: false, count: scores.count)
        guard let most = scores.max() else { return bins }
        for t in 1..<max(1, scores.count - 1) { bins[t] = scores[t] > max(scores[t - 1], scores[t + 1]) || scores[t] > 0.5 * most }
        bins[isStart ? 0 : scores.count - 1] = true
        return bins
    }

    /// - Parameters:
    ///   - start: probabilities of T rows.
    ///   - end: likewise.
    ///   - map: [valid cells, 2].
    ///   - distance: [valid cells]: P_tnd; nil without ALQA's channel.
    /// - Returns: by start, then by end.
    package func proposals(start: [Float], end: [Float], map: UnsafePointer<Float>, distance: UnsafePointer<Float>? = nil) -> [Proposal] {
        let scale = settings.temporalScale, channel = settings.regressionChannel
        let starts = settings.filtersBoundaries ? Self.boundaryBins(start, isStart: true) : nil
        let ends = settings.filtersBoundaries ? Self.boundaryBins(end, isStart: false) : nil
        var result: [Proposal] = []
        for (cell, (first, last)) in settings.map.proposals.enumerated() {
            let endRow: Int
            switch settings.endRow {
            case .inclusive: endRow = last - 1
            case .exclusive:
                guard last < scale || settings.proposesLastEnd else { continue }
                endRow = min(last, scale - 1)
            }
            if let starts, let ends, !starts[first] || !ends[endRow] { continue }
            let regression = map[2 * cell + channel], classification = map[2 * cell + 1 - channel]
            let away = distance.map { $0[cell] }, factor = factor(regression, away)
            var score = Double(classification) * Double(factor)
            if settings.score == .boundaries { score *= Double(start[first]) * Double(end[endRow]) }
            result.append(
                Proposal(
                    start: first, end: last, startScore: start[first], endScore: end[endRow], classification: classification, regression: regression,
                    distance: away, factor: factor, score: score))
        }
        return settings.layout == .startEnd ? result : result.sorted { ($0.start, $0.end) < ($1.start, $1.end) }
    }

    private func factor(_ regression: Float, _ distance: Float?) -> Float {
        let quality = settings.options.quality
        return BMNReliability.raised(BMNReliability.value(regression, distance, floor: quality.floor), to: quality.power)
    }

    /// The proposals of one recording that remain, best first.
    ///
    /// - Parameters:
    ///   - candidates: of all its maps, in rows of the recording.
    ///   - extent: rows of the recording.
    package func suppressed(_ candidates: [Candidate], extent: Float) -> [Candidate] {
        let detection = settings.options.detection
        switch settings.suppression {
        case .adaptive:
            let rule = AdaptiveSuppression(
                low: settings.suppressionLow, high: settings.suppressionHigh, alpha: settings.suppressionAlpha, rounds: settings.suppressionRounds)
            let kept = rule(candidates, extent: extent)
            return detection.maxSegNum > 0 ? Array(kept.prefix(detection.maxSegNum)) : kept
        case .test:
            var best = BestScores(detection.preNMSTopK)
            for (index, candidate) in candidates.enumerated() where candidate.score > detection.preNMSThresh {
                best.offer(candidate.score, index: index)
            }
            var rule = detection.suppression
            rule.perClass = false
            return suppress(best.sorted().map { candidates[$0.index] }, settings: rule)
        }
    }
}
