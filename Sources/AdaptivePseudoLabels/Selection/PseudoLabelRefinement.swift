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

    public init(eap: Bool = true, mpp: Bool = true, eapThreshold: Float = 0.3, mppThreshold: Float = 0.7) {
        self.eap = eap
        self.mpp = mpp
        self.eapThreshold = eapThreshold
        self.mppThreshold = mppThreshold
    }

    public var isOn: Bool { eap || mpp }
}

extension PseudoLabelSelection {
    /// The final fates. Candidates that are not promoted are rejected. A prediction whose similarity is not a number (no labelled instance of
    /// its class) keeps what its score gave it (choice).
    ///
    /// - Parameter similarities: one per prediction, or empty without a discriminator; those of dropped predictions are not looked at.
    public func refined(similarities: [Float], settings: RefinementSettings) -> [PseudoInstanceFate] {
        precondition(similarities.isEmpty || similarities.count == fates.count)
        return fates.enumerated().map { i, fate in
            let similarity = similarities.isEmpty ? Float.nan : similarities[i]
            switch fate {
            case .positive:
                if settings.eap, similarity < settings.eapThreshold { return .removed }
                return .positive
            case .candidate:
                if settings.mpp, similarity >= settings.mppThreshold { return .promoted }
                return .rejected
            default: return fate
            }
        }
    }
}
