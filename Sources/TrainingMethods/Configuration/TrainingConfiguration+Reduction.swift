import DataParallel

extension TrainingConfiguration {
    /// How the detector's gradients travel.
    public var reductionOptions: GradientReduction.Options {
        GradientReduction.Options(
            bucketElements: bucketElements, overlaps: overlap, order: .init(rawValue: bucketOrder.rawValue) ?? .ready,
            precision: .init(rawValue: gradientPrecision.rawValue) ?? .float32, isHierarchical: hierarchical)
    }
}
