import Diagnostics
import RandomStreams
import Synchronization

/// Which recordings each virtual shard sees at each step: a pure function of seed, shard and step, independent of ranks and of what ran before.
///
/// Without a window, recordings are assigned to the shards once, balanced by length: sorted by rows, assigned in groups of one per shard in a drawn
/// order. Each shard then walks its own recordings in a new drawn order per epoch of its own; a step that reaches past the end continues in the next
/// epoch.
///
/// With a window of W steps, all recordings are walked in one drawn order per epoch, and the steps of an epoch are cut into equal parts of about W.
/// The recordings of a part are sorted by length, each step takes neighbours, in a drawn order of the steps, and deals them to the shards: the longest
/// first, to the shard with the fewest rows that has room (longest processing time first, Graham 1969). Ranks then wait less for the longest recording
/// of a step, and a step's recordings are more alike in length. A window longer than an epoch spans several: copies of a recording then stand side by
/// side in a step.
public struct TrainingSampler: Sendable {
    /// Per shard, indices of recordings.
    public let shards: [[Int]]
    /// All recordings, shard by shard.
    private let all: [Int]
    /// Recordings per shard and step.
    public let perStep: Int
    private let seed: UInt64
    /// Steps whose recordings are sorted by length together; 1: none.
    private let window: Int
    /// Of each recording.
    private let rows: [Int: Int]
    private let deals = Deals()

    /// Steps of a window where the configuration names none and an epoch is long enough.
    public static let usualWindow = 16

    /// Steps of a window where the configuration names none: at most half of an epoch, so that a recording has other companions in every epoch.
    ///
    /// - Parameter steps: of an epoch.
    public static func window(steps: Int) -> Int { max(1, min(usualWindow, steps / 2)) }

    /// - Parameters:
    ///   - videos: recordings to learn from, with their number of rows.
    ///   - shardCount: virtual shards.
    ///   - batchSize: recordings per step over all shards, a multiple of `shardCount`.
    ///   - seed: of the run.
    ///   - window: steps whose recordings are dealt together by their lengths; 1: shards keep recordings of their own; nil: as many as
    ///     `window(steps:)` says.
    ///   - longest: rows to which longer recordings are cropped, so that with a window they count no more.
    /// - Throws: `Failure` (`.badInput`) when a shard would be left without any recording.
    public init(videos: [(index: Int, rows: Int)], shardCount: Int, batchSize: Int, seed: UInt64, window: Int? = 1, longest: Int? = nil) throws {
        let window = window ?? Self.window(steps: videos.count / batchSize)
        precondition(window >= 1)
        let sorted = videos.sorted { ($1.rows, $0.index) < ($0.rows, $1.index) }
        var shards = [[Int]](repeating: [], count: shardCount)
        for first in stride(from: 0, to: sorted.count, by: shardCount) {
            var random = RandomStream(seed: seed, "deal", first / shardCount)
            let order = random.permutation(shardCount)
            for (video, shard) in zip(sorted[first...], order) { shards[shard].append(video.index) }
        }
        let empty = shards.indices.filter { shards[$0].isEmpty }
        guard empty.isEmpty else {
            let names = empty.prefix(8).map(String.init).joined(separator: ", ") + (empty.count > 8 ? ", ..." : "")
            throw Failure.badInput(
                "\(videos.count) training recordings are too few for \(shardCount) virtual shards: \(empty.count) would have none (\(names))",
                at: .key("data.virtual_shards"), advice: "use at most \(max(videos.count, 1)) virtual shards, or label more recordings")
        }
        self.shards = shards
        all = shards.flatMap { $0 }
        self.seed = seed
        self.window = window
        rows = window > 1 ? Dictionary(videos.map { ($0.index, min($0.rows, longest ?? .max)) }, uniquingKeysWith: { first, _ in first }) : [:]
        perStep = batchSize / shardCount
    }

    /// Recordings of a shard at a step, in their order in the batch.
    public func videos(step: Int, shard: Int) -> [Int] {
        guard window == 1 else { return dealt(step: step)[shard] }
        let own = shards[shard]
        var epoch = -1
        var order: [Int] = []
        return (step * perStep..<(step + 1) * perStep).map { position in
            if position / own.count != epoch {
                epoch = position / own.count
                var random = RandomStream(seed: seed, "order", shard, epoch)
                order = random.permutation(own.count)
            }
            return own[order[position % own.count]]
        }
    }

    /// The recordings of a step, shard by shard, each shard's longest first; kept for the other shards of the same step.
    private func dealt(step: Int) -> [[Int]] {
        deals.lock.withLock { deals in
            if deals.step == step { return deals.shards }
            let steps = stepsOfWindow(at: step), batch = perStep * shards.count
            if deals.window != steps { (deals.window, deals.sorted) = (steps, sortedWindow(steps)) }
            var random = RandomStream(seed: seed, "window steps", steps.lowerBound)
            let place = random.permutation(steps.count)[step - steps.lowerBound]
            random = RandomStream(seed: seed, "window shards", step)
            (deals.step, deals.shards) = (step, deal(deals.sorted[place * batch..<(place + 1) * batch], turns: random.permutation(shards.count)))
            return deals.shards
        }
    }

    /// The steps whose recordings are dealt together with those of `step`.
    ///
    /// A step belongs to the epoch in which it begins.
    private func stepsOfWindow(at step: Int) -> Range<Int> {
        func quotient(_ dividend: Int, roundedUpBy divisor: Int) -> Int { (dividend + divisor - 1) / divisor }
        let batch = perStep * shards.count
        // Recordings seen in the fewest whole epochs that a window fits into.
        let block = max(1, quotient(window * batch, roundedUpBy: all.count)) * all.count
        let number = step * batch / block
        let first = quotient(number * block, roundedUpBy: batch), count = quotient((number + 1) * block, roundedUpBy: batch) - first
        let parts = max(1, (2 * count + window) / (2 * window)), part = (step - first) * parts / count
        return first + quotient(part * count, roundedUpBy: parts)..<first + quotient((part + 1) * count, roundedUpBy: parts)
    }

    /// The recordings of a window, the longest first; of equally long ones the one drawn first.
    private func sortedWindow(_ steps: Range<Int>) -> [Int] {
        let batch = perStep * shards.count
        var epoch = -1
        var order: [Int] = []
        let chosen = (steps.lowerBound * batch..<steps.upperBound * batch).map { position in
            if position / all.count != epoch {
                epoch = position / all.count
                var random = RandomStream(seed: seed, "window", epoch)
                order = random.permutation(all.count)
            }
            return all[order[position % all.count]]
        }
        return chosen.indices.sorted { (rows[chosen[$1], default: 0], $0) < (rows[chosen[$0], default: 0], $1) }.map { chosen[$0] }
    }

    /// Each recording to the shard with the fewest rows that has room; of equal ones to the first in `turns`.
    private func deal(_ videos: ArraySlice<Int>, turns: [Int]) -> [[Int]] {
        var result = [[Int]](repeating: [], count: shards.count)
        var queue = FewestRows(count: turns.count)
        for video in videos {
            let place = queue.fewest
            result[turns[place]].append(video)
            if result[turns[place]].count < perStep { queue.add(rows[video, default: 0]) } else { queue.remove() }
        }
        return result
    }

    /// Any of the recordings, each as likely as another.
    public func any(_ random: inout RandomStream) -> Int { all[random.uniformIndex(below: all.count)] }

    /// Steps in which about every recording is seen once, as the published loader counts them (the last incomplete batch is left out).
    public var stepsPerEpoch: Int {
        max(1, all.count / (perStep * shards.count))
    }
}

/// The window and the step that were dealt last, for all copies of a sampler and all their threads.
private final class Deals: Sendable {
    struct Last {
        var window = 0..<0
        var sorted: [Int] = []
        var step = -1
        var shards: [[Int]] = []
    }

    let lock = Mutex(Last())
}
