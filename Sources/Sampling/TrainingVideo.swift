import Detectors

/// One recording of a batch: which rows of it, and the actions known in them, counted from the first of these rows.
public struct TrainingVideo: Equatable, Sendable {
    /// Position in the store.
    public var index: Int
    public var rows: Range<Int>
    public var instances: [GridInstance]
    /// `rows` of the recording at `index` of the store; the instances' segments are in rows from the first of them.
    public init(index: Int, rows: Range<Int>, instances: [GridInstance]) {
        self.index = index
        self.rows = rows
        self.instances = instances
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
