import TemporalAnnotations

/// How similarity to labelled instances corrects the selection (section 3.2).
public struct RefinementSettings: Equatable, Sendable {
    /// Eliminating ambiguous positives.
    public var eap: Bool
    /// Mining potential positives.
    public var mpp: Bool
    /// EAP removes positives whose similarity is below this.
    public var eapThreshold: Float
    /// MPP promotes candidates whose similarity is at least this.
    public var mppThreshold: Float
    /// MPP skips candidates whose tIoU with a better label of their recording, of any class, is above this. 1: over none (the paper's).
    public var mppOverlap: Float

    public init(eap: Bool = true, mpp: Bool = true, eapThreshold: Float = 0.3, mppThreshold: Float = 0.7, mppOverlap: Float = 1) {
        self.eap = eap
        self.mpp = mpp
        self.eapThreshold = eapThreshold
        self.mppThreshold = mppThreshold
        self.mppOverlap = mppOverlap
    }

    public var isOn: Bool { eap || mpp }
}

extension PseudoLabelSelection {
    /// The final fates. Candidates that are not promoted are rejected. A prediction whose similarity is not a number (no discriminator, or no
    /// labelled instance of its class) keeps what its score gave it (choice).
    ///
    /// - Parameters:
    ///   - instances: those that the selection was made of; the similarity of dropped ones is not looked at.
    ///   - settings: thresholds of similarity and overlap.
    public func refined(_ instances: [PseudoInstance], settings: RefinementSettings) -> [PseudoInstanceFate] {
        precondition(instances.count == fates.count)
        let refined: [PseudoInstanceFate] = zip(instances, fates).map { instance, fate in
            switch fate {
            case .positive:
                if settings.eap, instance.similarity < settings.eapThreshold { return .removed }
                return .positive
            case .candidate:
                if settings.mpp, instance.similarity >= settings.mppThreshold { return .promoted }
                return .rejected
            default: return fate
            }
        }
        return settings.mpp && settings.mppOverlap < 1 ? withoutOverlaps(refined, of: instances, above: settings.mppOverlap) : refined
    }

    /// Rejects those promoted that overlap a label of their recording: a positive, or one promoted with a higher score (of equal ones the first).
    private func withoutOverlaps(_ fates: [PseudoInstanceFate], of instances: [PseudoInstance], above limit: Float) -> [PseudoInstanceFate] {
        func segment(_ instance: PseudoInstance) -> Segment { Segment(start: Double(instance.start), end: Double(instance.end)) }
        var result = fates, labels: [Int32: [Segment]] = [:]
        for (instance, fate) in zip(instances, fates) where fate == .positive { labels[instance.video, default: []].append(segment(instance)) }
        let order = fates.indices.filter { fates[$0] == .promoted }.sorted {
            (-instances[$0].jointScore, $0) < (-instances[$1].jointScore, $1)
        }
        for i in order {
            let own = segment(instances[i])
            if labels[instances[i].video, default: []].contains(where: { $0.tIoU(own) > Double(limit) }) {
                result[i] = .rejected
            } else {
                labels[instances[i].video, default: []].append(own)
            }
        }
        return result
    }
}
