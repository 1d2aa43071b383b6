import Detectors
import Diagnostics
import TemporalAnnotations

extension RunConfiguration {
    /// The detector that `model.name` says, with the settings of the sections `model`, `training` and `test`.
    ///
    /// - Parameters:
    ///   - inputDimension: columns of the features.
    ///   - classes: number of classes.
    ///   - origin: what says both, for messages; nil: the store.
    /// - Throws: `Failure` (`.badInput`) when `model.input_dimension` or `training.head_empty_cls` do not fit them.
    public func detector(inputDimension: Int, classes: Int, origin: ModelOrigin? = nil) throws -> any PyramidDetector {
        switch model.name {
        case .actionformer: ActionFormer(try actionFormer(inputDimension: inputDimension, classes: classes, origin: origin))
        case .tridet: TriDet(try triDet(inputDimension: inputDimension, classes: classes, origin: origin))
        }
    }

    /// What says how many columns and classes a model has.
    public struct ModelOrigin: Sendable {
        /// "the checkpoint".
        public var name: String
        public var path: String

        public init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }

    /// ActionFormer's own settings; parameters and errors as of `detector`.
    public func actionFormer(inputDimension: Int, classes: Int, origin: ModelOrigin? = nil) throws -> ActionFormerConfiguration {
        var result = ActionFormerConfiguration(try pyramid(inputDimension: inputDimension, classes: classes, origin: origin))
        result.heads = model.heads
        result.windows = model.attentionWindow.values(levels: model.levels) ?? []
        result.relativePositions = model.usesRelativePositions
        result.dropout = Float(training.dropout)
        return result
    }

    /// TriDet's own settings; parameters and errors as of `detector`.
    public func triDet(inputDimension: Int, classes: Int, origin: ModelOrigin? = nil) throws -> TriDetConfiguration {
        var result = TriDetConfiguration(try pyramid(inputDimension: inputDimension, classes: classes, origin: origin))
        result.windows = model.perceptionWindow.values(levels: model.levels) ?? []
        result.windowFactor = model.perceptionFactor
        result.hiddenDimension = model.perceptionHiddenDimension
        result.branchDeviation = Float(model.perceptionDeviation)
        result.boundaryKernel = model.boundaryKernelSize
        result.tridentHead = model.usesTridentHead
        result.bins = model.bins
        result.inputNoise = Float(model.inputNoise)
        result.overlapPower = Float(model.overlapPower)
        return result
    }

    /// What the detectors share.
    private func pyramid(inputDimension: Int, classes: Int, origin: ModelOrigin?) throws -> PyramidConfiguration {
        try check(inputDimension: inputDimension, classes: classes, origin ?? ModelOrigin(name: "the store", path: data.store))
        var result = PyramidConfiguration(inputDimension: inputDimension, classes: classes)
        result.embeddingConvolutions = model.backboneArch[0]
        result.stemBlocks = model.backboneArch[1]
        result.branchBlocks = model.backboneArch[2]
        result.embeddingDimension = model.embeddingDimension
        result.embeddingKernel = model.embeddingKernelSize
        result.embeddingNorm = model.embeddingHasNorm
        result.neck = model.neck == .fpn ? .fpn : .identity
        result.neckDimension = model.neckDimension
        result.neckNorm = model.neckHasNorm
        result.headDimension = model.headDimension
        result.headKernel = model.headKernelSize
        result.headLayers = model.headLayers
        result.headNorm = model.headHasNorm
        result.absolutePositions = model.usesAbsolutePositions
        result.maximumLength = model.maxSeqLen
        result.regressionRanges = model.regressionRange.map { Float($0[0])...Float($0[1]) }
        result.centerSampleRadius = training.centerSample == .radius ? Float(training.centerSampleRadius) : nil
        result.labelSmoothing = Float(training.labelSmoothing)
        result.regressionWeight = Float(training.lossWeight)
        result.priorProbability = Float(training.classPriorProbability)
        result.emptyClasses = training.emptyClasses
        result.dropPath = Float(training.dropPath)
        result.quality = qualitySettings
        result.detection = test.detectionSettings
        return result
    }

    private func check(inputDimension: Int, classes: Int, _ origin: ModelOrigin) throws {
        if let expected = model.inputDimension, expected != inputDimension {
            throw Failure.badInput(
                "\(origin.name)'s features have \(inputDimension) columns, the configuration says \(expected)", at: .file(origin.path),
                .key("model.input_dimension"),
                advice: "use the store that the configuration was written for, or leave model.input_dimension out")
        }
        if let unknown = training.emptyClasses.first(where: { $0 >= classes }) {
            throw Failure.badInput(
                "class \(unknown) does not exist: \(origin.name) has \(classes) classes", at: .file(origin.path), .key("training.head_empty_cls"),
                advice: "give indices from 0 to \(classes - 1)")
        }
    }

    /// The branches that the method adds to the regression head.
    private var qualitySettings: QualitySettings {
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
