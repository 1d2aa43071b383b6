import Detectors
import TemporalAnnotations

/// One recording of a batch: which rows of it, and the actions known in them, counted from the first of these rows.
public struct TrainingVideo: Equatable, Sendable {
    /// Position in the store.
    public var index: Int
    public var rows: Range<Int>
    public var instances: [GridInstance]
    /// How much each instance counts; nil: all 1.
    public var weights: [Float]?
    /// Stretches of which nothing is known, counted from the first of the rows.
    public var ignored: [GridSegment]
    /// `rows` of the recording at `index` of the store; segments are in rows from the first of them.
    public init(index: Int, rows: Range<Int>, instances: [GridInstance], weights: [Float]? = nil, ignored: [GridSegment] = []) {
        self.index = index
        self.rows = rows
        self.instances = instances
        self.weights = weights
        self.ignored = ignored
    }
}

/// Where in the run something is computed.
public struct StepPosition: Hashable, Sendable {
    /// Counted from 0 over the whole run.
    public var step: Int
    public var shard: Int
    /// `step` from 0 over the whole run, `shard` from 0 over all ranks.
    public init(step: Int, shard: Int) {
        self.step = step
        self.shard = shard
    }
}
