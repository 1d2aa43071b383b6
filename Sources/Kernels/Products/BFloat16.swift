/// The upper half of a float32: 8 bits of exponent, 7 of fraction. Numbers are rounded to the nearest, ties to even.
public typealias BFloat16 = UInt16

/// A float32 matrix rounded to bfloat16, its sequences separated by rows of zeros, which are the padding of a convolution.
///
/// With `half` = 0 (a linear layer) there are no such rows and the sequences do not matter.
public struct BFloat16Layout {
    public let columns: Int
    /// Zero rows before the first sequence, between neighbours and behind the last.
    public let half: Int
    /// Ends of the sequences without the rows of zeros, first 0; with `half` = 0 all rows are one sequence.
    public let offsets: [Int]

    /// - Parameters:
    ///   - columns: values of a row.
    ///   - kernel: rows of the convolution's kernel; 1 for a linear layer.
    ///   - offsets: ends of the sequences, first 0, last the number of rows.
    public init(columns: Int, kernel: Int, offsets: [Int]) {
        self.columns = columns
        half = kernel / 2
        self.offsets = half == 0 ? [0, offsets[offsets.count - 1]] : offsets
    }

    /// Where a sequence's first row stands.
    func begin(of sequence: Int) -> Int { offsets[sequence] + half * (sequence + 1) }
    /// Rows with those of zeros, to the end of the last ones.
    var usedRows: Int { offsets[offsets.count - 1] + half * offsets.count }
    /// Rows over which products sum, a multiple of 64, so that few shapes of product are asked for.
    var summedRows: Int { (usedRows + 63) / 64 * 64 }
    /// Rows of the buffer: the last tile of 32 rows may begin at the last row, and sums begin as late as the kernel's last row.
    public var rows: Int { summedRows + max(32, 2 * half) }
    /// Elements of the buffer.
    public var count: Int { rows * columns }
}

extension BFloat16Layout {
    /// Rounds x [rows, columns] into `result` of `count` elements.
    public func convert(_ x: UnsafePointer<Float>, into result: UnsafeMutablePointer<BFloat16>) {
        let total = offsets[offsets.count - 1]
        KernelCounter.count(.conversion, operations: total * columns, bytes: (4 * total + 2 * rows) * columns) {
            for b in 0..<offsets.count - 1 {
                let first = offsets[b], source = x + first * columns, target = result + begin(of: b) * columns
                // Linear layers are one sequence; those of a convolution are short, or there are few.
                Threads.overBlocks((offsets[b + 1] - first) * columns, block: 1 << 12, parts: ComputeContext.current.threads) { range in
                    roundToBFloat16(source + range.lowerBound, count: range.count, into: target + range.lowerBound)
                }
            }
            clearRest(of: result)
        }
    }

    /// Like `convert`, and the column sums of x in the same pass: `sums` [columns] (+)= them.
    public func convert(_ x: UnsafePointer<Float>, into result: UnsafeMutablePointer<BFloat16>, sums: UnsafeMutablePointer<Float>, add: Bool) {
        let total = offsets[offsets.count - 1]
        KernelCounter.count(.conversion, operations: 2 * total * columns, bytes: (4 * total + 2 * rows) * columns) {
            Threads.summing(rows: total, into: sums, count: columns, add: add) { range, partial in
                var sequence = 0
                for row in range {
                    while offsets[sequence + 1] <= row { sequence += 1 }
                    let source = x + row * columns, target = result + (begin(of: sequence) + row - offsets[sequence]) * columns
                    forEachPiece(0..<columns) { c, n in
                        let value = load(source + c, n)
                        store(target + c, roundedToBFloat16(value), n)
                        store(partial + c, load(partial + c, n) + value, n)
                    }
                }
            }
            clearRest(of: result)
        }
    }

    /// Zeros in the rows that belong to no sequence.
    public func clearRest(of result: UnsafeMutablePointer<BFloat16>) {
        for b in 0..<offsets.count - 1 { (result + (begin(of: b) - half) * columns).update(repeating: 0, count: half * columns) }
        (result + (usedRows - half) * columns).update(repeating: 0, count: (rows - usedRows + half) * columns)
    }
}

/// Weights rounded to bfloat16.
public func convertToBFloat16(_ x: UnsafePointer<Float>, count: Int, into result: UnsafeMutablePointer<BFloat16>) {
    KernelCounter.count(.conversion, operations: count, bytes: 6 * count) {
        Threads.overBlocks(count, block: 1 << 12, parts: ComputeContext.current.threads) { range in
            roundToBFloat16(x + range.lowerBound, count: range.count, into: result + range.lowerBound)
        }
    }
}

@inline(__always)
private func roundToBFloat16(_ x: UnsafePointer<Float>, count: Int, into result: UnsafeMutablePointer<BFloat16>) {
    forEachPiece(0..<count) { i, n in store(result + i, roundedToBFloat16(load(x + i, n)), n) }
}

@inline(__always)
func roundedToBFloat16(_ value: Vector) -> SIMD16<BFloat16> {
    let bits = unsafeBitCast(value, to: SIMD16<UInt32>.self)
    var rounded = bits &+ 0x7FFF &+ ((bits &>> 16) & 1)
    // Rounding would carry a not-a-number into infinity.
    rounded.replace(with: bits | 0x40_0000, where: value .!= value)
    // The upper halves. One instruction, where `truncatingIfNeeded` moves lane by lane.
    return unsafeBitCast(rounded, to: SIMD32<BFloat16>.self).oddHalf
}

@inline(__always)
func store(_ pointer: UnsafeMutablePointer<BFloat16>, _ value: SIMD16<BFloat16>, _ count: Int) {
    if count == 16 {
        UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: SIMD16<BFloat16>.self)
    } else {
        for lane in 0..<count { pointer[lane] = value[lane] }
    }
}
