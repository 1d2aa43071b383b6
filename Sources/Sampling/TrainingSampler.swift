import Diagnostics
import RandomStreams

/// Which recordings each virtual shard sees at each step: a pure function of seed, shard and step, independent of ranks and of what ran before.
///
/// Recordings are assigned to the shards once, balanced by length: sorted by rows, assigned in groups of one per shard in a drawn order. Each shard
/// then walks its own recordings in a new drawn order per epoch of its own; a step that reaches past the end continues in the next epoch.
public struct TrainingSampler: Sendable {
    /// Per shard, indices of recordings.
    public let shards: [[Int]]
    /// All recordings, shard by shard.
    private let all: [Int]
    /// Recordings per shard and step.
    public let perStep: Int
    private let seed: UInt64

    /// - Parameters:
    ///   - videos: recordings to learn from, with their number of rows.
    ///   - shardCount: virtual shards.
    ///   - batchSize: recordings per step over all shards, a multiple of `shardCount`.
    ///   - seed: of the run.
    /// - Throws: `Failure` (`.badInput`) when a shard would be left without any recording.
    public init(videos: [(index: Int, rows: Int)], shardCount: Int, batchSize: Int, seed: UInt64) throws {
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
        perStep = batchSize / shardCount
    }

    /// Recordings of a shard at a step, in their order in the batch.
    public func videos(step: Int, shard: Int) -> [Int] {
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

    /// Any of the recordings, each as likely as another.
    public func any(_ random: inout RandomStream) -> Int { all[random.uniformIndex(below: all.count)] }

    /// Steps in which about every recording is seen once, as the published loader counts them (the last incomplete batch is left out).
    public var stepsPerEpoch: Int {
        max(1, all.count / (perStep * shards.count))
    }
}
