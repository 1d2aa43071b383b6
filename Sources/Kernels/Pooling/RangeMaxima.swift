import Diagnostics

/// The largest values over any ranges of rows, from those of blocks of 8, 64, 512, ... rows: a range takes at most 14 rows of every block size, however
/// long it is.
public final class RangeMaxima {
    /// Of the matrix.
    public let rows: Int
    public let channels: Int
    /// Rows of one level that are one row of the next.
    private static let factor = 8
    /// The matrix, then the maxima of its whole blocks, level by level.
    private let levels: [(values: UnsafePointer<Float>, rows: Int)]
    private let owned: [UnsafeMutablePointer<Float>]

    /// - Parameters:
    ///   - x: [rows, channels]; must outlive the instance.
    ///   - rows: of x.
    ///   - channels: values of a row.
    public init(_ x: UnsafePointer<Float>, rows: Int, channels: Int) {
        self.rows = rows
        self.channels = channels
        var levels = [(values: x, rows: rows)], owned: [UnsafeMutablePointer<Float>] = []
        let began = KernelCounter.begin()
        while let below = levels.last, below.rows >= Self.factor {
            let count = below.rows / Self.factor
            let values = CheckedMemory.allocateOrEnd(Float.self, count: max(count * channels, 1), for: "maxima of blocks of rows")
            Threads.overRanges(count, grain: 8) { range in
                for block in range {
                    let first = block * Self.factor
                    Self.maximum(below.values, first..<first + Self.factor, channels, into: values + block * channels, isFirst: true)
                }
            }
            owned.append(values)
            levels.append((UnsafePointer(values), count))
        }
        KernelCounter.end(began, .pooling, operations: rows * channels, bytes: 4 * rows * channels)
        self.levels = levels
        self.owned = owned
    }

    deinit { owned.forEach { $0.deallocate() } }

    /// Stores the largest value of every channel over a range of rows, which is not empty.
    public func maximum(over range: Range<Int>, into y: UnsafeMutablePointer<Float>) {
        guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= rows else { KernelFault.end("maxima of rows \(range) of \(rows)") }
        var low = range.lowerBound, high = range.upperBound, isFirst = true
        for level in levels {
            let first = (low + Self.factor - 1) / Self.factor, last = high / Self.factor
            let isLast = first >= last
            for part in isLast ? [low..<high] : [low..<first * Self.factor, last * Self.factor..<high] where !part.isEmpty {
                Self.maximum(level.values, part, channels, into: y, isFirst: isFirst)
                isFirst = false
            }
            if isLast { return }
            (low, high) = (first, last)
        }
    }

    /// Stores the largest values of some rows, or of these and what is in y.
    private static func maximum(
        _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ channels: Int, into y: UnsafeMutablePointer<Float>, isFirst: Bool
    ) {
        forEachPiece(0..<channels) { c, n in
            var best = isFirst ? load(x + rows.lowerBound * channels + c, n) : load(y + c, n)
            for row in rows { best = Kernels.maximum(best, load(x + row * channels + c, n)) }
            store(y + c, best, n)
        }
    }
}
