import CProcessor
import Dispatch
import Glibc
import Synchronization

/// The threads that kernels divide their rows among.
///
/// A step has hundreds of kernels, many of them no longer than the time to wake a sleeping thread (50 us and more). So an idle thread spins for a
/// while before it sleeps.
package final class ThreadTeam: @unchecked Sendable {
    package static let shared = ThreadTeam()

    private let isTaken = Atomic<Bool>(false)
    private var workers: [Worker] = []
    /// Workers that are not done with their parts yet.
    private let working = Atomic<Int>(0)
    private let end = Waiting()

    // What is to be done: written before workers begin, read until they are done.
    private var parts = 0
    /// Threads that take part, the calling one as number 0.
    private var members = 1
    private var body: UnsafePointer<(Int) -> Void>?

    private init() {}

    /// Calls `body` once for each of 0..<parts, on the calling thread and at most `most - 1` others at once; returns when all are done.
    ///
    /// Where the team is at work already, for another thread or for the part that calls this, the system's threads do it.
    package func perform(_ parts: Int, threads most: Int, _ body: (_ part: Int) -> Void) {
        guard isTaken.compareExchange(expected: false, desired: true, ordering: .sequentiallyConsistent).exchanged else {
            return Threads.onSystemThreads(parts, body)
        }
        defer { isTaken.store(false, ordering: .sequentiallyConsistent) }
        addWorkers(upTo: most - 1)
        members = max(1, min(parts, most, workers.count + 1))
        self.parts = parts
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { body in
                self.body = body
                working.store(members - 1, ordering: .sequentiallyConsistent)
                for number in 1..<members { workers[number - 1].begin() }
                work(as: 0)
                end.wait { working.load(ordering: .sequentiallyConsistent) == 0 }
            }
        }
    }

    /// Holds nothing of `body` when it returns.
    @inline(never)
    private func work(as member: Int) {
        guard let body else { return }
        for part in stride(from: member, to: parts, by: members) { body.pointee(part) }
    }

    /// As many as the system grants.
    private func addWorkers(upTo count: Int) {
        while workers.count < count {
            let worker = Worker(number: workers.count + 1), start = Unmanaged.passRetained(worker)
            // Signals are the main thread's, but for those of a fault of this one.
            var others = sigset_t(), before = sigset_t()
            sigfillset(&others)
            for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS] { sigdelset(&others, fault) }
            pthread_sigmask(SIG_BLOCK, &others, &before)
            defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
            var thread = pthread_t()
            let status = pthread_create(&thread, nil, { ThreadTeam.serve($0) }, start.toOpaque())
            guard status == 0 else { return start.release() }
            pthread_detach(thread)
            workers.append(worker)
        }
    }

    private static func serve(_ start: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let start else { return nil }
        let worker = Unmanaged<Worker>.fromOpaque(start).takeRetainedValue(), team = shared
        while true {
            worker.waitForWork()
            team.work(as: worker.number)
            if team.working.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 { team.end.wake() }
        }
    }

    private final class Worker {
        let number: Int
        private let begun = Atomic<Int>(0)
        private var done = 0
        private let waiting = Waiting()

        init(number: Int) { self.number = number }

        func begin() {
            begun.add(1, ordering: .sequentiallyConsistent)
            waiting.wake()
        }

        func waitForWork() {
            waiting.wait { begun.load(ordering: .sequentiallyConsistent) != done }
            done += 1
        }
    }
}

/// One thread's waiting for what others do: it looks, then it sleeps.
///
/// Where more threads run than there are cores, such as with two runs on one machine, the thread waited for may stand still until this one sleeps. So
/// a thread that has looked in vain looks half as long next time, and a little longer after each time that was not in vain.
private final class Waiting {
    /// Half a millisecond here; up to one where the processor pauses longer. Measured: a tenth of it costs 3 % of a step, five times as much gains
    /// nothing.
    private static let mostLooks = 20_000
    /// However often it has looked in vain: some microseconds, less than sleeping takes.
    private static let leastLooks = 200

    private let isAsleep = Atomic<Bool>(false)
    private let semaphore = DispatchSemaphore(value: 0)
    /// Used by the waiting thread alone.
    private var looks = mostLooks

    func wait(until isDone: () -> Bool) {
        for _ in 0..<looks {
            if isDone() {
                looks = min(Self.mostLooks, looks + Self.mostLooks / 64)
                return
            }
            kairos_processor_pause()
        }
        looks = max(Self.leastLooks, looks / 2)
        while !isDone() {
            isAsleep.store(true, ordering: .sequentiallyConsistent)
            // Done meanwhile: either nobody has seen this thread asleep, or there is a signal to be taken.
            if isDone(), isAsleep.exchange(false, ordering: .sequentiallyConsistent) { return }
            semaphore.wait()
        }
    }

    /// To be called after what was waited for is done.
    func wake() {
        if isAsleep.load(ordering: .sequentiallyConsistent), isAsleep.exchange(false, ordering: .sequentiallyConsistent) { semaphore.signal() }
    }
}
