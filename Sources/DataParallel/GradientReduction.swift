import Autograd
import Collectives
import Diagnostics
import Foundation
import NeuralNetworks

/// The sum of the gradients of all virtual shards, with the same bits on all ranks and for every rank count, computed while backward still runs.
///
/// A rank runs its shards one after another and adds their gradients up in the order of the `SummationTree`; about log2(shards per rank) gradient
/// arrays are kept for that. During the last shard's backward, as soon as all parameters of a bucket (a slice of the gradient array) have their
/// gradient, the bucket is reduced: each rank sends every other rank the slice which that rank sums, sums its own slice in tree order, and sends the
/// result back to all; where hosts hold several ranks, first within each host, then between hosts (`ReductionPlan`). The tape's `onProgress` moves
/// this on between operations.
///
///     reduction.beginStep()
///     for shard in shards.owned {
///         reduction.beginShard(shard, tape: tape)
///         ... forward ...
///         tape.backward()
///         reduction.finishShard()
///     }
///     try reduction.finishStep()   // arena.gradients is the sum
///
/// With `Options.precision` bfloat16 every value of the tree, leaves and root included, is rounded to bfloat16 as soon as it is computed: each
/// shard's gradient, and each float32 sum of two rounded values. Whatever node travels, two bytes per number carry it exactly, so bits depend on the
/// tree alone, not on who holds which shards.
///
/// All ranks must make it with the same arena layout, shards and options, and take every step together.
public final class GradientReduction {
    /// Seconds spent in `finishStep()` waiting for messages, over all steps; may be set back to 0.
    public var waitedSeconds = 0.0
    /// Bytes this rank has sent, over all steps, and those of them that went to other hosts; may be set back to 0.
    public var sentBytes = 0
    public var sentBytesBetweenHosts = 0
    /// Messages this rank has sent, over all steps; may be set back to 0.
    public var sentMessages = 0
    /// Buckets whose messages started before the last shard's backward had ended, over all steps; may be set back to 0.
    public var overlappedBuckets = 0
    /// Buckets that the arena's gradients are cut into.
    public var bucketCount: Int { buckets.ranges.count }
    /// How many ranks exchange gradients with one another at each level.
    public var groupSizes: [Int] { plan.levels.map(\.members.count) }
    /// Messages that this rank sends per step; empty slices of buckets smaller than the group are not sent.
    public var messagesPerStep: Int { bucketCount * plan.messagesPerBucket }

    let arena: ParameterArena
    let communicator: Communicator
    let shards: VirtualShards
    let options: Options
    let hosts: [Int]
    let plan: ReductionPlan
    let buckets: GradientBuckets
    private let parameterOfTensor: [ObjectIdentifier: Int]

    /// Sums of finished subtrees of this rank's block.
    private var sums: [(node: SummationTree.Node, array: UnsafeMutablePointer<Float>)] = []
    private var freeArrays: [UnsafeMutablePointer<Float>] = []
    private var tape: Tape?
    private var nextShard = 0

    // The last shard of the step.
    private var isInLastShard = false
    private var isBackwardOver = false
    /// Additions among `pieces` that the last shard's gradient completes; the later piece of each is then spent.
    private var lastAdditions: [(into: UnsafeMutablePointer<Float>, from: UnsafeMutablePointer<Float>)] = []
    /// The gradients of the last shard, which are rounded bucket by bucket.
    private var lastGradients: UnsafeMutablePointer<Float>?
    /// This rank's nodes; the first of them takes the result.
    var pieces: [UnsafeMutablePointer<Float>] = []
    private var pendingParameters: [Int] = []
    private var isReady: [Bool] = []
    /// How many buckets have started in the fixed orders.
    private var startedInOrder = 0
    /// Buckets under way, in the order in which they started.
    private var active: [Int] = []
    var ways: [Way] = []
    let messages: MessageBuffers
    private var failure: (any Error)?
    /// A wrong use by the caller; messages continue, so that the other ranks do not hang.
    private var misuse: Failure?

    /// The state of a bucket's reduction.
    struct Way {
        /// -1: not yet. 0 ..< L: nodes come in at level 0, 1, ...; L ..< 2 L: results come in at level L - 1, ..., 0; 2 L: done.
        var phase = -1
        var request: Request?
        /// This level's nodes, at the beginning of its range.
        var nodes: [UnsafeMutablePointer<Float>] = []
        var began: UInt64 = 0
    }

    /// - Parameters:
    ///   - arena: the parameters whose gradients are summed.
    ///   - communicator: the ranks of the run.
    ///   - shards: how shards are assigned to ranks.
    ///   - options: precision, order and overlap of the messages.
    ///   - hosts: for every rank a number of its host; nil: as the communicator found them.
    public init(arena: ParameterArena, communicator: Communicator, shards: VirtualShards, options: Options = Options(), hosts: [Int]? = nil) {
        self.arena = arena
        self.communicator = communicator
        self.shards = shards
        self.options = options
        self.hosts = hosts ?? communicator.hosts
        plan = ReductionPlan(shards: shards, hosts: options.isHierarchical ? self.hosts : [], group: options.group)
        buckets = GradientBuckets(arena: arena, elements: options.bucketElements)
        parameterOfTensor = Dictionary(uniqueKeysWithValues: arena.parameters.enumerated().map { (ObjectIdentifier($1.tensor), $0) })
        messages = MessageBuffers(plan, buckets, count: arena.count, isPacked: options.precision == .bfloat16)
    }

    deinit {
        for array in freeArrays + sums.map(\.array) where array != arena.gradients { UnsafeMutableRawPointer(array).deallocate() }
    }

    var rounds: Bool { options.precision == .bfloat16 }
    private var lastPhase: Int { 2 * plan.levels.count }

    /// Begins the sum of one optimiser step.
    public func beginStep() {
        precondition(sums.isEmpty && active.isEmpty, "the step before has not been finished")
        nextShard = shards.owned.lowerBound
        failure = nil
        misuse = nil
        isInLastShard = false
    }

    /// Call before the shard's backward.
    ///
    /// - Parameters:
    ///   - shard: the next of this rank's, in their order.
    ///   - tape: the one that the backward runs on.
    ///   - isWhole: false: the shard's gradients come from several tapes, one after another, the others by `continueShard`.
    public func beginShard(_ shard: Int, tape: Tape, isWhole: Bool = true) {
        precondition(shard == nextShard && shard < shards.owned.upperBound, "shard \(shard) begun, shard \(nextShard) was next")
        if !sums.isEmpty {
            // The array in use may hold a sum; otherwise it is among the free ones.
            let array = freeArrays.popLast() ?? ParameterArena.makeArray(arena.count)
            _ = arena.exchangeGradients(for: array)
        }
        arena.beginGradients()
        self.tape = tape
        if shard == shards.owned.upperBound - 1 { prepareLastShard() }
        if isWhole { listen() }
    }

    /// Call before the backward of a further tape of the same shard, whose gradients are added to those there are.
    ///
    /// - Parameters:
    ///   - tape: the further one.
    ///   - isLast: whether the shard's gradients are complete with it: only then may sums set out.
    public func continueShard(tape: Tape, isLast: Bool) {
        self.tape = tape
        if isLast { listen() }
    }

    private func listen() {
        guard isInLastShard else { return }
        tape?.onGradientReady = { [unowned self] in gradientIsReady($0) }
        tape?.onProgress = { [unowned self] in progress() }
    }

    /// Call after the shard's backward.
    public func finishShard() {
        tape?.onGradientReady = nil
        tape?.onProgress = nil
        tape = nil
        arena.finishGradients()
        let shard = nextShard
        nextShard += 1
        guard isInLastShard else {
            Timeline.during(.adding) {
                if rounds { roundToBFloat16(arena.gradients, count: arena.count) }
                sums.append((SummationTree.Node(level: 0, index: shard), arena.gradients))
                while let pair = lastPair(of: sums) {
                    add(pair.from, to: pair.into, count: arena.count, rounds: rounds)
                    freeArrays.append(pair.from)
                    mergeLastPair(of: &sums)
                }
            }
            return
        }
        isBackwardOver = true
        let all = options.order == .forward ? Array(ways.indices.reversed()) : Array(ways.indices)
        for bucket in all where ways[bucket].phase < 0 { attempt { try start(bucket) } }
    }

    /// Returns when `arena.gradients` holds the sum over all shards.
    ///
    /// - Throws: `Failure` when a message failed, or when a parameter's gradient was announced twice in a shard.
    public func finishStep() throws {
        precondition(isInLastShard && nextShard == shards.owned.upperBound, "shard \(nextShard) has not been finished")
        // A bucket's earlier messages never wait for another bucket's later ones, so these rounds end on every rank.
        for phase in 0..<lastPhase {
            for bucket in ways.indices where ways[bucket].phase == phase && failure == nil {
                attempt {
                    let begin = DispatchTime.now().uptimeNanoseconds
                    try Timeline.during(.gradientWait, bucket) { try ways[bucket].request?.wait() }
                    waitedSeconds += Double(DispatchTime.now().uptimeNanoseconds - begin) * 1e-9
                    try advance(bucket)
                }
            }
        }
        active = []
        let result = pieces[0]
        var spent = lastAdditions.map(\.from) + pieces.dropFirst()
        if arena.gradients != result {
            _ = arena.exchangeGradients(for: result)
            spent.removeAll { $0 == result }
        }
        freeArrays += spent
        sums = []
        pieces = []
        lastAdditions = []
        isInLastShard = false
        if let error = failure ?? misuse { throw error }
    }

    // MARK: The last shard

    private func prepareLastShard() {
        isInLastShard = true
        isBackwardOver = false
        lastGradients = arena.gradients
        var stack = sums + [(SummationTree.Node(level: 0, index: nextShard), arena.gradients)]
        lastAdditions = []
        while let pair = lastPair(of: stack) {
            lastAdditions.append(pair)
            mergeLastPair(of: &stack)
        }
        pieces = stack.map(\.array)
        pendingParameters = buckets.parameterCounts
        isReady = [Bool](repeating: false, count: arena.parameters.count)
        ways = [Way](repeating: Way(), count: bucketCount)
        startedInOrder = 0
        active = []
        for bucket in ways.indices { attempt { try startReceiving(bucket, level: 0) } }
    }

    private func gradientIsReady(_ tensor: Tensor) {
        guard let index = parameterOfTensor[ObjectIdentifier(tensor)] else { return }
        guard !isReady[index] else {
            misuse =
                misuse
                ?? Failure.failed(
                    "the gradient was announced twice in one shard, its first part may have been sent already",
                    at: .parameter(arena.parameters[index].name), advice: "run a shard's forward and backward on one tape, once")
            return
        }
        isReady[index] = true
        if !tensor.hasGradient {
            // Used, but by nothing that the loss depends on.
            tensor.gradientToWrite().pointer.update(repeating: 0, count: tensor.count)
        }
        for bucket in buckets.ofParameter[index] {
            pendingParameters[bucket] -= 1
            if options.overlaps, options.order == .ready, pendingParameters[bucket] == 0 { attempt { try start(bucket) } }
        }
        guard options.overlaps, options.order != .ready else { return }
        while startedInOrder < bucketCount {
            let next = options.order == .backward ? startedInOrder : bucketCount - 1 - startedInOrder
            guard pendingParameters[next] == 0 else { return }
            attempt { try start(next) }
            startedInOrder += 1
        }
    }

    /// Lets messages move on and does the additions whose operands have come.
    private func progress() {
        guard !active.isEmpty, failure == nil else { return }
        attempt {
            for bucket in active {
                let isDone = try Timeline.during(.moving, bucket) { try ways[bucket].request?.test() ?? true }
                if isDone { try advance(bucket) }
            }
        }
        active.removeAll { ways[$0].phase == lastPhase }
    }

    /// Starts the reduction of a bucket: this rank's gradients in it are complete.
    private func start(_ bucket: Int) throws {
        let range = buckets.ranges[bucket]
        Timeline.during(.adding) {
            if rounds, let lastGradients { roundToBFloat16(lastGradients + range.lowerBound, count: range.count) }
            for addition in lastAdditions {
                add(addition.from + range.lowerBound, to: addition.into + range.lowerBound, count: range.count, rounds: rounds)
            }
        }
        ways[bucket].nodes = pieces.map { $0 + range.lowerBound }
        guard shards.ranks > 1 else {
            addUp(bucket, level: 0)
            ways[bucket].phase = lastPhase
            return
        }
        ways[bucket].phase = 0
        ways[bucket].began = Timeline.now
        try sendNodes(bucket, level: 0)
        if !isBackwardOver { overlappedBuckets += 1 }
        active.append(bucket)
    }

    /// Continues with a bucket whose messages are done.
    private func advance(_ bucket: Int) throws {
        let phase = ways[bucket].phase, count = plan.levels.count
        guard phase >= 0, phase < lastPhase else { return }
        if let timeline = Timeline.current {
            timeline.transferred(bucket: bucket, round: roundName(phase), from: ways[bucket].began)
        }
        ways[bucket].phase = phase + 1
        if phase < count {
            addUp(bucket, level: phase)
            ways[bucket].began = Timeline.now
            if phase + 1 < count {
                try startReceiving(bucket, level: phase + 1)
                try sendNodes(bucket, level: phase + 1)
            } else {
                try exchangeResults(bucket, level: phase)
            }
        } else {
            let level = lastPhase - 1 - phase
            unpackResults(bucket, level: level)
            ways[bucket].began = Timeline.now
            if level > 0 {
                try exchangeResults(bucket, level: level - 1)
            } else {
                ways[bucket].request = nil
            }
        }
    }

    private func roundName(_ phase: Int) -> String {
        let count = plan.levels.count, level = phase < count ? phase : 2 * count - 1 - phase
        let isWithinHost = Set(plan.levels[level].members.map { hosts[$0] }).count == 1
        let place = count == 1 ? "" : isWithinHost ? " within the host" : " between hosts"
        return (phase < count ? "pieces" : "results") + place
    }

    /// Callbacks cannot throw: the first error waits for `finishStep()`.
    private func attempt(_ body: () throws -> Void) {
        do { try body() } catch { if failure == nil { failure = error } }
    }

    // MARK: The stack of sums

    private typealias Sum = (node: SummationTree.Node, array: UnsafeMutablePointer<Float>)

    private func lastPair(of stack: [Sum]) -> (into: UnsafeMutablePointer<Float>, from: UnsafeMutablePointer<Float>)? {
        guard stack.count > 1, stack[stack.count - 2].node.isLeftSibling(of: stack[stack.count - 1].node) else { return nil }
        return (stack[stack.count - 2].array, stack[stack.count - 1].array)
    }

    private func mergeLastPair(of stack: inout [Sum]) {
        stack.removeLast()
        stack[stack.count - 1].node = stack[stack.count - 1].node.parent
    }
}
