import Autograd
import Checkpoints
import Collectives
import DataParallel
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import RandomStreams
import RunRecords

/// The context of a method outside of steps: at the beginning of a run and of its stages.
public struct RunContext {
    public let store: FeatureStore
    public let communicator: Communicator
    public let shards: VirtualShards
    public let state: TrainingState
    /// The run's folder; only rank 0 writes there.
    public let folder: RunFolder
    /// Are told what is to be on record of a stage; none on all ranks but the first.
    public let observers: RunObservers
    /// Reads ahead so many recordings.
    public let prefetch: Int

    package init(
        store: FeatureStore, communicator: Communicator, shards: VirtualShards, state: TrainingState, folder: RunFolder, observers: RunObservers,
        prefetch: Int
    ) {
        self.store = store
        self.communicator = communicator
        self.shards = shards
        self.state = state
        self.folder = folder
        self.observers = observers
        self.prefetch = prefetch
    }

    /// Writes lines for the user to standard error; rank 0 alone.
    public func say(_ lines: [String]) {
        guard communicator.isRoot else { return }
        // A progress bar may stand on the line.
        let begin = isatty(2) == 1 ? "\r\u{1B}[K" : ""
        for line in lines { StandardError.write(begin + line + "\n") }
    }
}

/// One step as its method sees it: the batches of the rank's shards, and the means to turn losses into the sum of gradients.
public final class TrainingStep {
    /// Counted from 0 over the whole run; the stage's place in the list of stages.
    public let step: Int
    /// From 0.
    public let stage: Int
    /// Of the run.
    public let seed: UInt64
    /// For each shard of this rank its batches, group by group.
    public let batches: [(shard: Int, groups: [PackedBatch])]
    public let state: TrainingState
    public let communicator: Communicator
    public let shards: VirtualShards
    /// Of what the method trains in the detector's place, in stages that leave the detector alone.
    public var gradientNorm: Double?
    private let reduction: GradientReduction
    /// Parts in which a shard's recordings pass one after another.
    let parts: Int
    /// Whether tapes compute again what is large.
    private let recomputes: Bool
    /// Seconds spent waiting in collective calls.
    package private(set) var waitedSeconds = 0.0

    package init(
        step: Int, stage: Int, seed: UInt64, batches: [(shard: Int, groups: [PackedBatch])], state: TrainingState, communicator: Communicator,
        shards: VirtualShards, reduction: GradientReduction, recomputes: Bool = false, parts: Int = 1
    ) {
        self.parts = parts
        self.recomputes = recomputes
        self.step = step
        self.stage = stage
        self.seed = seed
        self.batches = batches
        self.state = state
        self.communicator = communicator
        self.shards = shards
        self.reduction = reduction
    }

    /// The random stream of a shard's part of this step.
    public func random(_ purpose: String, shard: Int) -> RandomStream { RandomStream(seed: seed, purpose, shard, step) }

    /// Sums what targets count over all shards and ranks, in one message.
    ///
    /// - Parameter counts: [shard of this rank][view][normaliser], as many for every shard.
    /// - Returns: [view][normaliser].
    /// - Throws: `Failure` when a count is no number.
    func sumCounts(_ counts: [[[Double]]]) throws -> [[Double]] {
        // Whole numbers need no order: the sums are the same for every number of ranks.
        let unit = 0x1p20
        var sums = counts.first.map { $0.map { $0.map { _ in 0 } } } ?? []
        for shard in counts {
            for (view, values) in shard.enumerated() {
                for (i, value) in values.enumerated() {
                    guard let whole = Int(exactly: (value * unit).rounded()) else {
                        throw Failure(
                            .failed, "a count of the targets is \(value)", at: [.step(step + 1)],
                            advice: "lower training.learning_rate, or check the features; the checkpoints of earlier steps are kept")
                    }
                    sums[view][i] += whole
                }
            }
        }
        let all = try timed { try communicator.allReduce(sums.flatMap { $0 }, .sum) }
        var place = 0
        return sums.map {
            $0.map { _ in
                defer { place += 1 }
                return Double(all[place]) / unit
            }
        }
    }

    /// Like `sumCounts`, without a message where there is nothing to sum.
    func sumFurtherCounts(_ counts: [[[Double]]]) throws -> [[Double]] {
        let first = counts.first ?? []
        return first.allSatisfy(\.isEmpty) ? first : try sumCounts(counts)
    }

    /// For each shard of this rank forward, then backward, the sums of gradients on their way meanwhile.
    ///
    /// - Parameter forward: records a shard's operations and seeds their gradients.
    /// - Returns: what `forward` returned, per shard.
    /// - Throws: whatever `forward` throws; `Failure` when the exchange between ranks fails.
    public func forwardAndBackward(
        _ forward: (_ shard: Int, _ groups: [PackedBatch], _ tape: Tape) throws -> [String: Double]
    ) throws -> [[String: Double]] {
        reduction.beginStep()
        var losses: [[String: Double]] = []
        for (shard, groups) in batches {
            let tape = Tape(recomputing: recomputes)
            Activity.tick()
            reduction.beginShard(shard, tape: tape)
            losses.append(try Timeline.during(.forward) { try forward(shard, groups, tape) })
            Timeline.during(.backward) { tape.backward() }
            reduction.finishShard()
        }
        try reduction.finishStep()
        return losses
    }

    /// Like `forwardAndBackward`, with the recordings of each shard in parts: forward and backward of one, then of the next, and one sum of their
    /// gradients.
    ///
    /// - Returns: the sums of what `forward` returned, per shard.
    func forwardAndBackwardInParts(_ forward: (_ shard: Int, _ part: Int, _ tape: Tape) throws -> [String: Double]) throws -> [[String: Double]] {
        reduction.beginStep()
        var losses: [[String: Double]] = []
        for (shard, _) in batches {
            var sum: [String: Double] = [:]
            for part in 0..<parts {
                let tape = Tape(recomputing: recomputes)
                Activity.tick()
                if part == 0 {
                    reduction.beginShard(shard, tape: tape, isWhole: parts == 1)
                } else {
                    reduction.continueShard(tape: tape, isLast: part == parts - 1)
                }
                sum.merge(try Timeline.during(.forward) { try forward(shard, part, tape) }, uniquingKeysWith: +)
                Timeline.during(.backward) { tape.backward() }
            }
            losses.append(sum)
            reduction.finishShard()
        }
        try reduction.finishStep()
        return losses
    }

    /// Forward of all shards of this rank, then something over all ranks, then backward shard by shard.
    ///
    /// - Parameters:
    ///   - model: sums the gradients of what is trained; nil: of the detector.
    ///   - forward: records a shard's operations; may seed gradients.
    ///   - together: seeds the gradients that need what other shards and ranks have computed.
    /// - Throws: whatever `forward` and `together` throw; `Failure` when the exchange between ranks fails.
    public func forwardThenBackward<Result>(
        _ model: GradientReduction? = nil, _ forward: (_ shard: Int, _ groups: [PackedBatch], _ tape: Tape) throws -> Result,
        together: ([Result]) throws -> [[String: Double]]
    ) throws -> [[String: Double]] {
        var results: [Result] = [], tapes: [Tape] = []
        for (shard, groups) in batches {
            let tape = Tape(recomputing: recomputes)
            Activity.tick()
            results.append(try Timeline.during(.forward) { try forward(shard, groups, tape) })
            tapes.append(tape)
        }
        let losses = try timed { try together(results) }
        // What the tapes do not hold is not needed any more.
        results = []
        let reduction = model ?? self.reduction
        reduction.beginStep()
        for (place, tape) in tapes.enumerated() {
            Activity.tick()
            reduction.beginShard(batches[place].shard, tape: tape)
            Timeline.during(.backward) { tape.backward() }
            reduction.finishShard()
        }
        try reduction.finishStep()
        return losses
    }

    private func timed<Result>(_ body: () throws -> Result) rethrows -> Result {
        let began = DispatchTime.now().uptimeNanoseconds
        defer { waitedSeconds += Double(DispatchTime.now().uptimeNanoseconds - began) * 1e-9 }
        return try body()
    }
}
