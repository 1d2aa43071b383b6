import Foundation

/// Rank 0 takes the connections of the other ranks, on a thread of its own while they are made: more may come at once than the system keeps waiting.
final class WatchListener: @unchecked Sendable {
    /// A rank that has connected, and who it is.
    struct Guest {
        var socket: WatchSocket
        var process: Int
        var host: String
    }

    let port: UInt16
    /// Whoever does not send it is rejected.
    let token: String
    private let descriptor: Int32
    private let size: Int
    private let lock = NSLock()
    /// How many are still to come, and until when they are waited for; nil: not known yet.
    private var wanted: (count: Int, deadline: Double)?
    private var taken: [Int: Guest] = [:]
    private let ended = DispatchSemaphore(value: 0)

    /// Begins to take connections.
    ///
    /// - Parameters:
    ///   - local: reachable from this machine alone.
    ///   - size: ranks of the job.
    /// - Returns: nil where no port can be had.
    init?(local: Bool, size: Int) {
        guard let opened = WatchSocket.listen(local: local) else { return nil }
        (descriptor, port) = opened
        self.size = size
        var random = SystemRandomNumberGenerator()
        token = (0..<2).map { _ in String(random.next(), radix: 16) }.joined()
        Thread.detachNewThread { [self] in
            takeAll()
            close(descriptor)
            ended.signal()
        }
    }

    /// Waits for those who have connected and greeted already.
    ///
    /// - Parameters:
    ///   - count: of the ranks that have connected.
    ///   - patience: seconds, at most.
    /// - Returns: the connections by rank.
    func end(_ count: Int, patience: Double) -> [Int: Guest] {
        lock.withLock { wanted = (count, StallWatch.now() + patience) }
        ended.wait()
        return taken
    }

    private func takeAll() {
        var greeting: [WatchSocket] = []
        while true {
            let wanted = lock.withLock { self.wanted }
            if let wanted, taken.count >= wanted.count || StallWatch.now() > wanted.deadline { return }
            let connection = accept(descriptor, nil, nil)
            if connection >= 0 { greeting.append(WatchSocket(connection)) }
            for socket in greeting {
                guard case .greeting(let sent, let rank, let process, let host)? = socket.receiveFirst(), sent == token,
                    (1..<size).contains(rank), taken[rank] == nil
                else { continue }
                taken[rank] = Guest(socket: socket, process: process, host: host)
            }
            greeting.removeAll { socket in !socket.isOpen || taken.values.contains { $0.socket === socket } }
            if connection < 0 { usleep(1_000) }
        }
    }
}
