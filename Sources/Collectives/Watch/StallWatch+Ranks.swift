import Diagnostics
import Foundation

/// The two kinds of watch: rank 0 monitors all ranks; every other rank reports to rank 0 and monitors it.
extension StallWatch {
    /// A moment for several ranks of a host to be seen lost together.
    private static let gathering = 0.3

    func watchAll() {
        var due = Self.now()
        while true {
            let wish = waitForNews(until: due)
            if case .announce(let code) = wish { return sockets.values.forEach { $0.send(.aborting(code)) } }
            let now = Self.now()
            for rank in sockets.keys.sorted() {
                if let code = hearMember(rank, at: now) { return endWithoutWords(code) }
            }
            if wish == .leave, takeLeave(at: now), sockets.isEmpty { return }
            if let since = lostSince, now - since >= Self.gathering, let failure = book.lost(at: since) { return end(failure) }
            if lostSince != nil { due = min(due, now + 0.05) }
            if lostSince == nil, let failure = interruption(at: now) { return end(failure) }
            guard now >= due || isUrgent() else { continue }
            due = now + interval
            let line = ownReport(at: now)
            for socket in sockets.values { socket.send(line, mayBeDropped: true) }
            tellSecond(at: now)
            if let seconds = stallSeconds, let failure = book.stalled(at: now, after: seconds) { return end(failure) }
        }
    }

    /// Rank 0 has left MPI_Finalize: sends the others away once all have.
    ///
    /// - Returns: whether they are sent away.
    private func takeLeave(at now: Double) -> Bool {
        guard !hasTakenLeave else { return true }
        guard lostSince == nil, sockets.keys.allSatisfy({ leavers.contains($0) }) else { return false }
        hasTakenLeave = true
        // Nobody watches over the last process. The others may take as long as the limit to go.
        if let seconds = stallSeconds { LastDeadline.set(seconds + 5) }
        for (rank, socket) in sockets {
            socket.send(.goodbye)
            book.hear(.init(changes: -2, waitsForRanks: false, words: "ending"), from: rank, at: now)
        }
        return true
    }

    func hearOf(_ rank: Int, over socket: WatchSocket) {
        sockets[rank] = socket
        book.hear(.init(changes: -1, waitsForRanks: false, words: "starting"), from: rank, at: Self.now())
    }

    /// - Returns: the exit code when the rank has said why the job ends.
    private func hearMember(_ rank: Int, at now: Double) -> Int32? {
        guard let socket = sockets[rank] else { return nil }
        for line in socket.receive() {
            switch line {
            case .report(let report, let signal, let starved):
                if !hasTakenLeave { book.hear(report, from: rank, at: now, starved: Double(starved) / 1_000) }
                if let signal { Interruption.ask(signal) }
            case .leaving: leavers.insert(rank)
            case .aborting(let code): return code
            case .greeting, .welcome, .member, .rank, .goodbye: break
            }
        }
        if !socket.isOpen {
            sockets[rank] = nil
            if hasTakenLeave {
                book.leave(rank)
            } else {
                book.lose(rank)
                lostSince = lostSince ?? now
            }
        }
        return nil
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
        let patience = rank == 1 ? Self.gathering : Self.turn(of: rank)
        let delay = rank == 1 ? 0 : patience
        var due = Self.now()
        while true {
            let wish = waitForNews(until: due)
            if case .announce(let code) = wish { return socket.send(.aborting(code)) }
            let now = Self.now()
            if wish == .leave, !hasTakenLeave {
                hasTakenLeave = true
                socket.send(.leaving)
            }
            for line in socket.receive() {
                switch line {
                case .welcome: isWelcome = true
                case .member(let rank, let process, let host): book.introduce(rank, host: host, process: process)
                case .report(let report, let signal, let starved):
                    book.hear(report, from: 0, at: now, starved: Double(starved) / 1_000)
                    if let signal { Interruption.ask(signal) }
                case .rank(let rank, let report, let heard, let changed):
                    guard book.members.indices.contains(rank) else { continue }
                    book.hear(report, from: rank, at: now, heardAge: Double(heard) / 1_000, changedAge: Double(changed) / 1_000)
                case .goodbye: return
                case .aborting(let code): return endWithoutWords(code)
                case .greeting, .leaving: break
                }
            }
            if !socket.isOpen {
                // Rank 0 has not taken this rank's greeting in time, and warns of it.
                guard isWelcome else { return }
                if lostSince == nil {
                    book.lose(0)
                    lostSince = now
                }
                if let since = lostSince, now - since >= patience, let failure = book.lost(at: since) { return end(failure) }
                due = now + 0.05
                continue
            }
            guard now >= due || isUrgent() else { continue }
            due = now + interval
            socket.send(ownReport(at: now), mayBeDropped: true)
            if let seconds = stallSeconds, let failure = book.firstStalled(at: now, after: seconds + delay) { return end(failure) }
        }
    }
}
