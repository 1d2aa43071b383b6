import Autograd
import Detectors
import Diagnostics
import NeuralNetworks

/// The rows of a recording that instances' features are pooled from, on its grid.
enum InstanceRows {
    case input
    /// The finest level of a detector's features.
    case pyramid(any LevelFeatures)

    /// - Throws: `Failure` for a detector without levels.
    init(_ source: InstanceSource, detector: any Detector) throws {
        switch source {
        case .input: self = .input
        case .pyramid:
            guard let detector = detector as? any LevelFeatures else {
                throw Failure.wrongUsage(
                    "instances are to be compared by the detector's own features, and it has no level of them", at: .key("icd.features"),
                    advice: "set icd.features to input")
            }
            self = .pyramid(detector)
        }
    }

    /// Whether training leaves them as they are.
    var isFixed: Bool { if case .input = self { true } else { false } }

    /// nil: those of the store.
    var columns: Int? {
        switch self {
        case .input: nil
        case .pyramid(let detector): detector.levelColumns
        }
    }

    /// Of one recording, whole.
    func callAsFunction(_ batch: PackedBatch) -> PackedSequence {
        switch self {
        case .input: batch.features
        case .pyramid(let detector): detector.pyramid(batch.features, .inference())[0]
        }
    }
}
