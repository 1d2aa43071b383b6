import Collectives
import Diagnostics
import Foundation

/// Where the ranks run: which host, which processor cores, how many threads.
public struct RankPlacement: Equatable, Sendable {
    /// Equal numbers are one host.
    public var host: Int
    public var hostName: String
    /// The processor cores this rank may use.
    public var cores: Set<Int>
    /// Cores of the host.
    public var coresOfHost: Int
    /// Compute threads of the rank.
    public var threads: Int

    /// `host` numbers the hosts of the run; `cores` are the kernel's core numbers; `threads` are compute threads.
    public init(host: Int, hostName: String, cores: Set<Int>, coresOfHost: Int, threads: Int) {
        self.host = host
        self.hostName = hostName
        self.cores = cores
        self.coresOfHost = coresOfHost
        self.threads = threads
    }

    /// A list of the kernel's, "0-3,8".
    package static func cores(in list: String) -> Set<Int> {
        var result: Set<Int> = []
        for part in list.split(separator: ",") {
            let ends = part.split(separator: "-").compactMap { Int($0) }
            if let first = ends.first, let last = ends.last, first <= last { result.formUnion(first...last) }
        }
        return result
    }

    static func words(_ cores: Set<Int>) -> String {
        var parts: [String] = [], sorted = cores.sorted()[...]
        while let first = sorted.first {
            let run = zip(sorted, first...).prefix { $0 == $1 }.count, last = first + run - 1
            parts.append(run == 1 ? "\(first)" : "\(first)-\(last)")
            sorted = sorted.dropFirst(run)
        }
        return parts.joined(separator: ",")
    }

    /// A line on all ranks, and warnings: threads that must share cores, ranks that are pinned to the same cores.
    public static func lines(_ ranks: [RankPlacement]) -> [String] {
        let hosts = Set(ranks.map(\.host)).sorted()
        let groups = hosts.flatMap { host in Self.sharing(ranks.indices.filter { ranks[$0].host == host }, ranks) }
        let threads = Set(ranks.map(\.threads)).sorted()
        var line = "\(count(ranks.count, "rank")) on \(count(hosts.count, "host"))"
        line +=
            threads.count == 1
            ? ", \(count(threads[0], "thread"))\(ranks.count > 1 ? " each" : "")" : ", \(threads[0]) to \(threads[threads.count - 1]) threads each"
        if ranks.allSatisfy({ !$0.cores.isEmpty }) {
            let own = groups.count == ranks.count ? "of \(ranks.count == 1 ? "its" : "their") own" : "that they share"
            line += ranks.allSatisfy { $0.cores.count < $0.coresOfHost } ? ", pinned to cores \(own)" : ", not pinned"
        }
        return [line] + groups.compactMap { warning($0, ranks) }
    }

    private static func warning(_ group: [Int], _ ranks: [RankPlacement]) -> String? {
        let cores = group.reduce(into: Set<Int>()) { $0.formUnion(ranks[$1].cores) }, first = ranks[group[0]]
        guard !cores.isEmpty else { return nil }
        let threads = group.reduce(0) { $0 + ranks[$1].threads }, names = ranksInWords(group)
        let place = "\(cores.count == 1 ? "core" : "cores") \(words(cores)) of host '\(first.hostName)'"
        if threads > cores.count {
            return "warning: \(threads) threads of \(names) share \(place): start fewer ranks there, or lower training.threads"
        }
        // Where all ranks of the host may use the same cores, nobody has pinned them, or the host is shared out by something else.
        if group.count > 1, Set(ranks.filter { $0.host == first.host }.map(\.cores)).count > 1 {
            return "warning: \(names) are pinned to the same \(place): let mpirun give each its own (--map-by slot:PE=THREADS --bind-to core)"
        }
        return nil
    }

    /// Ranks of a host in groups that have cores in common.
    private static func sharing(_ members: [Int], _ ranks: [RankPlacement]) -> [[Int]] {
        var groups: [(ranks: [Int], cores: Set<Int>)] = []
        for rank in members {
            var joined = (ranks: [rank], cores: ranks[rank].cores)
            for group in groups where !group.cores.isDisjoint(with: joined.cores) {
                joined.ranks += group.ranks
                joined.cores.formUnion(group.cores)
            }
            groups.removeAll { !$0.cores.isDisjoint(with: joined.cores) }
            groups.append(joined)
        }
        return groups.map { $0.ranks.sorted() }.sorted { $0[0] < $1[0] }
    }

    private static func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }
}
