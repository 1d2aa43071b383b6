import DataParallel
import XCTest

/// What all ranks together do by their plans, with terms in place of numbers.
final class ReductionPlanTests: XCTestCase {
    private func term(_ shards: Int, level: Int, index: Int) -> String? {
        guard index << level < shards else { return nil }
        if level == 0 { return "\(index)" }
        guard let left = term(shards, level: level - 1, index: 2 * index) else { return nil }
        return term(shards, level: level - 1, index: 2 * index + 1).map { "(\(left)+\($0))" } ?? left
    }

    /// The term that every rank ends with, and the number of levels.
    private func results(shards: Int, ranks: Int, hosts: [Int], group: Int = 64) throws -> (terms: [String], levels: Int) {
        let plans = try (0..<ranks).map {
            ReductionPlan(shards: try VirtualShards(count: shards, rank: $0, ranks: ranks), hosts: hosts, group: group)
        }
        var terms = try (0..<ranks).map { rank -> [String] in
            let owned = try VirtualShards(count: shards, rank: rank, ranks: ranks).owned
            return SummationTree(leaves: shards).nodes(of: owned).map { term(shards, level: $0.level, index: $0.index) ?? "?" }
        }
        for level in plans[0].levels.indices {
            terms = plans.enumerated().map { rank, plan in
                let own = plan.levels[level]
                XCTAssertEqual(own.members[own.place], rank)
                XCTAssertEqual(own.nodeCounts, own.members.map { terms[$0].count })
                var slots = own.members.flatMap { terms[$0] }
                for addition in own.additions { slots[addition.into] = "(\(slots[addition.into])+\(slots[addition.from]))" }
                return own.results.map { slots[$0] }
            }
        }
        return (terms.map { $0.joined(separator: " ") }, plans[0].levels.count)
    }

    func testEveryPlanIsTheTree() throws {
        for ranks in [1, 2, 3, 4, 6, 8, 12, 16] {
            for perRank in [1, 2, 3, 5] {
                let shards = ranks * perRank, height = (0...).first { 1 << $0 >= shards }!
                let expected = try XCTUnwrap(term(shards, level: height, index: 0))
                for size in 1...ranks where ranks % size == 0 {
                    let hosts = (0..<ranks).map { $0 / size * size }
                    let (terms, levels) = try results(shards: shards, ranks: ranks, hosts: hosts)
                    XCTAssertEqual(Set(terms), [expected], "\(shards) shards, \(ranks) ranks, \(size) per host")
                    XCTAssertEqual(levels, size > 1 && size < ranks ? 2 : 1)
                }
                for group in [2, 3, 4, 8] {
                    XCTAssertEqual(Set(try results(shards: shards, ranks: ranks, hosts: [], group: group).terms), [expected], "group \(group)")
                }
            }
        }
    }

    /// Ranks of a host that are no neighbours, or hosts of several sizes: one level.
    func testUnevenHostsGoFlat() throws {
        for hosts in [[0, 0, 0, 3], [0, 1, 0, 1], [0, 0, 2, 3], [0, 0, 2, 0]] {
            let (terms, levels) = try results(shards: 4, ranks: 4, hosts: hosts)
            XCTAssertEqual(levels, 1, "\(hosts)")
            XCTAssertEqual(Set(terms), ["((0+1)+(2+3))"])
        }
    }

    func testGroupsOfLevels() {
        func sizes(_ ranks: Int, perHost: Int, _ group: Int) -> [Int] {
            ReductionPlan.sizes(ranks: ranks, hosts: (0..<ranks).map { $0 / perHost * perHost }, group: group)
        }
        XCTAssertEqual(sizes(1, perHost: 1, 8), [1])
        XCTAssertEqual(sizes(2, perHost: 2, 8), [2])
        XCTAssertEqual(sizes(16, perHost: 16, 8), [8, 2])
        XCTAssertEqual(sizes(16, perHost: 4, 8), [4, 4])
        XCTAssertEqual(sizes(1_024, perHost: 8, 8), [8, 8, 8, 2])
        XCTAssertEqual(sizes(1_024, perHost: 8, 2), [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
        XCTAssertEqual(sizes(1_024, perHost: 8, 4_096), [8, 128])
        XCTAssertEqual(sizes(36, perHost: 6, 4), [3, 2, 3, 2])
        // Primes above the group stay whole.
        XCTAssertEqual(sizes(11, perHost: 1, 8), [11])
        XCTAssertEqual(sizes(22, perHost: 1, 8), [2, 11])
        XCTAssertEqual(ReductionPlan.sizes(ranks: 12, hosts: [], group: 8), [6, 2])
        XCTAssertEqual(ReductionPlan.sizes(ranks: 4, hosts: [0, 0, 2, 3], group: 8), [4])
    }

    /// 28 buckets of THUMOS14's model: 57,288 messages a step by one level, 1,232 by groups of 8.
    func testMessagesDoNotGrowWithRanks() throws {
        func messages(_ ranks: Int, perHost: Int, group: Int) throws -> Set<Int> {
            let hosts = perHost == 1 ? [] : (0..<ranks).map { $0 / perHost * perHost }
            return Set(
                try stride(from: 0, to: ranks, by: max(1, ranks / 16)).map { rank in
                    ReductionPlan(shards: try VirtualShards(count: ranks, rank: rank, ranks: ranks), hosts: hosts, group: group).messagesPerBucket
                })
        }
        XCTAssertEqual(try messages(1_024, perHost: 1, group: 1_024), [2_046])
        XCTAssertEqual(try messages(1_024, perHost: 8, group: 1_024), [2 * (7 + 127)])
        XCTAssertEqual(try messages(1_024, perHost: 8, group: 8), [2 * (7 + 7 + 7 + 1)])
        XCTAssertEqual(try messages(1_024, perHost: 8, group: 2), [2 * 10])
        XCTAssertEqual(try messages(16, perHost: 1, group: 8), [2 * (7 + 1)])
    }
}
