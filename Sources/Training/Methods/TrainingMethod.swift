import Autograd
import Detectors
import Foundation
import RandomStreams

/// One recording of a batch: which rows of it, and the actions known in them, counted from the first of these rows.
public struct TrainingVideo: Equatable, Sendable {
    /// Position in the store.
    public var index: Int
    public var rows: Range<Int>
    public var instances: [GridInstance]
    public init(index: Int, rows: Range<Int>, instances: [GridInstance]) {
        self.index = index
        self.rows = rows
        self.instances = instances
    }
}

/// Where in the run something is computed.
public struct StepPosition: Hashable, Sendable {
    /// Counted from 0.
    public var step: Int
    public var shard: Int
    public init(step: Int, shard: Int) {
        self.step = step
        self.shard = shard
    }
}

/// What is learnt from: which recordings and labels a step sees, and what its loss is. The trainer does the rest.
public protocol TrainingMethod: AnyObject {
    /// Steps in which about every recording is seen once: the unit of `training.epochs`.
    var iterationsPerEpoch: Int { get }
    /// The recordings of a shard at a step; must not depend on anything but the position and the method's saved state.
    func videos(at position: StepPosition) -> [TrainingVideo]
    /// Targets of a batch; their positives, counted over all shards, set the loss normaliser.
    func targets(_ batch: PackedBatch, at position: StepPosition) -> PointTargets
    /// Runs forward, seeds the gradients and returns the parts of the loss, `total` among them; the same names on every rank.
    func losses(
        _ batch: PackedBatch, targets: PointTargets, normalizer: Float, at position: StepPosition, tape: Tape, random: inout RandomStream
    ) -> [String: Double]
    /// Called on all ranks together before a step (`step` is done): rounds that label anew go here.
    func prepare(step: Int) throws
    /// What a checkpoint must keep for this method.
    var state: [String: [UInt8]] { get }
    func restore(_ state: [String: [UInt8]]) throws
}

extension TrainingMethod {
    public func prepare(step: Int) throws {}
    public var state: [String: [UInt8]] { [:] }
    public func restore(_ state: [String: [UInt8]]) throws {}
}
