import Detectors
import Diagnostics
import TemporalAnnotations

extension RunConfiguration {
    /// The detector that `model.name` says, with the settings of the sections `model`, `training` and `test`.
    ///
    /// - Parameters:
    ///   - inputDimension: columns of the store's features.
    ///   - classes: number of the store's classes.
    /// - Throws: `Failure` (`.badInput`) when `model.input_dimension` or `training.head_empty_cls` do not fit the store.
    public func detector(inputDimension: Int, classes: Int) throws -> any PyramidDetector {
        switch model.name {
        case .actionformer: ActionFormer(try actionFormer(inputDimension: inputDimension, classes: classes))
        case .tridet: TriDet(try triDet(inputDimension: inputDimension, classes: classes))
        }
    }

    func checkStore(inputDimension: Int, classes: Int) throws {
        if let expected = model.inputDimension, expected != inputDimension {
            throw Failure.badInput(
                "the store's features have \(inputDimension) columns, the configuration says \(expected)", at: .file(data.store),
                .key("model.input_dimension"),
                advice: "use the store that the configuration was written for, or leave model.input_dimension out")
        }
        if let unknown = training.emptyClasses.first(where: { $0 >= classes }) {
            throw Failure.badInput(
                "class \(unknown) does not exist: the store has \(classes) classes", at: .file(data.store), .key("training.head_empty_cls"),
                advice: "give indices from 0 to \(classes - 1)")
        }
    }

    /// The branches that the method adds to the regression head.
    var qualitySettings: QualitySettings {
        var result = QualitySettings()
        guard method.name == .apl else { return result }
        result = QualitySettings(pseudoLabels.alqa)
        result.focalScore = pseudoLabels.alqaScore
        result.localizationWeight = Float(pseudoLabels.localizationWeight)
        return result
    }
}

extension TestConfiguration {
    public var detectionSettings: DetectionSettings {
        DetectionSettings(
            preNMSThresh: Float(preNMSThreshold), preNMSTopK: preNMSTopK, iouThreshold: Float(iouThreshold), minScore: Float(minScore),
            maxSegNum: maxSegments, nmsMethod: nmsMethod, nmsSigma: Float(nmsSigma), durationThresh: Float(durationThreshold),
            multiclassNMS: multiclassNMS, votingThresh: Float(votingThreshold))
    }
}
