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
    private func results(shards: Int, ranks: Int, hosts: [Int]) throws -> (terms: [String], levels: Int) {
        let plans = try (0..<ranks).map { ReductionPlan(shards: try VirtualShards(count: shards, rank: $0, ranks: ranks), hosts: hosts) }
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
                XCTAssertEqual(Set(try results(shards: shards, ranks: ranks, hosts: []).terms), [expected])
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
}
