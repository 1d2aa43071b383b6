import COpenMPI
import Diagnostics
import Foundation
import Synchronization

/// Detects dead and stuck ranks, so that a job ends with a message instead of waiting forever.
///
/// A thread of every rank reports four times a second (once, above 256 ranks) over a TCP connection of its own to rank 0 what the rank does
/// (`Activity`). A connection that breaks without a final message means a dead process; reports that cease, or say the same for as long as the limit
/// of something that does not wait for other ranks, mean a stopped or stuck one. Rank 0 then names it and ends the job; rank 1 does so when rank 0 is
/// the one. MPI is not used for these messages: it is unreliable once a rank is dead, and would need its most costly level of thread support.
///
/// The watch holds from the moment after MPI_Init until every process is gone: a rank that has left MPI_Finalize says so, waits until rank 0 has
/// heard that of all, and ends; rank 0 stays until all other connections are closed, which the system does when their processes are gone.
///
/// A signal noted on one rank (`Interruption`) reaches all ranks with the reports.
public final class StallWatch: @unchecked Sendable {
    /// The watch of this process; nil where nobody watches.
    public static var current: StallWatch? { beginning.withLock { $0.watch } }
    /// For the user: ranks that cannot be watched.
    public static var warnings: [String] { beginning.withLock { $0.warnings } }
    private static let beginning = Mutex<(watch: StallWatch?, warnings: [String])>((nil, []))

    let rank: Int
    let interval: Double
    var book: WatchBook
    /// Rank 0: that of each rank. Others: the one to rank 0.
    var sockets: [Int: WatchSocket] = [:]
    /// When this rank saw the first loss.
    var lostSince: Double?
    /// Rank 0: ranks that have left MPI_Finalize. Others: whether rank 0 has answered the greeting.
    var leavers: Set<Int> = []
    var isWelcome = false
    /// Whether `.leaving` (rank 0: `.goodbye`) has been said.
    var hasTakenLeave = false

    /// What the thread that works asks of the watch.
    enum Wish: Equatable {
        case none
        /// This rank has left MPI_Finalize.
        case leave
        /// The rank ends the job, and has said why.
        case announce(Int32)
    }
    private enum Speaker { case nobody, watch, work }

    private let handle: MPI_Comm
    private let lock = NSLock()
    private var wish = Wish.none
    private var limit: StallLimit
    private var isLimitNew = false
    private var endsAtSignals = false
    private var isReportUrgent = false
    /// Who says why the job ends.
    private var speaker = Speaker.nobody
    /// MPI_Finalize has begun: MPI can no longer be asked to end the job.
    private var isFinalizing = false
    /// Both ends of a pipe: a byte in it wakes the thread.
    private let wake: (read: Int32, write: Int32)
    private let ended = DispatchSemaphore(value: 0)
    private var hasEnded = false
    private var thread: Thread?

    init(_ handle: MPI_Comm, rank: Int, size: Int, limit: StallLimit, book: WatchBook) {
        self.handle = handle
        self.rank = rank
        self.limit = limit
        self.book = book
        interval = size > 256 ? 1 : 0.25
        var ends: [Int32] = [-1, -1]
        _ = pipe(&ends)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        wake = (ends[0], ends[1])
        _ = fcntl(wake.read, F_SETFL, O_NONBLOCK)
    }

    /// Begins; `warnings` are for the user.
    func begin(_ warnings: [String]) {
        Self.beginning.withLock { $0 = (self, warnings) }
        Failure.willEnd = { StallWatch.current?.announceEnd($0) }
        let thread = Thread { [self] in
            rank == 0 ? watchAll() : watchFirst()
            lock.withLock { hasEnded = true }
            ended.signal()
        }
        thread.name = "stall watch"
        self.thread = thread
        thread.start()
    }

    // MARK: For the thread that works

    /// From now on another limit holds.
    public func hold(to limit: StallLimit) {
        lock.withLock {
            guard self.limit != limit else { return }
            self.limit = limit
            isLimitNew = true
        }
    }

    /// From now on a signal to any rank ends the job: there is nothing to keep.
    public func endAtSignals() { lock.withLock { endsAtSignals = true } }

    /// The calling thread says why the job ends. Does not come back when the watch is just doing so.
    func takeOver() {
        guard thread !== Thread.current else { return }
        let isLate = lock.withLock {
            if speaker == .nobody { speaker = .work }
            return speaker == .watch
        }
        // The thread of the watch speaks and ends the process.
        while isLate { sleep(10) }
    }

    /// Tells the other ranks that this one has said why the job ends, so that they end too.
    func announceEnd(_ code: Int32) {
        guard thread !== Thread.current else { return }
        takeOver()
        if lock.withLock({ hasEnded }) { return }
        ask(.announce(code))
        _ = ended.wait(timeout: .now() + 2)
    }

    /// MPI_Finalize begins: from now on the job ends by exit codes. The other ranks hear at once how far this one has come.
    func finalizing() {
        lock.withLock {
            isFinalizing = true
            isReportUrgent = true
        }
        ask(.none)
    }

    /// MPI_Finalize has returned: waits until this process may end. Without a watch at once.
    func leave() {
        guard thread !== Thread.current else { return }
        Activity.during(.leaving) {
            ask(.leave)
            ended.wait()
        }
    }

    private func ask(_ new: Wish) {
        lock.withLock { wish = new }
        var one: UInt8 = 1
        _ = write(wake.write, &one, 1)
    }

    // MARK: For both kinds of rank

    static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }

    /// How many seconds a rank waits before it speaks in rank 0's place, so that one alone does: launchers end the others within two.
    static func turn(of rank: Int) -> Double { rank == 0 ? 0 : 3 + 2.5 * Double(min(rank - 1, 2)) }

    static func say(_ failure: Failure) { StandardError.write(failure.description + "\n") }

    private var lastLook = StallWatch.now()
    private var starved = ProcessorWait()
    private var lastReport: Activity.Snapshot?

    /// The seconds without progress that end the job; nil: none do.
    var stallSeconds: Double? { lock.withLock { limit.seconds } }

    /// Waits for news at most until the next report is due.
    ///
    /// - Returns: what the thread that works wants.
    func waitForNews(until due: Double) -> Wish {
        var waiting = [pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0)]
        for socket in sockets.values where socket.isOpen {
            waiting.append(pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0))
        }
        _ = poll(&waiting, nfds_t(waiting.count), Int32(max(0, (due - Self.now()) * 1_000).rounded(.up)))
        var byte: UInt8 = 0
        while read(wake.read, &byte, 1) == 1 {}
        let now = Self.now()
        let (wish, limit, isNew) = lock.withLock {
            defer { isLimitNew = false }
            return (self.wish, self.limit, isLimitNew)
        }
        book.limit = limit
        // This process was itself stopped: its own clock went on, nothing else did. Under a new limit time counts from now.
        if isNew || now - lastLook > max(4 * interval, min(3, (limit.seconds ?? 60) / 2)) { book.pardon(at: now) }
        lastLook = now
        return wish
    }

    /// This rank's own report, into the book and to others.
    func ownReport(at now: Double) -> WatchLine {
        let report = Activity.snapshot
        // Who gets on has not to be excused.
        if report == lastReport { starved.look() }
        lastReport = report
        book.hear(report, from: rank, at: now, starved: starved.seconds)
        return .report(report, signal: Interruption.asked, starved: Int(starved.seconds * 1_000))
    }

    /// Whether a report is due at once.
    func isUrgent() -> Bool {
        lock.withLock {
            defer { isReportUrgent = false }
            return isReportUrgent
        }
    }

    /// When this rank saw a signal that nobody else asks for.
    private var signalSeen: Double?

    /// The end that a signal asked for, once it is clear that it was not the launcher's, on account of a lost rank.
    func interruption(at now: Double) -> Failure? {
        guard let signal = Interruption.asked, lock.withLock({ endsAtSignals }) else { return nil }
        guard let since = signalSeen else {
            signalSeen = now
            return nil
        }
        return now - since < 0.7 ? nil : Interruption.failure(signal, "in '\(Activity.snapshot.words)'; nothing is kept")
    }

    private func mayEnd() -> Bool {
        lock.withLock {
            if speaker == .nobody { speaker = .watch }
            return speaker == .watch
        }
    }

    /// Says why, and ends all ranks with the failure's exit code; comes back where the thread that works is doing that.
    func end(_ failure: Failure) {
        guard mayEnd() else { return }
        Self.say(failure)
        let code = failure.exitCode
        for socket in sockets.values { socket.send(.aborting(code)) }
        UnfinishedFile.removeAll()
        // The launcher ends the others when a process ends with another code than 0.
        if lock.withLock({ isFinalizing }) { _exit(code) }
        // MPI is waiting on another thread, perhaps for the dead; should it not listen, this process ends all the same.
        Thread.detachNewThread {
            sleep(3)
            _exit(code)
        }
        _ = MPI_Abort(handle, code)
        _exit(code)
    }

    /// Another rank has said why and ends the job: nothing is left but to go, should nobody come to end this process.
    func endWithoutWords(_ code: Int32) {
        guard mayEnd() else { return }
        if rank == 0 { for socket in sockets.values { socket.send(.aborting(code)) } }
        UnfinishedFile.removeAll()
        sleep(3)
        _exit(code)
    }
}
