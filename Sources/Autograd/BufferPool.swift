import Diagnostics

/// A pool of float buffers that are reused: after the first steps no memory is requested from the system.
///
/// The pool is a heap: buffers are allocated from a few large slabs, first fit from the oldest slab on, and neighbouring free blocks are merged.
/// Videos of different lengths therefore share the same memory, and the memory held stays near the need of the longest batch. Used from the thread
/// that owns the tape.
public final class BufferPool {
    /// The pool of all tensors.
    public static var shared: BufferPool { TapeContext.current.pool }

    /// A piece of a slab, in use or free; linked to its neighbours.
    private final class Block {
        let start: UnsafeMutablePointer<Float>
        var count: Int
        let slab: Int
        var isFree = true
        unowned(unsafe) var previous: Block?
        var next: Block?
        init(_ start: UnsafeMutablePointer<Float>, _ count: Int, slab: Int) {
            self.start = start
            self.count = count
            self.slab = slab
        }
    }

    private var slabs: [Block] = []
    /// Free blocks, by slab and address.
    private var free: [Block] = []
    private var used: [UnsafeMutablePointer<Float>: Block] = [:]
    /// Bytes of all slabs; the system backs them when they are first touched.
    public private(set) var heldBytes = 0
    /// Bytes of the buffers that are given out now.
    public private(set) var usedBytes = 0
    /// The most bytes that were in use at once; may be set back to `usedBytes`.
    public private(set) var peakBytes = 0
    /// Buffers that were given out so far.
    public private(set) var takenBuffers = 0
    /// Sets `peakBytes` back to what is in use.
    public func resetPeak() { peakBytes = usedBytes }

    /// Floats of the first slab; each further one is as large as all before it.
    private static let firstSlab = 1 << 20
    /// Floats of a cache line: all blocks begin on one.
    static let line = 16

    /// Holds no memory until the first buffer is taken.
    public init() {}

    deinit {
        for slab in slabs { slab.start.deallocate() }
    }

    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        if Rehearsal.isRunning { return Rehearsal.take(count) }
        takenBuffers += 1
        let count = max(Self.line, (count + Self.line - 1) / Self.line * Self.line)
        let index = free.firstIndex { $0.count >= count } ?? addSlab(atLeast: count)
        let block = free[index]
        if block.count > count {
            let rest = Block(block.start + count, block.count - count, slab: block.slab)
            rest.next = block.next
            rest.next?.previous = rest
            rest.previous = block
            block.next = rest
            block.count = count
            free[index] = rest
        } else {
            free.remove(at: index)
        }
        block.isFree = false
        used[block.start] = block
        usedBytes += count * 4
        peakBytes = max(peakBytes, usedBytes)
        return block.start
    }

    func giveBack(_ pointer: UnsafeMutablePointer<Float>) {
        if Rehearsal.isRunning { return Rehearsal.giveBack(pointer) }
        guard var block = used.removeValue(forKey: pointer) else { preconditionFailure("a buffer was handed back twice") }
        usedBytes -= block.count * 4
        if let next = block.next, next.isFree {
            free.remove(at: position(of: next))
            absorb(next, into: block)
        }
        if let previous = block.previous, previous.isFree {
            absorb(block, into: previous)
            block = previous
        } else {
            block.isFree = true
            free.insert(block, at: position(of: block))
        }
    }

    /// Returns slabs of which nothing is in use to the system.
    public func releaseFree() {
        for block in free where block.previous == nil && block.next == nil {
            heldBytes -= block.count * 4
            block.start.deallocate()
            slabs.removeAll { $0 === block }
        }
        free.removeAll { $0.previous == nil && $0.next == nil }
    }

    private func absorb(_ next: Block, into block: Block) {
        block.count += next.count
        block.next = next.next
        block.next?.previous = block
    }

    /// Where the block stands, or is to stand, in `free`.
    private func position(of block: Block) -> Int {
        var low = 0, high = free.count
        while low < high {
            let middle = (low + high) / 2
            if (free[middle].slab, free[middle].start) < (block.slab, block.start) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func addSlab(atLeast count: Int) -> Int {
        // A larger slab serves later buffers too; where the system has it not, the buffer alone is asked for.
        var size = max(count, Self.firstSlab, heldBytes / 4)
        let start: UnsafeMutablePointer<Float>
        if let slab = try? CheckedMemory.allocate(Float.self, count: size, for: "") {
            start = slab
        } else {
            size = count
            start = CheckedMemory.allocateOrEnd(
                Float.self, count: size, for: "activations of \(CheckedMemory.text(bytes: 4 * count)) beside \(CheckedMemory.text(bytes: heldBytes))")
        }
        let block = Block(start, size, slab: (slabs.last?.slab ?? -1) + 1)
        slabs.append(block)
        heldBytes += size * 4
        free.append(block)
        return free.count - 1
    }
}
