import Kernels

/// The nearest number that bfloat16 holds (8 bits of exponent, 7 of fraction), ties to even.
@inline(__always)
func roundedToBFloat16(_ value: Float) -> Float {
    let bits = value.bitPattern
    let rounded = (bits &+ 0x7FFF &+ ((bits &>> 16) & 1)) & 0xFFFF_0000
    // Rounding would carry a not-a-number into infinity.
    return Float(bitPattern: value == value ? rounded : (bits & 0xFFFF_0000) | 0x40_0000)
}

/// Rounds numbers in place.
func roundToBFloat16(_ values: UnsafeMutablePointer<Float>, count: Int) {
    overLines(count) { range in
        for i in range { values[i] = roundedToBFloat16(values[i]) }
    }
}

/// Packs numbers that are exact in bfloat16, for sending.
func pack(_ values: UnsafePointer<Float>, count: Int, into target: UnsafeMutablePointer<UInt16>) {
    overLines(count) { range in
        for i in range { target[i] = UInt16(truncatingIfNeeded: values[i].bitPattern &>> 16) }
    }
}

func unpack(_ values: UnsafePointer<UInt16>, count: Int, into target: UnsafeMutablePointer<Float>) {
    overLines(count) { range in
        for i in range { target[i] = Float(bitPattern: UInt32(values[i]) &<< 16) }
    }
}

private func overLines(_ count: Int, _ body: (Range<Int>) -> Void) {
    let began = KernelCounter.begin()
    defer { KernelCounter.end(began, .reduction, operations: count, bytes: 6 * count) }
    let line = GradientBuckets.line
    Threads.overRanges((count + line - 1) / line, grain: 4_096) { lines in body(lines.lowerBound * line..<min(count, lines.upperBound * line)) }
}

/// target[i] += source[i], on this process's threads; the sum is rounded to bfloat16 when asked for.
func add(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int, rounds: Bool = false) {
    let began = KernelCounter.begin()
    defer { KernelCounter.end(began, .reduction, operations: count, bytes: 12 * count) }
    let line = GradientBuckets.line
    Threads.overRanges((count + line - 1) / line, grain: 4_096) { lines in
        let range = lines.lowerBound * line..<min(count, lines.upperBound * line)
        if rounds {
            for i in range { target[i] = roundedToBFloat16(target[i] + source[i]) }
        } else {
            for i in range { target[i] += source[i] }
        }
    }
}

/// Does the additions between slots, `count` elements each, block by block so that a block stays in the cache from one addition to the next.
func add(_ additions: [SummationTree.Addition], slots: [UnsafeMutablePointer<Float>], count: Int, rounds: Bool = false) {
    guard !additions.isEmpty else { return }
    let began = KernelCounter.begin()
    defer { KernelCounter.end(began, .reduction, operations: additions.count * count, bytes: 12 * additions.count * count) }
    let block = 4_096
    Threads.overRanges((count + block - 1) / block, grain: 16) { blocks in
        for number in blocks {
            let first = number * block
            let length = min(block, count - first)
            for addition in additions {
                let target = slots[addition.into] + first
                let source = slots[addition.from] + first
                if rounds {
                    for i in 0..<length { target[i] = roundedToBFloat16(target[i] + source[i]) }
                } else {
                    for i in 0..<length { target[i] += source[i] }
                }
            }
        }
    }
}
