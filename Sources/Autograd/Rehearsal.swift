/// A pass over shapes only: operations account for their buffers and compute nothing, so that the memory of a step is known before it is allocated.
/// The same code that runs later decides which buffers are allocated and released, and when.
///
/// Every operation of a `Tape` skips its kernel while a rehearsal runs; any other code that reads or writes values must do so too. Used from the
/// thread that owns the tape.
public enum Rehearsal {
    /// Whether operations are to leave their kernels out.
    public static var isRunning: Bool { TapeContext.current.isRehearsing }

    /// Stands for memory that is neither read nor written. Not nil, and on a cache line.
    static var nowhere: UnsafeMutablePointer<Float> { UnsafeMutablePointer(bitPattern: 64)! }

    /// The most bytes that the buffers taken in `body` hold at once, as the `BufferPool` would count them. Tensors made in `body` must end in it.
    ///
    /// - Throws: whatever `body` throws.
    public static func peakBytes(_ body: () throws -> Void) rethrows -> Int {
        precondition(!isRunning, "a rehearsal within a rehearsal")
        let context = TapeContext.current
        context.isRehearsing = true
        context.paper = Paper()
        defer {
            context.isRehearsing = false
            context.paper = Paper()
        }
        // Weights rounded on paper must not be taken for rounded ones.
        PreparedWeights.forget()
        defer { PreparedWeights.forget() }
        try body()
        // Sizes beyond 64 bits stay what they are: more than any machine has.
        return Int(min(context.paper.peak, 0x1p62))
    }

    static func take(_ count: Int) -> UnsafeMutablePointer<Float> { TapeContext.current.paper.take(count) }
    static func giveBack(_ pointer: UnsafeMutablePointer<Float>) { TapeContext.current.paper.giveBack(pointer) }

    struct Paper {
        private var sizes: [UnsafeMutablePointer<Float>: Double] = [:]
        private var next = 128
        private var used = 0.0
        private(set) var peak = 0.0

        mutating func take(_ count: Int) -> UnsafeMutablePointer<Float> {
            let pointer = UnsafeMutablePointer<Float>(bitPattern: next)!
            next += 64
            let bytes = 4 * Double(max(BufferPool.line, count))
            sizes[pointer] = bytes
            used += bytes
            peak = max(peak, used)
            return pointer
        }

        mutating func giveBack(_ pointer: UnsafeMutablePointer<Float>) { used -= sizes.removeValue(forKey: pointer) ?? 0 }
    }
}

/// Runs kernels, or whatever reads and writes values; nothing in a rehearsal.
@inline(__always)
func computing(_ body: () -> Void) {
    if !Rehearsal.isRunning { body() }
}
