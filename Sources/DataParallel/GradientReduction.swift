import Autograd
import Collectives
import Diagnostics
import Foundation
import NeuralNetworks

/// The sum of the gradients of all virtual shards, with the same bits on all ranks and for every rank count, computed while backward still runs.
///
/// A rank runs its shards one after another and adds their gradients up in the order of the `SummationTree`; about log2(shards per rank) gradient
/// arrays are kept for that. During the last shard's backward, as soon as all parameters of a bucket (a slice of the gradient array) have their gradient,
/// the bucket goes on its way: each rank sends every other rank the slice that this one is to add up, adds up its own slice in tree order,
/// and sends the result back to all. The tape's `onProgress` moves this on between operations.
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
/// All ranks must make it with the same arena layout, shards and bucket size, and take every step together.
public final class GradientReduction {
    /// Seconds spent in `finishStep()` waiting for messages, over all steps; may be set back to 0.
    public var waitedSeconds = 0.0
    /// Bytes this rank has sent, over all steps; may be set back to 0.
    public var sentBytes = 0
    /// Buckets whose messages started before the last shard's backward had ended, over all steps; may be set back to 0.
    public var overlappedBuckets = 0
    public var bucketCount: Int { buckets.ranges.count }

    enum BucketState { case open, scattering, gathering, done }

    let arena: ParameterArena
    let communicator: Communicator
    let shards: VirtualShards
    let buckets: GradientBuckets
    private let parameterOfTensor: [ObjectIdentifier: Int]
    /// Additions that bring the nodes of all ranks to slot 0, slots in order of rank.
    let additions: [SummationTree.Addition]
    /// Nodes of a rank's block, for every rank.
    let nodeCounts: [Int]

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
    /// This rank's nodes; the first of them takes the result.
    var pieces: [UnsafeMutablePointer<Float>] = []
    private var pendingParameters: [Int] = []
    private var isReady: [Bool] = []
    var states: [BucketState] = []
    /// Buckets under way, in the order in which they started.
    private var active: [Int] = []
    var requests: [Request?] = []
    /// Room for the other ranks' pieces of this rank's slices.
    let received: UnsafeMutablePointer<Float>
    let receivedOffsets: [Int]
    private var failure: (any Error)?
    /// A wrong use by the caller; messages go on, so that the other ranks do not hang.
    private var misuse: Failure?

    /// - Parameter bucketElements: elements of a bucket, rounded up to a multiple of 16.
    public init(arena: ParameterArena, communicator: Communicator, shards: VirtualShards, bucketElements: Int) {
        self.arena = arena
        self.communicator = communicator
        self.shards = shards
        buckets = GradientBuckets(arena: arena, elements: bucketElements)
        parameterOfTensor = Dictionary(uniqueKeysWithValues: arena.parameters.enumerated().map { (ObjectIdentifier($1.tensor), $0) })
        let tree = SummationTree(leaves: shards.count)
        let nodes = (0..<shards.ranks).map { tree.nodes(of: shards.block(of: $0)) }
        nodeCounts = nodes.map(\.count)
        additions = tree.additions(of: nodes.flatMap { $0 })
        let others = nodeCounts.reduce(0, +) - nodeCounts[shards.rank]
        var offsets: [Int] = []
        var length = 0
        for bucket in buckets.ranges.indices {
            offsets.append(length)
            length += others * buckets.slice(of: bucket, rank: shards.rank, ranks: shards.ranks).count
        }
        receivedOffsets = offsets
        received = ParameterArena.makeArray(length)
    }

    deinit {
        for array in freeArrays + sums.map(\.array) where array != arena.gradients { UnsafeMutableRawPointer(array).deallocate() }
        UnsafeMutableRawPointer(received).deallocate()
    }

    /// Begins the sum of one optimiser step.
    public func beginStep() {
        precondition(sums.isEmpty && active.isEmpty, "the step before has not been finished")
        nextShard = shards.owned.lowerBound
        failure = nil
        misuse = nil
        isInLastShard = false
    }

    /// Call before the shard's backward; `tape` is the one it runs on.
    public func beginShard(_ shard: Int, tape: Tape) {
        precondition(shard == nextShard && shard < shards.owned.upperBound, "shard \(shard) begun, shard \(nextShard) was next")
        if !sums.isEmpty {
            // The array in use may hold a sum; otherwise it is among the free ones.
            let array = freeArrays.popLast() ?? ParameterArena.makeArray(arena.count)
            _ = arena.exchangeGradients(for: array)
        }
        arena.beginGradients()
        self.tape = tape
        if shard == shards.owned.upperBound - 1 { prepareLastShard() }
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
            sums.append((SummationTree.Node(level: 0, index: shard), arena.gradients))
            while let pair = lastPair(of: sums) {
                add(pair.from, to: pair.into, count: arena.count)
                freeArrays.append(pair.from)
                mergeLastPair(of: &sums)
            }
            return
        }
        isBackwardOver = true
        for bucket in states.indices where states[bucket] == .open { attempt { try start(bucket) } }
    }

    /// Returns when `arena.gradients` holds the sum over all shards.
    ///
    /// - Throws: `Failure` when a message failed, or when a parameter's gradient was announced twice in a shard.
    public func finishStep() throws {
        precondition(isInLastShard && nextShard == shards.owned.upperBound, "shard \(nextShard) has not been finished")
        // A bucket's first messages never wait for another bucket's second ones, so these two rounds end on every rank.
        for round in [BucketState.scattering, .gathering] {
            for bucket in states.indices where states[bucket] == round && failure == nil {
                attempt {
                    let begin = DispatchTime.now().uptimeNanoseconds
                    try requests[bucket]?.wait()
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
        var stack = sums + [(SummationTree.Node(level: 0, index: nextShard), arena.gradients)]
        lastAdditions = []
        while let pair = lastPair(of: stack) {
            lastAdditions.append(pair)
            mergeLastPair(of: &stack)
        }
        pieces = stack.map(\.array)
        pendingParameters = buckets.parameterCounts
        isReady = [Bool](repeating: false, count: arena.parameters.count)
        states = [BucketState](repeating: .open, count: bucketCount)
        requests = [Request?](repeating: nil, count: bucketCount)
        active = []
        for bucket in states.indices { attempt { try startReceivingPieces(bucket) } }
        tape?.onGradientReady = { [unowned self] in gradientIsReady($0) }
        tape?.onProgress = { [unowned self] in progress() }
    }

    private func gradientIsReady(_ tensor: Tensor) {
        guard let index = parameterOfTensor[ObjectIdentifier(tensor)] else { return }
        guard !isReady[index] else {
            misuse = misuse ?? Failure.failed(
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
            if pendingParameters[bucket] == 0 { attempt { try start(bucket) } }
        }
    }

    /// Lets messages move on and does the additions whose operands have come.
    private func progress() {
        guard !active.isEmpty, failure == nil else { return }
        attempt {
            for bucket in active where try requests[bucket]?.test() ?? true { try advance(bucket) }
        }
        active.removeAll { states[$0] == .done }
    }

    /// Sends a bucket on its way: this rank's gradients in it are complete.
    private func start(_ bucket: Int) throws {
        let range = buckets.ranges[bucket]
        for addition in lastAdditions {
            add(addition.from + range.lowerBound, to: addition.into + range.lowerBound, count: range.count)
        }
        guard shards.ranks > 1 else {
            addUp(bucket)
            states[bucket] = .done
            return
        }
        try sendPieces(bucket)
        if !isBackwardOver { overlappedBuckets += 1 }
        states[bucket] = .scattering
        active.append(bucket)
    }

    /// Goes on with a bucket whose messages are done.
    private func advance(_ bucket: Int) throws {
        switch states[bucket] {
        case .scattering:
            addUp(bucket)
            try exchangeResults(bucket)
            states[bucket] = .gathering
        case .gathering:
            requests[bucket] = nil
            states[bucket] = .done
        case .open, .done: break
        }
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
