import DataParallel

extension TrainingConfiguration {
    /// How the detector's gradients are reduced.
    public var reductionOptions: GradientReduction.Options {
        GradientReduction.Options(
            bucketElements: bucketElements, overlaps: overlap, order: bucketOrder,
            precision: gradientPrecision, isHierarchical: hierarchical, group: reductionGroup)
    }
}
