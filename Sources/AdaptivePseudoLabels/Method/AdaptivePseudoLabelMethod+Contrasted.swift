import Detectors
import Diagnostics

extension AdaptivePseudoLabelMethod.Contrasted {
    /// - Throws: `Failure` for a detector that cannot be contrasted where the settings ask for it.
    init(_ detector: any Detector, _ settings: AdaptivePseudoLabelSettings) throws {
        if let detector = detector as? any LevelFeatures {
            self = .levels(detector)
        } else if let detector = detector as? any ContrastedProposals {
            self = .proposals(detector)
        } else {
            let apl = settings.pseudoLabels, isPretrained = (apl.pretrainingIterations ?? apl.pretrainingEpochs ?? 0) > 0
            guard !isPretrained, !settings.contrast.isOn || settings.contrast.weight == 0 else {
                throw Failure.wrongUsage(
                    "the contrast needs a detector that has levels of features or proposals", at: .key("acp.weight"),
                    advice: "set acp.weight to 0, and leave out the pre-training")
            }
            self = .nothing
        }
    }

    /// Columns of what is contrasted.
    var columns: Int {
        switch self {
        case .levels(let detector): detector.levelCount * detector.levelColumns
        case .proposals(let detector): detector.contrastedColumns
        case .nothing: 0
        }
    }
}
