/// Conversion between IEEE half and single precision by integer operations, which the compiler vectorises: the processor this is built for may lack
/// the instructions, and results are the same where it has them.
package enum HalfPrecision {
    /// The largest magnitude that half precision holds.
    package static let largest: Float = 65504

    /// Widens halves; exact, subnormals included; infinities and NaN stay what they are.
    package static func widen(_ source: UnsafePointer<UInt16>, into target: UnsafeMutablePointer<Float>, count: Int) {
        let scale = Float(bitPattern: 0x7780_0000)  // 2^112: half's exponent bias to single's
        for index in 0..<count {
            let half = UInt32(source[index])
            let magnitude = Float(bitPattern: (half & 0x7fff) << 13) * scale
            let exponent: UInt32 = half & 0x7c00 == 0x7c00 ? 0x7f80_0000 : 0
            target[index] = Float(bitPattern: magnitude.bitPattern | exponent | (half & 0x8000) << 16)
        }
    }

    /// Narrows with rounding to nearest, ties to even. Values must be finite and round to at most `largest`.
    package static func narrow(_ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<UInt16>, count: Int) {
        for index in 0..<count {
            let bits = source[index].bitPattern
            let sign = UInt16(truncatingIfNeeded: (bits & 0x8000_0000) >> 16)
            let magnitude = bits & 0x7fff_ffff
            // A number below half's smallest normal (2^-14) is rounded by the addition of 0.5, whose last mantissa bit is worth 2^-24.
            let small = (Float(bitPattern: magnitude) + 0.5).bitPattern &- 0x3f00_0000
            let odd = (magnitude >> 13) & 1
            let normal = (magnitude &- 0x3800_0000 &+ 0xfff &+ odd) >> 13
            target[index] = UInt16(truncatingIfNeeded: magnitude < 0x3880_0000 ? small : normal) | sign
        }
    }
}
