import COpenMPI
import Diagnostics
import Foundation

/// Watches that no rank is gone and none holds up the others, so that a job ends with a message instead of waiting for ever.
///
/// A thread of every rank reports four times a second (once, above 256 ranks) over a TCP connection of its own to rank 0 what the rank does
/// (`Activity`). A connection that breaks without a goodbye means a dead process; reports that cease, or say the same for `stallSeconds` of something
/// that does not wait for other ranks, mean a stopped or stuck one. Rank 0 then names it and ends the job; rank 1 does so when rank 0 is the one. Not
/// MPI carries these messages: it cannot be relied on once a rank is dead, and would need its costly level of thread support.
///
/// A signal noted on one rank (`Interruption`) reaches all ranks with the reports.
public final class StallWatch: @unchecked Sendable {
    nonisolated(unsafe) public private(set) static var current: StallWatch?

    let communicator: Communicator
    let stallSeconds: Double
    let interval: Double
    var book: WatchBook
    /// Rank 0: that of each rank. Others: the one to rank 0.
    var sockets: [Int: WatchSocket] = [:]
    /// When this rank saw the first loss.
    var lostSince: Double?

    private let lock = NSLock()
    private var isFinishing = false
    private var isEnding = false
    /// Both ends of a pipe: a byte in it wakes the thread.
    private let wake: (read: Int32, write: Int32)
    private let ended = DispatchSemaphore(value: 0)
    private var thread: Thread?

    /// Begins to watch; all ranks together. Does nothing for one rank alone, and when there is a watch already.
    ///
    /// - Parameter stallSeconds: without progress for so long a rank ends the job.
    /// - Returns: lines for people: ranks that cannot be watched.
    public static func start(_ communicator: Communicator, stallSeconds: Double) throws -> [String] {
        guard communicator.size > 1, current == nil else { return [] }
        let machine = Self.machine(communicator)
        let all = try communicator.allGather("\(machine)\t\(communicator.hostName)\t\(getpid())").map { $0.components(separatedBy: "\t") }
        let isOneMachine = all.allSatisfy { $0[0] == machine }
        let watch = StallWatch(
            communicator, stallSeconds: stallSeconds, book: WatchBook(hosts: all.map { $0[1] }, processes: all.map { Int($0[2]) ?? 0 }))
        let listener = communicator.isRoot ? WatchListener(local: isOneMachine, size: communicator.size) : nil
        let place = listener.map { "\($0.port)\t\($0.token)\t\(WatchSocket.ownAddresses().joined(separator: ","))" } ?? ""
        let parts = try communicator.broadcast(place).components(separatedBy: "\t")
        var socket: WatchSocket?
        if !communicator.isRoot, parts.count == 3, let port = UInt16(parts[0]) {
            let addresses = (all[0][0] == machine ? ["127.0.0.1"] : []) + parts[2].split(separator: ",").map(String.init)
            socket = WatchSocket.connect(addresses, port: port, seconds: 3)
            socket?.send(.greeting(token: parts[1], rank: communicator.rank))
        }
        let connected = try communicator.allGather(socket == nil ? 0 : 1).reduce(0, +)
        let taken = listener?.end(connected) ?? [:]
        let watched = Set(try communicator.broadcast(taken.keys.map(String.init).joined(separator: ",")).split(separator: ",").map { Int($0) ?? 0 })
        for (rank, socket) in taken { watch.hearOf(rank, over: socket) }
        let isWatched = watched.contains(communicator.rank)
        if let socket, isWatched { watch.hearOf(0, over: socket) }
        current = watch
        if communicator.isRoot || isWatched { watch.begin() }
        let missing = (1..<communicator.size).filter { !watched.contains($0) }
        guard !missing.isEmpty else { return [] }
        return [
            "warning: \(ranksInWords(missing)) cannot reach host '\(all[0][1])' by TCP: nobody watches whether they stop or die; "
                + "open the ports between the hosts"
        ]
    }

    /// Equal for ranks that reach each other over the loopback device: the same kernel and network.
    private static func machine(_ communicator: Communicator) -> String {
        communicator.machine + ((try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")) ?? "")
    }

    private init(_ communicator: Communicator, stallSeconds: Double, book: WatchBook) {
        self.communicator = communicator
        self.stallSeconds = stallSeconds
        self.book = book
        interval = communicator.size > 256 ? 1 : 0.25
        var ends: [Int32] = [-1, -1]
        _ = pipe(&ends)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        wake = (ends[0], ends[1])
        if communicator.size > 500 {
            var limit = rlimit()
            if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
                limit.rlim_cur = limit.rlim_max
                _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            }
        }
    }

    private func begin() {
        let thread = Thread { [self] in
            communicator.isRoot ? watchAll() : watchFirst()
            ended.signal()
        }
        thread.name = "stall watch"
        self.thread = thread
        thread.start()
    }

    /// Ends the watch of this rank; the others know that it goes by itself. Does not come back when the watch is just ending the job.
    public func finish() {
        guard thread !== Thread.current else { return }
        lock.lock()
        let isLate = isEnding
        isFinishing = true
        lock.unlock()
        if isLate {
            // The thread of the watch speaks and ends the process.
            sleep(10)
            return
        }
        guard let thread, !thread.isFinished else { return }
        var one: UInt8 = 1
        _ = write(wake.write, &one, 1)
        _ = ended.wait(timeout: .now() + 2)
        self.thread = nil
    }

    // MARK: For both kinds of rank

    static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }

    private var lastLook = StallWatch.now()

    /// Waits for news at most until the next report is due.
    ///
    /// - Returns: false when the watch is to end.
    func waitForNews(until due: Double) -> Bool {
        var waiting = [pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0)]
        for socket in sockets.values where socket.isOpen {
            waiting.append(pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0))
        }
        _ = poll(&waiting, nfds_t(waiting.count), Int32(max(0, (due - Self.now()) * 1_000).rounded(.up)))
        let now = Self.now()
        // This process was itself stopped: its own clock went on, nothing else did.
        if now - lastLook > max(4 * interval, min(3, stallSeconds / 2)) { book.pardon(at: now) }
        lastLook = now
        return lock.withLock { !isFinishing }
    }

    /// This rank's own report, into the book and to others.
    func ownReport(at now: Double) -> WatchLine {
        let report = Activity.snapshot
        book.hear(report, from: communicator.rank, at: now)
        return .report(report, signal: Interruption.asked)
    }

    /// Says why, and ends all ranks with exit code 1.
    func end(_ failure: Failure) {
        let mayEnd = lock.withLock {
            isEnding = !isFinishing
            return isEnding
        }
        guard mayEnd else { return }
        StandardError.write(failure.description + "\n")
        for socket in sockets.values { socket.send(.aborting) }
        UnfinishedFile.removeAll()
        // MPI is waiting on another thread, perhaps for the dead; should it not listen, this process ends all the same.
        Thread.detachNewThread {
            sleep(3)
            _exit(1)
        }
        _ = MPI_Abort(communicator.handle, 1)
        _exit(1)
    }

    /// Another rank has said why and ends the job: nothing is left but to go, should nobody come to end this process.
    func endWithoutWords() {
        let mayEnd = lock.withLock {
            isEnding = !isFinishing
            return isEnding
        }
        guard mayEnd else { return }
        UnfinishedFile.removeAll()
        sleep(3)
        _exit(1)
    }
}
