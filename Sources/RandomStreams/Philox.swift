/// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
///
/// The n-th block is a pure function of the key and n, so a stream has no state but its position: two ranks given the same key draw the same numbers,
/// and a run resumed at a step draws what the uninterrupted run would have drawn.
public enum Philox4x32 {
    /// Four random words: a function of key and counter.
    @inline(__always)
    public static func block(key: SIMD2<UInt32>, counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
        var key = key
        var c = counter
        for round in 0..<10 {
            if round > 0 { key = key &+ SIMD2(0x9E37_79B9, 0xBB67_AE85) }
            let a = UInt64(0xD251_1F53) &* UInt64(c.x)
            let b = UInt64(0xCD9E_8D57) &* UInt64(c.z)
            c = SIMD4(
                UInt32(truncatingIfNeeded: b >> 32) ^ c.y ^ key.x, UInt32(truncatingIfNeeded: b),
                UInt32(truncatingIfNeeded: a >> 32) ^ c.w ^ key.y, UInt32(truncatingIfNeeded: a))
        }
        return c
    }
}
