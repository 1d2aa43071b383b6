import Collectives
import Diagnostics
import NeuralNetworks

/// The messages of a bucket, level by level: nodes to the rank that adds them up, results to all.
extension GradientReduction {
    // Two ranks meet at one level alone, so levels need no tags of their own.
    private static func nodeTag(_ bucket: Int) -> Int { MessageTags.gradients.tag(2 * bucket) }
    private static func resultTag(_ bucket: Int) -> Int { MessageTags.gradients.tag(2 * bucket + 1) }

    /// The part of a bucket that this rank's group shares out at a level.
    private func range(_ bucket: Int, _ level: Int) -> Range<Int> {
        Self.range(buckets.ranges[bucket], plan: plan, level: level)
    }

    static func range(_ bucket: Range<Int>, plan: ReductionPlan, level: Int) -> Range<Int> {
        plan.levels[..<level].reduce(bucket) { GradientBuckets.slice(of: $0, place: $1.place, of: $1.members.count) }
    }

    private func slice(_ bucket: Int, _ level: Int, _ place: Int) -> Range<Int> {
        GradientBuckets.slice(of: range(bucket, level), place: place, of: plan.levels[level].members.count)
    }

    private func others(_ level: Int) -> [(place: Int, rank: Int)] {
        let level = plan.levels[level]
        return level.members.enumerated().filter { $0.offset != level.place }.map { ($0.offset, $0.element) }
    }

    private func count(_ elements: Int, to rank: Int) {
        let bytes = elements * (rounds ? 2 : 4)
        sentBytes += bytes
        sentMessages += 1
        if hosts[rank] != hosts[shards.rank] { sentBytesBetweenHosts += bytes }
    }

    /// Allocates the receive buffers of a level.
    func startReceiving(_ bucket: Int, level: Int) throws {
        guard shards.ranks > 1 else { return }
        let own = slice(bucket, level, plan.levels[level].place)
        let request = Request(communicator)
        ways[bucket].request = request
        guard !own.isEmpty else { return }
        var place = messages.receivedOffsets[level][bucket]
        for (other, rank) in others(level) {
            for _ in 0..<plan.levels[level].nodeCounts[other] {
                request.join(
                    rounds
                        ? try communicator.startReceive(messages.packedNodes + place, count: own.count, from: rank, tag: Self.nodeTag(bucket))
                        : try communicator.startReceive(messages.nodes + place, count: own.count, from: rank, tag: Self.nodeTag(bucket)))
                place += own.count
            }
        }
    }

    func sendNodes(_ bucket: Int, level: Int) throws {
        let range = range(bucket, level)
        for (other, rank) in others(level) {
            let theirs = slice(bucket, level, other)
            guard !theirs.isEmpty else { continue }
            for (number, node) in ways[bucket].nodes.enumerated() {
                let source = node + (theirs.lowerBound - range.lowerBound), tag = Self.nodeTag(bucket)
                let packed = messages.sent(level, node: number) + theirs.lowerBound
                if rounds { Timeline.during(.adding) { pack(source, count: theirs.count, into: packed) } }
                try Timeline.during(.moving) {
                    ways[bucket].request?.join(
                        rounds
                            ? try communicator.startSend(packed, count: theirs.count, to: rank, tag: tag)
                            : try communicator.startSend(source, count: theirs.count, to: rank, tag: tag))
                }
                count(theirs.count, to: rank)
            }
        }
    }

    /// Adds up this rank's slice of what came in at a level; after the last level that is the result, in the first piece.
    func addUp(_ bucket: Int, level number: Int) {
        Timeline.during(.adding) {
            let level = plan.levels[number], range = range(bucket, number), own = slice(bucket, number, level.place)
            guard !own.isEmpty else {
                ways[bucket].nodes = level.results.map { _ in messages.nodes }
                return
            }
            if rounds, level.foreignNodes > 0 {
                let place = messages.receivedOffsets[number][bucket]
                unpack(messages.packedNodes + place, count: level.foreignNodes * own.count, into: messages.nodes + place)
            }
            var slots: [UnsafeMutablePointer<Float>] = []
            var next = messages.nodes + messages.receivedOffsets[number][bucket]
            for (place, nodes) in level.nodeCounts.enumerated() {
                for node in 0..<nodes {
                    if place == level.place {
                        slots.append(ways[bucket].nodes[node] + (own.lowerBound - range.lowerBound))
                    } else {
                        slots.append(next)
                        next += own.count
                    }
                }
            }
            add(level.additions, slots: slots, count: own.count, rounds: rounds)
            ways[bucket].nodes = level.results.map { slots[$0] }
            guard number == plan.levels.count - 1 else { return }
            let result = pieces[0] + own.lowerBound
            if slots[0] != result { result.update(from: slots[0], count: own.count) }
            if rounds, shards.ranks > 1 { pack(result, count: own.count, into: messages.packedResults + own.lowerBound) }
        }
    }

    func exchangeResults(_ bucket: Int, level: Int) throws {
        let request = Request(communicator)
        ways[bucket].request = request
        let own = slice(bucket, level, plan.levels[level].place), tag = Self.resultTag(bucket)
        try Timeline.during(.moving) {
            for (other, rank) in others(level) {
                let theirs = slice(bucket, level, other)
                if !theirs.isEmpty {
                    request.join(
                        rounds
                            ? try communicator.startReceive(messages.packedResults + theirs.lowerBound, count: theirs.count, from: rank, tag: tag)
                            : try communicator.startReceive(pieces[0] + theirs.lowerBound, count: theirs.count, from: rank, tag: tag))
                }
                if !own.isEmpty {
                    request.join(
                        rounds
                            ? try communicator.startSend(messages.packedResults + own.lowerBound, count: own.count, to: rank, tag: tag)
                            : try communicator.startSend(pieces[0] + own.lowerBound, count: own.count, to: rank, tag: tag))
                    count(own.count, to: rank)
                }
            }
        }
    }

    /// What came in at a level as results.
    func unpackResults(_ bucket: Int, level: Int) {
        guard rounds else { return }
        Timeline.during(.adding) {
            for (other, _) in others(level) {
                let theirs = slice(bucket, level, other)
                unpack(messages.packedResults + theirs.lowerBound, count: theirs.count, into: pieces[0] + theirs.lowerBound)
            }
        }
    }
}

extension GradientReduction {
    /// Bytes that the buffers of its messages will take.
    ///
    /// - Parameters:
    ///   - count: elements of the arena.
    ///   - communicator: the ranks of the run.
    ///   - shards: how shards are assigned to ranks.
    ///   - options: of the reduction.
    public static func messageBytes(parameters count: Int, communicator: Communicator, shards: VirtualShards, options: Options) -> Int {
        let plan = ReductionPlan(shards: shards, hosts: options.isHierarchical ? communicator.hosts : [], group: options.group)
        // A slice of each level for every node that comes in; slices are rounded up to cache lines.
        var length = 0.0, part = Double(count), sent = 0
        for level in plan.levels {
            part /= Double(max(1, level.members.count))
            length += Double(level.foreignNodes) * part
            sent += level.nodeCounts[level.place]
        }
        let packed = options.precision == .bfloat16 ? 2 * (length + Double(count) * Double(1 + sent)) : 0
        return Int(min(4 * length + packed, 0x1p62))
    }
}

/// Room for messages of all buckets.
final class MessageBuffers {
    /// Where other ranks' nodes of this rank's slices come in, per level and bucket.
    let receivedOffsets: [[Int]]
    let nodes: UnsafeMutablePointer<Float>
    /// The same as they travel, two bytes each.
    let packedNodes: UnsafeMutablePointer<UInt16>
    let packedResults: UnsafeMutablePointer<UInt16>
    private let packedSent: UnsafeMutablePointer<UInt16>
    private let count: Int
    private let firstSent: [Int]

    /// - Parameter count: elements of the arena.
    init(_ plan: ReductionPlan, _ buckets: GradientBuckets, count: Int, isPacked: Bool) {
        var offsets: [[Int]] = []
        var length = 0, sent = 0, firstSent: [Int] = []
        for (number, level) in plan.levels.enumerated() {
            offsets.append([])
            for range in buckets.ranges {
                offsets[number].append(length)
                let shared = GradientReduction.range(range, plan: plan, level: number)
                length += level.foreignNodes * GradientBuckets.slice(of: shared, place: level.place, of: level.members.count).count
            }
            firstSent.append(sent)
            sent += level.nodeCounts[level.place]
        }
        receivedOffsets = offsets
        self.firstSent = firstSent
        self.count = count
        nodes = ParameterArena.makeArray(length)
        func packed(_ count: Int) -> UnsafeMutablePointer<UInt16> {
            CheckedMemory.allocateOrEnd(UInt16.self, count: isPacked ? count : 0, for: "messages of gradients")
        }
        packedNodes = packed(length)
        packedResults = packed(count)
        packedSent = packed(sent * count)
    }

    /// Room for a node on its way from this rank, as elements of the arena.
    func sent(_ level: Int, node: Int) -> UnsafeMutablePointer<UInt16> { packedSent + (firstSent[level] + node) * count }

    deinit {
        UnsafeMutableRawPointer(nodes).deallocate()
        packedNodes.deallocate()
        packedResults.deallocate()
        packedSent.deallocate()
    }
}
