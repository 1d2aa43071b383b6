import TemporalAnnotations

/// How much the labels of a batch count: a weight for each, and stretches of which nothing is known.
///
/// Without them (`PackedBatch.weights` is nil) every label and all background weigh 1.
public struct LabelWeights: Equatable, Sendable {
    /// Per video and instance, 0 or more.
    public var instances: [[Float]]
    /// Per video, on its feature grid: points there that no label takes weigh 0, being neither action nor background.
    public var ignored: [[GridSegment]]

    /// - Parameters:
    ///   - instances: one weight for each of the batch's instances.
    ///   - ignored: per video; nil: none.
    public init(instances: [[Float]], ignored: [[GridSegment]]? = nil) {
        self.instances = instances
        self.ignored = ignored ?? instances.map { _ in [] }
    }
}
