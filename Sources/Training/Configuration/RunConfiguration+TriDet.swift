import Detectors
import TemporalAnnotations

extension RunConfiguration {
    /// TriDet's own settings, out of the sections `model`, `training` and `test`.
    ///
    /// - Parameters:
    ///   - inputDimension: columns of the store's features.
    ///   - classes: number of the store's classes.
    /// - Throws: `Failure` (`.badInput`) when `model.input_dimension` or `training.head_empty_cls` do not fit the store.
    public func triDet(inputDimension: Int, classes: Int) throws -> TriDetConfiguration {
        try checkStore(inputDimension: inputDimension, classes: classes)
        var result = TriDetConfiguration(inputDimension: inputDimension, classes: classes)
        result.embeddingConvolutions = model.backboneArch[0]
        result.stemBlocks = model.backboneArch[1]
        result.branchBlocks = model.backboneArch[2]
        result.windows = model.perceptionWindow.values(levels: model.levels) ?? []
        result.windowFactor = model.perceptionFactor
        result.hiddenDimension = model.perceptionHiddenDimension
        result.branchDeviation = Float(model.perceptionDeviation)
        result.embeddingDimension = model.embeddingDimension
        result.embeddingKernel = model.embeddingKernelSize
        result.embeddingNorm = model.embeddingHasNorm
        result.neck = model.neck == .fpn ? .fpn : .identity
        result.neckDimension = model.neckDimension
        result.neckNorm = model.neckHasNorm
        result.headDimension = model.headDimension
        result.headKernel = model.headKernelSize
        result.boundaryKernel = model.boundaryKernelSize
        result.headLayers = model.headLayers
        result.headNorm = model.headHasNorm
        result.absolutePositions = model.usesAbsolutePositions
        result.maximumLength = model.maxSeqLen
        result.tridentHead = model.usesTridentHead
        result.bins = model.bins
        result.inputNoise = Float(model.inputNoise)
        result.regressionRanges = model.regressionRange.map { Float($0[0])...Float($0[1]) }
        result.centerSampleRadius = training.centerSample == .radius ? Float(training.centerSampleRadius) : nil
        result.labelSmoothing = Float(training.labelSmoothing)
        result.regressionWeight = Float(training.lossWeight)
        result.overlapPower = Float(model.overlapPower)
        result.priorProbability = Float(training.classPriorProbability)
        result.emptyClasses = training.emptyClasses
        result.dropPath = Float(training.dropPath)
        result.quality = qualitySettings
        result.detection = test.detectionSettings
        return result
    }
}
