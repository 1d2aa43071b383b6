import PostProcessing
import TemporalAnnotations

/// A run of up-sampled segments above a threshold.
public struct Proposal: Equatable, Sendable {
    public var label: Int
    /// Outer-inner contrast and a share of the video's score; not bounded by 0 and 1.
    public var score: Double
    /// Up-sampled segments.
    public var range: Range<Int>

    /// A run of class `label`; `range` counts up-sampled segments.
    public init(label: Int, score: Double, range: Range<Int>) {
        self.label = label
        self.score = score
        self.range = range
    }
}

/// Proposals of one video by many thresholds, scored by outer-inner contrast.
///
/// Runs of the class's activations above each threshold of the first list, and of the actionness above each of the second, are proposals. Score: mean
/// of the class's activations inside minus that of a margin on both sides (for runs of the activations themselves values below the threshold count
/// as 0), plus a share of the class's video score.
public struct ProposalExtraction: Sendable {
    let settings: WeakSupervisionConfiguration

    /// Takes thresholds, margin and the share of the video score from `settings`.
    public init(_ settings: WeakSupervisionConfiguration) { self.settings = settings }

    /// The classes to propose: those of at least `class_threshold`, otherwise the best; of known ones all.
    public func labels(videoScores: [Float], known: [Int]?) -> [Int] {
        if let known, !known.isEmpty { return known }
        let chosen = videoScores.indices.filter { Double(videoScores[$0]) >= settings.classThreshold }
        guard chosen.isEmpty, let best = videoScores.indices.max(by: { videoScores[$0] < videoScores[$1] }) else { return chosen }
        return [best]
    }

    /// - Parameters:
    ///   - activations: CAS, [segments, classes].
    ///   - actionness: per segment.
    ///   - videoScores: per class.
    ///   - labels: the classes looked for.
    /// - Returns: class by class in the order of `labels`: by the activations' thresholds, then by the actionness', for each in time.
    public func proposals(activations: [Float], actionness: [Float], videoScores: [Float], labels: [Int]) -> [Proposal] {
        labels.flatMap { label -> [Proposal] in
            let found = sources(activations: activations, actionness: actionness, videoScores: videoScores, label: label)
            return found.byClass + found.byAction
        }
    }

    /// One class's proposals by what is thresholded, the curve of its activations and its video score.
    struct Sources {
        var byClass: [Proposal]
        var byAction: [Proposal]
        var curve: ActivationCurve
        var videoScore: Double
    }

    func sources(activations: [Float], actionness: [Float], videoScores: [Float], label: Int) -> Sources {
        let classes = videoScores.count, segments = actionness.count, videoScore = Double(videoScores[label])
        let action = ActivationCurve(actionness, factor: settings.upsampling)
        let curve = ActivationCurve((0..<segments).map { activations[$0 * classes + label] }, factor: settings.upsampling)
        let share = settings.videoScoreWeight * videoScore
        let byClass = settings.casThresholds.flatMap { threshold -> [Proposal] in
            let kept = curve.values.map { $0 < threshold ? 0 : $0 }
            return curve.runs(threshold: threshold).map { Proposal(label: label, score: contrast(kept, $0) + share, range: $0) }
        }
        let byAction = settings.actionnessThresholds.flatMap { threshold in
            action.runs(threshold: threshold).map { Proposal(label: label, score: score($0, curve, videoScore: videoScore), range: $0) }
        }
        return Sources(byClass: byClass, byAction: byAction, curve: curve, videoScore: videoScore)
    }

    /// The score of a run that is none of the curve's own: contrast of the whole curve, and a share of the class's video score.
    func score(_ run: Range<Int>, _ curve: ActivationCurve, videoScore: Double) -> Double {
        contrast(curve.values, run) + settings.videoScoreWeight * videoScore
    }

    /// Mean inside minus mean of the margins, 0 where there are none.
    func contrast(_ values: [Double], _ run: Range<Int>) -> Double {
        let margin = settings.outerMargin * Double(run.count), last = run.upperBound - 1
        let first = max(0, Int(Double(run.lowerBound) - margin)), end = min(values.count - 1, Int(Double(last) + margin))
        let outer = Array(values[first..<run.lowerBound]) + (end > last ? Array(values[last + 1...end]) : [])
        func mean(_ list: some Collection<Double>) -> Double { list.isEmpty ? 0 : list.reduce(0, +) / Double(list.count) }
        return mean(values[run]) - mean(outer)
    }

    /// Proposals on the time axis of their video, cut to it; those that lie outside are left out.
    ///
    /// - Parameters:
    ///   - proposals: in segments.
    ///   - video: its name.
    ///   - rows: of the video's features; `segments` of them were sampled.
    ///   - segments: how many were sampled.
    ///   - grid: that converts rows and seconds.
    ///   - duration: of the video, seconds.
    public func detections(
        _ proposals: [Proposal], video: VideoID, rows: Int, segments: Int, grid: FeatureGrid, duration: Double
    ) -> [Detection] {
        proposals.compactMap { proposal in
            segment(proposal.range, rows: rows, segments: segments, grid: grid, duration: duration).map {
                Detection(video: video, segment: $0, label: proposal.label, score: proposal.score)
            }
        }
    }

    /// A range of up-sampled segments in seconds, cut to the video; nil when nothing is left. Parameters are those of `detections`.
    func segment(_ range: Range<Int>, rows: Int, segments: Int, grid: FeatureGrid, duration: Double) -> Segment? {
        let scale = Double(rows) / Double(settings.upsampling * segments)
        func seconds(_ u: Int) -> Double { min(max(grid.seconds(atPosition: Double(u) * scale + settings.proposalShift), 0), duration) }
        let segment = Segment(start: seconds(range.lowerBound), end: seconds(range.upperBound))
        return segment.length > 0 ? segment : nil
    }

    /// NMS per class; best first.
    public func suppressed(_ detections: [Detection]) -> [Detection] {
        let byClass = Dictionary(grouping: detections.enumerated(), by: \.element.label)
        let kept = byClass.keys.sorted().flatMap { label in
            hardNMS(
                (byClass[label] ?? []).map(\.element), iouThreshold: settings.nmsThreshold, lengthOffset: settings.nmsLengthOffset)
        }
        return Self.bestFirst(kept)
    }

    /// By score; of equal ones the first stays first.
    static func bestFirst(_ detections: [Detection]) -> [Detection] {
        detections.enumerated().sorted { $0.element.score != $1.element.score ? $0.element.score > $1.element.score : $0.offset < $1.offset }
            .map(\.element)
    }
}
