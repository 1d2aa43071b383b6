import Sampling

extension TrainingConfiguration {
    /// How the features of what is learnt from are turned; nil: they are not.
    public var rotation: FeatureRotation? { rotationDegrees.map { FeatureRotation(degrees: $0, seed: UInt64(seed)) } }
}
