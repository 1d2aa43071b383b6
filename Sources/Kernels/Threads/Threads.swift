import Diagnostics
import Dispatch

/// How the kernels of this process divide their rows. The split is a function of the row count and the thread count alone, so results are too.
public enum Threads {
    /// Calls `body` with disjoint ranges that cover 0..<total, one per thread; small work (`total < 2 * grain`) stays on the calling thread.
    @inline(__always)
    public static func overRanges(_ total: Int, grain: Int = 64, _ body: (Range<Int>) -> Void) {
        let parts = min(ComputeContext.current.threads, total / max(grain, 1))
        if parts <= 1 {
            if total > 0 { body(0..<total) }
            return
        }
        perform(parts) { part in
            body(total * part / parts..<total * (part + 1) / parts)
        }
    }

    /// The sum of `body(range)` over pieces of `block` of 0..<total, the last one shorter: the same for any number of threads.
    @inline(__always)
    static func sum(_ total: Int, block: Int, _ body: (Range<Int>) -> Double) -> Double {
        let blocks = (total + block - 1) / block
        var partials = [Double](repeating: 0, count: blocks)
        partials.withUnsafeMutableBufferPointer { partials in
            let partials = partials.baseAddress
            overRanges(blocks, grain: 1) { range in
                for b in range { partials![b] = body(b * block..<min(total, (b + 1) * block)) }
            }
        }
        return partials.reduce(0, +)
    }

    /// Calls `body` once for each of 0..<parts, on several threads.
    private static func perform(_ parts: Int, _ body: (_ part: Int) -> Void) {
        let context = ComputeContext.current
        if context.threadsHaveOwnCores {
            ThreadTeam.shared.perform(parts, threads: context.threads, body)
        } else {
            onSystemThreads(parts, body)
        }
    }

    /// The same on Dispatch's threads, which sleep between kernels.
    static func onSystemThreads(_ parts: Int, _ body: (_ part: Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            // Safe: parts write memory of their own; kernels see to that.
            nonisolated(unsafe) let body = body
            DispatchQueue.concurrentPerform(iterations: parts) { body($0) }
        }
    }

    /// Cuts 0..<total into pieces of `each` rows, the last one shorter, and calls `body(rows, worker)` for each. The pieces do not depend on the
    /// thread count; neighbouring ones belong to the same worker (0..<threads).
    @inline(__always)
    static func overPieces(ofRows total: Int, each: Int, isParallel: Bool, _ body: (_ rows: Range<Int>, _ worker: Int) -> Void) {
        overPieces((total + each - 1) / each, isParallel: isParallel) { piece, worker in
            body(piece * each..<min(total, (piece + 1) * each), worker)
        }
    }

    /// Calls `body(piece, worker)` for pieces 0..<pieces, which do not depend on the thread count.
    @inline(__always)
    static func overPieces(_ pieces: Int, isParallel: Bool, _ body: (_ piece: Int, _ worker: Int) -> Void) {
        let parts = isParallel ? min(ComputeContext.current.threads, pieces) : 1
        if parts <= 1 {
            for piece in 0..<pieces { body(piece, 0) }
            return
        }
        perform(parts) { part in
            for piece in pieces * part / parts..<pieces * (part + 1) / parts { body(piece, part) }
        }
    }

    /// Calls `body(piece, worker)` for pieces that take different times: every worker gets neighbouring ones of about equal weight together.
    @inline(__always)
    static func overPieces(weights: [Int], isParallel: Bool, _ body: (_ piece: Int, _ worker: Int) -> Void) {
        let parts = isParallel ? min(ComputeContext.current.threads, weights.count) : 1
        if parts <= 1 {
            for piece in weights.indices { body(piece, 0) }
            return
        }
        // A piece belongs to the worker in whose share of the total its middle lies.
        let total = weights.reduce(0, +)
        var begins = [Int](repeating: weights.count, count: parts + 1), before = 0
        begins[0] = 0
        for (piece, weight) in weights.enumerated() {
            let worker = min(parts - 1, (2 * before + weight) * parts / max(1, 2 * total))
            for own in 0...worker where begins[own] > piece { begins[own] = piece }
            before += weight
        }
        perform(parts) { part in
            for piece in begins[part]..<begins[part + 1] { body(piece, part) }
        }
    }

    /// Like `overRanges`, with at most `parts` ranges that begin at multiples of `block`.
    @inline(__always)
    static func overBlocks(_ total: Int, block: Int, parts: Int, _ body: (Range<Int>) -> Void) {
        let blocks = (total + block - 1) / block
        let parts = min(parts, blocks)
        if parts <= 1 {
            if total > 0 { body(0..<total) }
            return
        }
        perform(parts) { part in
            body(min(total, blocks * part / parts * block)..<min(total, blocks * (part + 1) / parts * block))
        }
    }

    /// Sums over rows in parts whose number depends on the rows alone, divided among threads: `body(rows, partial)` adds to its own zeroed array of
    /// `count` floats, and the arrays are added in order. The sum has the same bits for every thread count.
    static func summing(
        rows total: Int, into result: UnsafeMutablePointer<Float>, count: Int, add: Bool,
        _ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let parts = max(1, min(mostParts, total / 64))
        let scratch = CheckedMemory.allocateOrEnd(Float.self, count: parts * count, for: "the parts of a sum over rows")
        defer { scratch.deallocate() }
        scratch.update(repeating: 0, count: parts * count)
        overRanges(parts, grain: 1) { own in
            for part in own { body(total * part / parts..<total * (part + 1) / parts, scratch + part * count) }
        }
        for part in 0..<parts {
            let partial = scratch + part * count
            if part == 0 && !add {
                result.update(from: partial, count: count)
            } else {
                for i in 0..<count { result[i] += partial[i] }
            }
        }
    }

    /// Parts of a sum; more threads than this do not help it.
    private static let mostParts = 16

    /// Rows divided among threads, each with the ends of its sequence.
    @inline(__always)
    static func overSequenceRows(_ offsets: [Int], grain: Int = 64, _ body: (_ row: Int, _ begin: Int, _ end: Int) -> Void) {
        offsets.withUnsafeBufferPointer { offsets in
            overRanges(offsets[offsets.count - 1], grain: grain) { rows in
                var sequence = 0
                for row in rows {
                    while offsets[sequence + 1] <= row { sequence += 1 }
                    body(row, offsets[sequence], offsets[sequence + 1])
                }
            }
        }
    }
}
