import Diagnostics

/// The reports of all ranks as known to one rank: the last report of each, when it came and when it last changed. Determines which ranks are dead and
/// which block the others.
///
/// Times are seconds of this rank's monotonic clock.
package struct WatchBook {
    package enum State: Equatable, Sendable {
        /// Not heard of.
        case unknown
        case present
        /// Has said that it ends.
        case left
        /// Has gone without a word.
        case lost
    }

    package struct Member {
        package var host: String
        package var process: Int
        package var state = State.unknown
        package var report = Activity.Snapshot(changes: -1, waitsForRanks: false, words: "starting")
        /// When the last report came, and when the last one came that differed from the one before.
        package var heard = 0.0
        package var changed = 0.0
        /// Seconds since its start that a processor core was wanting.
        package var starved = 0.0
    }

    package private(set) var members: [Member]

    /// For the advice of messages.
    package var limit = StallLimit.training(60)

    package init(hosts: [String], processes: [Int]) {
        members = zip(hosts, processes).map { Member(host: $0, process: $1) }
    }

    /// - Parameter starved: seconds since the rank's start that a processor core was wanting; they count as no time.
    package mutating func hear(_ report: Activity.Snapshot, from rank: Int, at now: Double, starved: Double = 0) {
        if members[rank].report != report || members[rank].state != .present {
            members[rank].changed = now
        } else {
            members[rank].changed = min(now, members[rank].changed + max(0, starved - members[rank].starved))
        }
        members[rank].starved = max(starved, members[rank].starved)
        members[rank].report = report
        members[rank].heard = now
        members[rank].state = .present
    }

    /// Who a rank is, where that was not known from the beginning.
    package mutating func introduce(_ rank: Int, host: String, process: Int) {
        guard members.indices.contains(rank) else { return }
        members[rank].host = host
        members[rank].process = process
    }

    /// Takes over what another rank knows: ages in seconds.
    package mutating func hear(_ report: Activity.Snapshot, from rank: Int, at now: Double, heardAge: Double, changedAge: Double) {
        members[rank].report = report
        members[rank].heard = now - heardAge
        members[rank].changed = now - changedAge
        members[rank].state = .present
    }

    package mutating func leave(_ rank: Int) { members[rank].state = .left }
    package mutating func lose(_ rank: Int) { members[rank].state = .lost }

    /// This rank itself has slept (the job was suspended): nobody is to blame for what it has not heard.
    package mutating func pardon(at now: Double) {
        for rank in members.indices {
            members[rank].heard = now
            members[rank].changed = now
        }
    }

    // MARK: Judging

    private func isSilent(_ member: Member, _ now: Double, _ seconds: Double) -> Bool { now - member.heard >= max(1, min(5, seconds / 2)) }

    /// The failure when a rank has made no progress for `seconds` by its own doing, or all have made no progress because each waits for others; nil
    /// otherwise.
    package func stalled(at now: Double, after seconds: Double) -> Failure? {
        let present = members.indices.filter { members[$0].state == .present }
        let still = present.filter { now - members[$0].changed >= seconds }
        var guilty = still.filter { !members[$0].report.waitsForRanks || isSilent(members[$0], now, seconds) }
        // The ranks of a lost host fall silent together, up to their reports' rhythm.
        if !guilty.isEmpty { guilty += present.filter { !guilty.contains($0) && now - members[$0].heard >= seconds - min(2, seconds / 4) } }
        guilty.sort()
        let time = String(Int(seconds.rounded(.down)))
        let places = activities(at: now, seconds)
        if !guilty.isEmpty {
            return Failure(
                .failed, "\(names(guilty)) \(guilty.count == 1 ? "has" : "have") made no progress for \(time) s; \(places)",
                at: guilty.prefix(8).map { .rank($0) }, advice: limit.advice)
        }
        guard !present.isEmpty, still.count == present.count, !members.contains(where: { $0.state == .unknown }) else { return nil }
        return Failure(
            .failed, "no rank has made progress for \(time) s, each waits for another; \(places)",
            advice: "check the network between the hosts, then \(limit.again); with a sound network report this as a fault of the program")
    }

    /// As `stalled(at:after:)`, of rank 0 as seen by another: it has said nothing for `seconds`. What it knew of the others is as old as that.
    package func firstStalled(at now: Double, after seconds: Double) -> Failure? {
        guard members[0].state == .present, now - members[0].heard >= seconds else { return nil }
        var known = self
        for rank in members.indices.dropFirst() {
            known.members[rank].heard += now - members[0].heard
            known.members[rank].changed = now
        }
        return known.stalled(at: now, after: seconds)
    }

    /// The failure that names the ranks that are lost; nil when none is.
    package func lost(at now: Double) -> Failure? {
        let gone = members.indices.filter { members[$0].state == .lost }
        guard !gone.isEmpty else { return nil }
        let ends = gone.prefix(4).map { rank in
            let age = max(0, now - members[rank].heard)
            let tenths = Int((age * 10).rounded())
            return "\(name(rank)) has gone without a word; \(tenths / 10).\(tenths % 10) s before it was in '\(members[rank].report.words)'"
        }
        let more = gone.count > 4 ? "; \(gone.count - 4) more are gone" : ""
        return Failure(
            .failed, ends.joined(separator: "; ") + more, at: gone.prefix(8).map { .rank($0) },
            advice: "look on that host for the reason (killed, out of memory, crash, power), then \(limit.again)")
    }

    private func name(_ rank: Int) -> String { "rank \(rank) on host '\(members[rank].host)' (process \(members[rank].process))" }

    private func names(_ ranks: [Int]) -> String {
        let named = ranks.prefix(4).map(name) + (ranks.count > 4 ? ["\(ranks.count - 4) more"] : [])
        return named.count == 1 ? named[0] : named.dropLast().joined(separator: ", ") + " and " + named[named.count - 1]
    }

    /// Where all ranks are, equal ones together: "rank 1 in 'burn-in, step 3: computing', silent; ranks 0 and 2 in '...'".
    private func activities(at now: Double, _ seconds: Double) -> String {
        var groups: [(words: String, ranks: [Int])] = []
        for (rank, member) in members.enumerated() {
            let words: String
            switch member.state {
            case .unknown: words = "not watched"
            case .left: words = "at its end"
            case .lost: words = "gone"
            case .present: words = "in '\(member.report.words)'" + (isSilent(member, now, seconds) ? ", silent" : "")
            }
            if let place = groups.firstIndex(where: { $0.words == words }) {
                groups[place].ranks.append(rank)
            } else {
                groups.append((words, [rank]))
            }
        }
        let said = groups.prefix(8).map { "\(ranksInWords($0.ranks)) \($0.words)" }
        return said.joined(separator: "; ") + (groups.count > 8 ? "; and others" : "")
    }
}
