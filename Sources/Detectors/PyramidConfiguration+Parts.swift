/// The parts that detectors over a pyramid are put together of.
extension PyramidConfiguration {
    package var assigner: CenterSamplingAssigner {
        CenterSamplingAssigner(
            classes: classes, regressionRanges: regressionRanges, sampling: options.centerSampleRadius == nil ? .none : .radius,
            radius: options.centerSampleRadius ?? 0)
    }

    package func makeNeck() -> any Neck { neck.make(levels: levels, input: embeddingDimension, channels: neckDimension, hasNorm: neckNorm) }

    package func makeClassificationHead(kernel: Int) -> ClassificationHead {
        ClassificationHead(
            input: neckDimension, channels: headDimension, classes: classes, layers: headLayers, kernel: kernel, hasNorm: headNorm,
            priorProbability: options.priorProbability, emptyClasses: options.emptyClasses)
    }

    /// - Parameter outputs: per point: 2, or 2 (bins + 1) below a trident head.
    package func makeRegressionHead(outputs: Int = 2) -> RegressionHead {
        RegressionHead(
            input: neckDimension, channels: headDimension, outputs: outputs, levels: levels, layers: headLayers, kernel: headKernel,
            hasNorm: headNorm, quality: options.quality.branches)
    }
}
