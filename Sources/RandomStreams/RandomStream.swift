/// A named, counter-based stream of random numbers.
///
/// A stream is addressed, not passed along: `RandomStream(seed: 7, "drop path", shard, step)` gives the same numbers wherever and whenever it is
/// made, and different addresses give independent numbers.
public struct RandomStream: RandomNumberGenerator, Sendable {
    private let key: SIMD2<UInt32>
    private let high: UInt64
    private var index: UInt64 = 0
    private var block = SIMD4<UInt32>()

    /// - Parameters:
    ///   - seed: the run's seed.
    ///   - purpose: what the numbers are for.
    ///   - path: where in the run: virtual shard, epoch, step, ...
    public init(seed: UInt64, _ purpose: String, _ path: Int...) {
        self.init(seed: seed, purpose, path: path)
    }

    /// The same stream as from the variadic initialiser, of a path that is put together at run time.
    public init(seed: UInt64, _ purpose: String, path: [Int]) {
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in purpose.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        for number in path { hash = Self.mix(hash &+ 0x9E37_79B9_7F4A_7C15 &+ UInt64(bitPattern: Int64(number))) }
        high = Self.mix(hash)
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// 32 random bits.
    public mutating func nextBits() -> UInt32 {
        let lane = Int(index & 3)
        if lane == 0 {
            let position = index >> 2
            block = Philox4x32.block(
                key: key,
                counter: SIMD4(
                    UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32), UInt32(truncatingIfNeeded: high),
                    UInt32(truncatingIfNeeded: high >> 32)))
        }
        index &+= 1
        return block[lane]
    }

    /// 64 bits: two draws of 32, the first one lowest.
    public mutating func next() -> UInt64 {
        let low = UInt64(nextBits())
        return low | UInt64(nextBits()) << 32
    }

    /// Uniform in [0, 1), 24 bits.
    public mutating func uniform() -> Float { Float(nextBits() >> 8) * 0x1p-24 }

    /// Uniform in [low, high).
    public mutating func uniform(_ low: Float, _ high: Float) -> Float { low + (high - low) * uniform() }

    /// Standard normal, by Box and Muller.
    public mutating func normal() -> Float {
        let radius = Self.squareRootOfLogarithm(1 - Double(uniform()))
        return Float(radius * Self.cosineOfTurns(Double(uniform())))
    }

    /// A uniform permutation of 0..<count (Fisher and Yates). Does not depend on the standard library's shuffle, whose order may change.
    public mutating func permutation(_ count: Int) -> [Int] {
        var order = Array(0..<count)
        for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, Int(uniformIndex(below: i + 1))) }
        return order
    }

    /// Uniform in 0..<bound, without modulo bias to 2^-32 of the bound.
    public mutating func uniformIndex(below bound: Int) -> Int {
        Int((UInt64(nextBits()) &* UInt64(bound)) >> 32)
    }
}
