import Collectives

/// The two rounds of messages of a bucket: slices of the pieces to the rank that adds them up, and its result to all.
extension GradientReduction {
    /// The first tag of this class; below are the callers' own.
    private static let firstTag = 16_000

    private var otherRanks: [Int] { (0..<shards.ranks).filter { $0 != shards.rank } }

    private func slice(_ bucket: Int, _ rank: Int) -> Range<Int> { buckets.slice(of: bucket, rank: rank, ranks: shards.ranks) }

    func startReceivingPieces(_ bucket: Int) throws {
        let own = slice(bucket, shards.rank)
        guard shards.ranks > 1 else { return }
        let request = Request(communicator)
        requests[bucket] = request
        guard !own.isEmpty else { return }
        var target = received + receivedOffsets[bucket]
        for rank in otherRanks {
            for _ in 0..<nodeCounts[rank] {
                request.join(try communicator.startReceive(target, count: own.count, from: rank, tag: Self.firstTag + 2 * bucket))
                target += own.count
            }
        }
    }

    func sendPieces(_ bucket: Int) throws {
        for rank in otherRanks {
            let theirs = slice(bucket, rank)
            guard !theirs.isEmpty else { continue }
            for piece in pieces {
                requests[bucket]?.join(
                    try communicator.startSend(piece + theirs.lowerBound, count: theirs.count, to: rank, tag: Self.firstTag + 2 * bucket))
                sentBytes += 4 * theirs.count
            }
        }
    }

    /// Brings this rank's slice of the bucket to its end value, in the first piece.
    func addUp(_ bucket: Int) {
        let own = slice(bucket, shards.rank)
        guard !own.isEmpty else { return }
        var slots: [UnsafeMutablePointer<Float>] = []
        var next = received + receivedOffsets[bucket]
        for rank in 0..<shards.ranks {
            for piece in 0..<nodeCounts[rank] {
                if rank == shards.rank {
                    slots.append(pieces[piece] + own.lowerBound)
                } else {
                    slots.append(next)
                    next += own.count
                }
            }
        }
        add(additions, slots: slots, count: own.count)
        let result = pieces[0] + own.lowerBound
        if slots[0] != result { result.update(from: slots[0], count: own.count) }
    }

    func exchangeResults(_ bucket: Int) throws {
        let request = Request(communicator)
        requests[bucket] = request
        let own = slice(bucket, shards.rank)
        let result = pieces[0]
        for rank in otherRanks {
            let theirs = slice(bucket, rank)
            if !theirs.isEmpty {
                request.join(
                    try communicator.startReceive(result + theirs.lowerBound, count: theirs.count, from: rank, tag: Self.firstTag + 2 * bucket + 1))
            }
            if !own.isEmpty {
                request.join(try communicator.startSend(result + own.lowerBound, count: own.count, to: rank, tag: Self.firstTag + 2 * bucket + 1))
                sentBytes += 4 * own.count
            }
        }
    }
}
