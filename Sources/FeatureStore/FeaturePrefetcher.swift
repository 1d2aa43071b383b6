import Diagnostics
import Foundation

/// Reads rows ahead on a thread of its own, so that training finds them ready.
///
/// Requests are answered in their order. At most `depth` answers wait in memory; the thread rests while they are not taken.
public final class FeaturePrefetcher {
    private let state: State

    public init(store: FeatureStore, depth: Int) {
        state = State(store: store, depth: max(depth, 1))
        let state = self.state
        let thread = Thread { state.work() }
        thread.name = "feature prefetch"
        thread.start()
    }

    /// Waits for a read that is under way: when this object is gone, so is its use of the store.
    deinit { state.stop() }

    /// Asks for rows of the video at position `video` of the store; returns at once.
    public func request(video: Int, rows: Range<Int>) { state.request(video, rows) }

    /// The answer to the oldest request not yet taken; waits for it when it is not ready.
    ///
    /// - Throws: what reading these rows threw; `Failure.failed` when nothing was requested. Later requests are not affected.
    public func next() throws -> FeatureRows { try state.next() }

    /// Seconds that `next()` has waited for rows, all calls together.
    public var waitedSeconds: Double { state.waitedSeconds }

    /// Answers that wait in memory.
    package var readyCount: Int { state.readyCount }

    private final class State: @unchecked Sendable {
        private let path: String
        /// Let go by the thread at its end.
        private var store: FeatureStore?
        private let depth: Int
        private let condition = NSCondition()
        private var requests: [(video: Int, rows: Range<Int>)] = []
        private var answers: [Result<FeatureRows, any Error>] = []
        private var outstanding = 0
        private var isStopped = false
        private var isEnded = false
        private var waited = 0.0

        init(store: FeatureStore, depth: Int) {
            self.store = store
            path = store.path
            self.depth = depth
        }

        var waitedSeconds: Double { condition.withLock { waited } }

        var readyCount: Int { condition.withLock { answers.count } }

        func request(_ video: Int, _ rows: Range<Int>) {
            condition.withLock {
                requests.append((video, rows))
                outstanding += 1
                condition.broadcast()
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
                Activity.during(.readingFeatures) {
                    while answers.isEmpty { condition.wait() }
                }
                waited += Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
            }
            outstanding -= 1
            let answer = answers.removeFirst()
            condition.broadcast()
            return try answer.get()
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
            while let request = nextRequest() {
                let answer = Result { () throws -> FeatureRows in
                    let rows = FeatureRows(video: request.video, rows: request.rows, columns: store.dimension)
                    try store.readRows(request.rows, ofVideo: request.video, into: rows.values)
                    return rows
                }
                condition.withLock {
                    answers.append(answer)
                    condition.broadcast()
                }
            }
        }

        private func nextRequest() -> (video: Int, rows: Range<Int>)? {
            condition.withLock {
                while !isStopped, requests.isEmpty || answers.count >= depth { condition.wait() }
                if isStopped { return nil }
                return requests.removeFirst()
            }
        }
    }
}
