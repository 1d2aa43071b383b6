import Dispatch

/// How the kernels of this process share their rows out. The split is a function of the row count and the thread count alone, so results are too.
public enum Threads {
    /// Threads per process, the calling one among them. Set once at start.
    nonisolated(unsafe) public static var count = 1

    /// Calls `body` with disjoint ranges that cover 0..<total, one per thread; small work (`total < 2 * grain`) stays on the calling thread.
    @inline(__always)
    public static func overRanges(_ total: Int, grain: Int = 64, _ body: (Range<Int>) -> Void) {
        let parts = min(count, total / max(grain, 1))
        if parts <= 1 {
            if total > 0 { body(0..<total) }
            return
        }
        DispatchQueue.concurrentPerform(iterations: parts) { part in
            body(total * part / parts..<total * (part + 1) / parts)
        }
    }
}
