import Diagnostics
import Foundation

/// Prefetches rows on its own thread.
///
/// Requests are answered in their order. At most `depth` answers wait in memory; the thread rests while they are not taken. Requests beyond are
/// announced to the operating system, `window` bytes of the file ahead of reading, so that the disk works meanwhile, in whatever order the file is
/// read; where the system is set up to read far ahead by itself, that is left to it.
/// Where the thread has not come to the oldest request yet, who takes its answer reads it: on a busy processor that is sooner than waking the thread.
/// While no read has to wait, the thread rests, and all are made so: what the system's memory holds need not wait in this program's, and stays in the
/// processor's cache from its reading to its use.
public final class FeaturePrefetcher {
    /// Bytes announced ahead where nothing else is said.
    public static let standardWindow = 16 << 20

    /// Bytes of the file that are announced ahead; 0: nothing is.
    public let window: Int
    private let state: State

    /// - Parameters:
    ///   - store: the store to read.
    ///   - depth: reads that may wait to be taken.
    ///   - window: nil: `standardWindow`, or 0 where the system itself reads far ahead.
    public convenience init(store: FeatureStore, depth: Int, window: Int? = nil) {
        self.init(store: store, depth: depth, window: window) { Waits.ofThisThread }
    }

    /// - Parameter waits: how often the calling thread has had to wait so far; more after a read than before it: the read had to.
    package init(store: FeatureStore, depth: Int, window: Int? = nil, waits: @escaping @Sendable () -> Int) {
        let window = window ?? (store.systemReadsFarAhead ? 0 : Self.standardWindow)
        self.window = window
        state = State(store: store, depth: max(depth, 1), window: window, waits: waits)
        let state = self.state
        let thread = Thread { state.work() }
        thread.name = "feature prefetch"
        thread.start()
    }

    /// Waits for a read that is under way: when this object is gone, so is its use of the store.
    deinit { state.stop() }

    /// Asks for rows of the video at position `video` of the store; returns at once.
    public func request(video: Int, rows: Range<Int>) { state.request(video, rows) }

    /// The answer to the oldest request not yet taken; reads it, or waits while the thread does, when it is not ready.
    /// One thread at a time may call it.
    ///
    /// - Throws: what reading these rows threw; `Failure.failed` when nothing was requested. Later requests are not affected.
    public func next() throws -> FeatureRows { try state.next() }

    /// Seconds that `next()` has waited for rows or read them itself, all calls together.
    public var waitedSeconds: Double { state.waitedSeconds }

    /// Whether more requests would let the disk work further ahead.
    public var wantsRequests: Bool { state.queuedBytes < window }

    /// Bytes of the file that were announced and not read yet.
    package var announcedBytes: Int { state.announcedBytes }

    /// Answers that wait in memory.
    package var readyCount: Int { state.readyCount }

    private final class State: @unchecked Sendable {
        private let path: String
        private let bytesPerRow: Int
        /// Let go by the thread at its end.
        private var store: FeatureStore?
        private let depth: Int
        private let window: Int
        private let memory: RowMemory
        private let waits: @Sendable () -> Int
        private let condition = NSCondition()
        private var requests: [(video: Int, rows: Range<Int>)] = []
        /// So many requests, from the first, were announced.
        private var announced = 0
        /// In the file, of all requests and of those announced.
        private var bytes = (queued: 0, announced: 0)
        private var answers: [Result<FeatureRows, any Error>] = []
        private var outstanding = 0
        /// The thread is reading the first request after those answered.
        private var isReading = false
        /// So many reads, the last ones, did not wait for the disk.
        private var readsWithoutWaiting = 0
        private var isStopped = false
        private var isEnded = false
        private var waited = 0.0

        init(store: FeatureStore, depth: Int, window: Int, waits: @escaping @Sendable () -> Int) {
            self.waits = waits
            self.store = store
            path = store.path
            bytesPerRow = store.storedBytes(rows: 1)
            self.depth = depth
            self.window = window
            // Those that wait, the one being read, and one that the caller holds.
            memory = RowMemory(bytes: store.longestStoredBytes, most: depth + 2)
        }

        var waitedSeconds: Double { condition.withLock { waited } }

        var readyCount: Int { condition.withLock { answers.count } }

        var queuedBytes: Int { condition.withLock { bytes.queued } }

        var announcedBytes: Int { condition.withLock { bytes.announced } }

        func request(_ video: Int, _ rows: Range<Int>) {
            condition.withLock {
                requests.append((video, rows))
                bytes.queued += rows.count * bytesPerRow
                outstanding += 1
                wakeThread()
            }
        }

        func stop() {
            condition.withLock {
                isStopped = true
                condition.broadcast()
                while !isEnded { condition.wait() }
            }
        }

        func next() throws -> FeatureRows {
            condition.lock()
            defer { condition.unlock() }
            guard outstanding > 0 else {
                throw Failure.failed("no rows were requested", at: .file(path), advice: "report this as a fault of the program")
            }
            if answers.isEmpty {
                let start = DispatchTime.now().uptimeNanoseconds
                Activity.during(.readingFeatures) { waitOrRead() }
                waited += Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
            }
            outstanding -= 1
            let answer = answers.removeFirst()
            // The thread is woken for some reads together.
            if 2 * answers.count <= depth { wakeThread() }
            return try answer.get()
        }

        /// Leaves at least one answer. Called, and returns, with the lock held.
        private func waitOrRead() {
            while answers.isEmpty {
                guard !isReading, let store, let task = announcementsDue() ?? readDue() else {
                    condition.wait()
                    continue
                }
                condition.unlock()
                let answer = perform(task, store)
                condition.lock()
                // Those that the thread has read meanwhile are younger.
                if let answer { answers.insert(answer, at: 0) }
            }
        }

        func work() {
            if let store { serve(store) }
            // The last reference to the store must not go after `stop`, when the program may be ending.
            condition.withLock {
                store = nil
                isEnded = true
                condition.broadcast()
            }
        }

        private func serve(_ store: FeatureStore) {
            while let task = nextTask() {
                let answer = perform(task, store)
                guard let answer else { continue }
                condition.withLock {
                    isReading = false
                    answers.append(answer)
                    condition.broadcast()
                }
            }
        }

        private enum Task {
            case announce([(video: Int, rows: Range<Int>)], after: (video: Int, rows: Range<Int>)?)
            case read(video: Int, rows: Range<Int>)
        }

        private func perform(_ task: Task, _ store: FeatureStore) -> Result<FeatureRows, any Error>? {
            switch task {
            case .announce(let reads, let before):
                store.announce(reads, after: before)
                return nil
            case .read(let video, let rows):
                let before = waits(), began = DispatchTime.now().uptimeNanoseconds
                let answer = Result { try store.read(rows, ofVideo: video, into: memory) }
                // Some systems do not count; a read as slow as a disk's has waited in any case: 5 ms, and 0.5 GB/s.
                let isSlow = DispatchTime.now().uptimeNanoseconds - began > 5_000_000 + 2 * UInt64(rows.count * bytesPerRow)
                let hasWaited = waits() > before || isSlow
                condition.withLock { readsWithoutWaiting = hasWaited ? 0 : readsWithoutWaiting + 1 }
                return answer
            }
        }

        private func nextTask() -> Task? {
            condition.withLock {
                while !isStopped {
                    if let task = announcementsDue() { return task }
                    if shouldReadAhead, let task = readDue() {
                        isReading = true
                        return task
                    }
                    condition.wait()
                }
                return nil
            }
        }

        private func wakeThread() {
            if shouldReadAhead || shouldAnnounce { condition.broadcast() }
        }

        private var shouldReadAhead: Bool { !requests.isEmpty && answers.count < depth && readsWithoutWaiting < depth }

        /// Half a window at a time: neighbours in the file can be announced as one.
        private var shouldAnnounce: Bool { announced < requests.count && 2 * bytes.announced < window }

        private func announcementsDue() -> Task? { shouldAnnounce ? takeAnnouncements() : nil }

        private func takeAnnouncements() -> Task {
            let first = announced
            repeat {
                bytes.announced += requests[announced].rows.count * bytesPerRow
                announced += 1
            } while announced < requests.count && bytes.announced < window
            return .announce(Array(requests[first..<announced]), after: first > 0 ? requests[first - 1] : nil)
        }

        private func readDue() -> Task? {
            if requests.isEmpty { return nil }
            let request = requests.removeFirst(), size = request.rows.count * bytesPerRow
            bytes.queued -= size
            if announced > 0 {
                announced -= 1
                bytes.announced -= size
            }
            return .read(video: request.video, rows: request.rows)
        }
    }
}

private enum Waits {
    /// How often this thread has given up the processor because it had to wait; being made to give it up does not count.
    static var ofThisThread: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(1), &usage)  // RUSAGE_THREAD of Linux, which Swift does not see.
        return usage.ru_nvcsw
    }
}
