import Detectors
import Diagnostics
import TemporalAnnotations

extension RunConfiguration {
    /// ActionFormer's own settings, out of the sections `model`, `training` and `test`.
    ///
    /// - Parameters:
    ///   - inputDimension: columns of the store's features.
    ///   - classes: number of the store's classes.
    /// - Throws: `Failure` (`.badInput`) when `model.input_dimension` or `training.head_empty_cls` do not fit the store.
    public func actionFormer(inputDimension: Int, classes: Int) throws -> ActionFormerConfiguration {
        try checkStore(inputDimension: inputDimension, classes: classes)
        var result = ActionFormerConfiguration(inputDimension: inputDimension, classes: classes)
        result.embeddingConvolutions = model.backboneArch[0]
        result.stemBlocks = model.backboneArch[1]
        result.branchBlocks = model.backboneArch[2]
        result.heads = model.heads
        result.windows = model.attentionWindow.values(levels: model.levels) ?? []
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
        result.relativePositions = model.usesRelativePositions
        result.maximumLength = model.maxSeqLen
        result.regressionRanges = model.regressionRange.map { Float($0[0])...Float($0[1]) }
        result.centerSampleRadius = training.centerSample == .radius ? Float(training.centerSampleRadius) : nil
        result.labelSmoothing = Float(training.labelSmoothing)
        result.regressionWeight = Float(training.lossWeight)
        result.priorProbability = Float(training.classPriorProbability)
        result.emptyClasses = training.emptyClasses
        result.dropout = Float(training.dropout)
        result.dropPath = Float(training.dropPath)
        result.quality = qualitySettings
        result.detection = test.detectionSettings
        return result
    }
}
