/// What one generator says of a recording.
public struct GeneratorReading: Equatable, Sendable {
    /// CAS, [segments, classes].
    public var activations: [Float]
    /// Per segment.
    public var actionness: [Float]
    /// Per class.
    public var videoScores: [Float]

    /// The three of one recording.
    public init(activations: [Float], actionness: [Float], videoScores: [Float]) {
        self.activations = activations
        self.actionness = actionness
        self.videoScores = videoScores
    }
}

/// Proposals of one recording out of all generators.
public struct JoinedProposals: Equatable, Sendable {
    /// Class by class, in time: fused, or without fusion all that the generators propose, one generator after another.
    public var proposals: [Proposal]
    /// What each generator proposes.
    public var ofGenerators: [[Proposal]]
    /// Places (up-sampled segments) about which the sources are divided, for any of the classes: ascending, apart from each other.
    public var divided: [Range<Int>]
}

extension ProposalExtraction {
    /// The proposals of several generators over the same segments, joined as the settings say.
    ///
    /// A source is one generator's runs of the activations, or its runs of the actionness. A fused proposal's score is the mean over the generators
    /// of what `proposals` would give it as a run of the actionness: the whole curve's contrast and a share of the video score.
    ///
    /// - Parameters:
    ///   - readings: of each generator, at least one, with as many segments.
    ///   - labels: the classes looked for.
    public func joined(_ readings: [GeneratorReading], labels: [Int]) -> JoinedProposals {
        let found = readings.map { reading in
            labels.map { sources(activations: reading.activations, actionness: reading.actionness, videoScores: reading.videoScores, label: $0) }
        }
        let ofGenerators = found.map { $0.flatMap { $0.byClass + $0.byAction } }
        let length = (readings.first?.actionness.count ?? 0) * settings.upsampling
        var divided: [Range<Int>] = [], fused: [Proposal] = []
        for (place, label) in labels.enumerated() {
            let own = found.flatMap { [$0[place].byClass, $0[place].byAction] }
            if let share = settings.maskDisagreement { divided += RickerFusion.divided(own, length: length, share: share) }
            guard settings.fusion == .ricker else { continue }
            for range in RickerFusion.runs(RickerFusion.sum(own.flatMap { $0 }, length: length)) {
                let scores = found.map { score(range, $0[place].curve, videoScore: $0[place].videoScore) }
                fused.append(Proposal(label: label, score: scores.reduce(0, +) / Double(scores.count), range: range))
            }
        }
        return JoinedProposals(
            proposals: settings.fusion == .ricker ? fused : ofGenerators.flatMap { $0 }, ofGenerators: ofGenerators, divided: Self.united(divided))
    }

    /// Overlapping and adjacent ranges as one, ascending.
    static func united(_ ranges: [Range<Int>]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for range in ranges.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
            if let last = result.last, range.lowerBound <= last.upperBound {
                result[result.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}
