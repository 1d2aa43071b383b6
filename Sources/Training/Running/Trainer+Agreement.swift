import Collectives
import DataParallel
import Diagnostics

/// Ranks that no longer hold the same weights are found by a short digest.
extension Trainer {
    /// Whether the digests are compared after this step: every so often, and before a checkpoint is written.
    func isToBeVerified(checkpoints isSaved: Bool) -> Bool {
        guard communicator.size > 1, let every = configuration.training.verifyEvery else { return false }
        return isSaved || state.step % every == 0
    }

    /// Compares what has been learnt on all ranks: weights, normaliser, and what the method trains beside.
    ///
    /// - Throws: `Failure` on all ranks, naming those that differ from most others.
    func verifyWeights() throws {
        var digest = ArrayDigest()
        digest.add(UnsafeBufferPointer(start: state.arena.values, count: state.arena.count))
        for value in state.normalizers.values { digest.add(value) }
        for array in method.learntArrays { digest.add(array) }
        let all = try communicator.allGather(Int(truncatingIfNeeded: digest.value))
        if let failure = weightDisagreement(all.map { UInt64(truncatingIfNeeded: $0) }, step: state.step) { throw failure }
    }
}

/// The failure for digests of the weights, one per rank, that should be equal; nil when they are.
package func weightDisagreement(_ digests: [UInt64], step: Int) -> Failure? {
    let words = digests.map { String($0, radix: 16) }
    guard var failure = disagreement(among: words, name: "the digest of the weights") else { return nil }
    let counts = Dictionary(words.map { ($0, 1) }, uniquingKeysWith: +).values.sorted(by: >)
    let isMajority = counts[0] > counts[1]
    if !isMajority { failure.places = [] }
    failure.places.insert(.step(step), at: 0)
    failure.advice =
        (isMajority
            ? "check memory and processor of the hosts of the ranks named last"
            : "no value is that of most ranks: check memory and processor of all hosts, and that they are of one kind")
        + "; then start again with --resume from the last checkpoint, whose weights were the same on all ranks"
    return failure
}
