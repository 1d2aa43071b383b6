import Diagnostics
import Foundation

/// The two kinds of watch: rank 0 hears all ranks and judges them; every other rank reports to rank 0 and judges it alone.
extension StallWatch {
    /// A moment for several ranks of a host to be seen lost together.
    private static let gathering = 0.3

    func watchAll() {
        var due = Self.now()
        while waitForNews(until: due) {
            let now = Self.now()
            for rank in sockets.keys.sorted() where hearMember(rank, at: now) { return endWithoutWords() }
            if let since = lostSince, now - since >= Self.gathering, let failure = book.lost(at: since) { return end(failure) }
            if lostSince != nil { due = min(due, now + 0.05) }
            guard now >= due else { continue }
            due = now + interval
            let line = ownReport(at: now)
            for socket in sockets.values { socket.send(line, mayBeDropped: true) }
            tellSecond(at: now)
            if let failure = book.stalled(at: now, after: stallSeconds) { return end(failure) }
        }
        for socket in sockets.values { socket.send(.leaving) }
    }

    func hearOf(_ rank: Int, over socket: WatchSocket) {
        sockets[rank] = socket
        book.hear(.init(changes: -1, waitsForRanks: false, words: "starting"), from: rank, at: Self.now())
    }

    /// - Returns: whether the rank has said why the job ends.
    private func hearMember(_ rank: Int, at now: Double) -> Bool {
        guard let socket = sockets[rank] else { return false }
        for line in socket.receive() {
            switch line {
            case .report(let report, let signal):
                book.hear(report, from: rank, at: now)
                if let signal { Interruption.ask(signal) }
            case .leaving: book.leave(rank)
            case .aborting: return true
            case .greeting, .rank: break
            }
        }
        if !socket.isOpen {
            sockets[rank] = nil
            if book.members[rank].state != .left {
                book.lose(rank)
                lostSince = lostSince ?? now
            }
        }
        return false
    }

    /// Rank 1 must be able to name all when rank 0 cannot.
    private func tellSecond(at now: Double) {
        guard let socket = sockets[1] else { return }
        for (rank, member) in book.members.enumerated() where rank > 1 && member.state == .present {
            let heard = Int((now - member.heard) * 1_000), changed = Int((now - member.changed) * 1_000)
            socket.send(.rank(rank, member.report, heardAge: heard, changedAge: changed), mayBeDropped: true)
        }
    }

    func watchFirst() {
        guard let socket = sockets[0] else { return }
        // Rank 1 speaks; should it be dead too, the next one does.
        let patience = communicator.rank == 1 ? Self.gathering : 3 + 0.1 * Double(min(communicator.rank, 20))
        let delay = communicator.rank == 1 ? 0 : patience
        var due = Self.now()
        while waitForNews(until: due) {
            let now = Self.now()
            for line in socket.receive() {
                switch line {
                case .report(let report, let signal):
                    book.hear(report, from: 0, at: now)
                    if let signal { Interruption.ask(signal) }
                case .rank(let rank, let report, let heard, let changed):
                    guard book.members.indices.contains(rank) else { continue }
                    book.hear(report, from: rank, at: now, heardAge: Double(heard) / 1_000, changedAge: Double(changed) / 1_000)
                case .leaving: return
                case .aborting: return endWithoutWords()
                case .greeting: break
                }
            }
            if !socket.isOpen {
                if lostSince == nil {
                    book.lose(0)
                    lostSince = now
                }
                if let since = lostSince, now - since >= patience, let failure = book.lost(at: since) { return end(failure) }
                due = now + 0.05
                continue
            }
            guard now >= due else { continue }
            due = now + interval
            socket.send(ownReport(at: now), mayBeDropped: true)
            if let failure = book.firstStalled(at: now, after: stallSeconds + delay) { return end(failure) }
        }
        socket.send(.leaving)
    }
}
