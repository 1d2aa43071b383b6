/// Convolution along time as matrix products: neighbouring rows are laid side by side, ends of sequences see zeros.
public enum Convolution {
    /// windows [rows, kernel * channels]: row t holds x[t - kernel/2], ..., x[t + kernel/2], zeros beyond the ends of t's sequence.
    ///
    /// - Parameter offsets: ends of the sequences, first 0, last the number of rows.
    public static func gatherWindows(
        _ x: UnsafePointer<Float>, channels: Int, kernel: Int, offsets: [Int], into windows: UnsafeMutablePointer<Float>
    ) {
        let half = kernel / 2, width = kernel * channels
        forEachRow(offsets) { row, begin, end in
            for j in 0..<kernel {
                let source = row + j - half
                let target = windows + row * width + j * channels
                if source < begin || source >= end {
                    target.update(repeating: 0, count: channels)
                } else {
                    target.update(from: x + source * channels, count: channels)
                }
            }
        }
    }

    /// The transpose of `gatherWindows`: x[t] = sum over j of windows[t - j + kernel/2][j] (+ x when `add`).
    public static func scatterWindows(
        _ windows: UnsafePointer<Float>, channels: Int, kernel: Int, offsets: [Int], into x: UnsafeMutablePointer<Float>, add: Bool
    ) {
        let half = kernel / 2, width = kernel * channels
        forEachRow(offsets) { row, begin, end in
            let target = x + row * channels
            var stored = add
            for j in 0..<kernel {
                let window = row - j + half
                guard window >= begin, window < end else { continue }
                let source = windows + window * width + j * channels
                if stored {
                    forEachPiece(0..<channels) { i, n in store(target + i, load(target + i, n) + load(source + i, n), n) }
                } else {
                    target.update(from: source, count: channels)
                    stored = true
                }
            }
        }
    }

    /// Rows shared out among threads, each with the ends of its sequence.
    @inline(__always)
    static func forEachRow(_ offsets: [Int], grain: Int = 64, _ body: (_ row: Int, _ begin: Int, _ end: Int) -> Void) {
        offsets.withUnsafeBufferPointer { offsets in
            Threads.overRanges(offsets[offsets.count - 1], grain: grain) { rows in
                var sequence = 0
                for row in rows {
                    while offsets[sequence + 1] <= row { sequence += 1 }
                    body(row, offsets[sequence], offsets[sequence + 1])
                }
            }
        }
    }
}
