/// A 64-bit digest of arrays' bits, to detect differences between ranks; fast (a multiplication per eight bytes), not cryptographic.
public struct ArrayDigest: Sendable {
    /// Four sums side by side, so that multiplications need not wait for each other.
    private var lanes: (UInt64, UInt64, UInt64, UInt64) = (0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344, 0xA409_3822_299F_31D0, 0x082E_FA98_EC4E_6C89)

    /// The digest of no arrays.
    public init() {}

    /// Adds an array: its length and its bits.
    public mutating func add(_ values: UnsafeBufferPointer<Float>) {
        add(UInt64(values.count))
        let bytes = UnsafeRawBufferPointer(values)
        guard let base = bytes.baseAddress else { return }
        var (a, b, c, d) = lanes
        var place = 0
        while place + 32 <= bytes.count {
            a = Self.mixed(a, base.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            b = Self.mixed(b, base.loadUnaligned(fromByteOffset: place + 8, as: UInt64.self))
            c = Self.mixed(c, base.loadUnaligned(fromByteOffset: place + 16, as: UInt64.self))
            d = Self.mixed(d, base.loadUnaligned(fromByteOffset: place + 24, as: UInt64.self))
            place += 32
        }
        lanes = (a, b, c, d)
        while place < bytes.count {
            add(UInt64(base.loadUnaligned(fromByteOffset: place, as: UInt32.self)))
            place += 4
        }
    }

    /// Adds the bits of a number.
    public mutating func add(_ value: Double) { add(value.bitPattern) }

    /// Adds a word.
    public mutating func add(_ word: UInt64) { lanes.0 = Self.mixed(lanes.0, word) }

    /// Mixed one after another, so that equal changes in two of the sums do not look alike.
    public var value: UInt64 {
        [lanes.0, lanes.1, lanes.2, lanes.3].reduce(0) { Self.mixed($0, $1) }
    }

    /// Odd factors lose nothing of a difference; the shift brings what they carry upwards back down, and makes several bits of one.
    @inline(__always)
    private static func mixed(_ sum: UInt64, _ word: UInt64) -> UInt64 {
        let product = (sum ^ word) &* 0x9E37_79B9_7F4A_7C15
        return product ^ product >> 29
    }
}
