/// Float buffers that are handed back and given out again, so that after the first steps nothing is allocated from the system.
///
/// Sizes are rounded up to an eighth of a power of two: videos of nearly equal length share buffers. Used from the thread that owns the tape.
public final class BufferPool {
    nonisolated(unsafe) public static let shared = BufferPool()

    private var free: [Int: [UnsafeMutablePointer<Float>]] = [:]
    /// Bytes now held, in use or free, and the most ever held.
    public private(set) var heldBytes = 0
    public private(set) var peakBytes = 0

    public init() {}

    static func capacity(for count: Int) -> Int {
        guard count > 64 else { return 64 }
        let bits = Int.bitWidth - (count - 1).leadingZeroBitCount
        let step = max(16, 1 << max(0, bits - 4))
        return (count + step - 1) / step * step
    }

    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        let capacity = Self.capacity(for: count)
        if let pointer = free[capacity]?.popLast() { return pointer }
        heldBytes += capacity * 4
        peakBytes = max(peakBytes, heldBytes)
        let raw = UnsafeMutableRawPointer.allocate(byteCount: capacity * 4, alignment: 64)
        return raw.bindMemory(to: Float.self, capacity: capacity)
    }

    func giveBack(_ pointer: UnsafeMutablePointer<Float>, _ count: Int) {
        free[Self.capacity(for: count), default: []].append(pointer)
    }

    /// Returns all free buffers to the system.
    public func releaseFree() {
        for (capacity, pointers) in free {
            for pointer in pointers {
                UnsafeMutableRawPointer(pointer).deallocate()
                heldBytes -= capacity * 4
            }
        }
        free = [:]
    }
}
