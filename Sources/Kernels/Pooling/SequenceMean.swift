/// The mean over the rows of each sequence.
public enum SequenceMean {
    /// y [sequences, channels] = means of x [rows, channels]; 0 for a sequence without rows.
    public static func forward(_ x: UnsafePointer<Float>, channels: Int, offsets: [Int], into y: UnsafeMutablePointer<Float>) {
        let began = KernelCounter.begin(), elements = offsets[offsets.count - 1] * channels
        defer { KernelCounter.end(began, .pooling, operations: elements, bytes: 4 * elements) }
        for b in 0..<offsets.count - 1 {
            let x = x + offsets[b] * channels, length = offsets[b + 1] - offsets[b], y = y + b * channels
            Threads.summing(rows: length, into: y, count: channels, add: false) { range, partial in
                for row in range {
                    let x = x + row * channels
                    forEachPiece(0..<channels) { c, n in store(partial + c, load(partial + c, n) + load(x + c, n), n) }
                }
            }
            let scale = 1 / Float(max(length, 1))
            for c in 0..<channels { y[c] *= scale }
        }
    }

    /// dx [rows, channels] (+)= dy of the row's sequence, divided by its length.
    public static func backward(
        _ dy: UnsafePointer<Float>, channels: Int, offsets: [Int], into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        let began = KernelCounter.begin(), elements = offsets[offsets.count - 1] * channels
        defer { KernelCounter.end(began, .pooling, operations: 2 * elements, bytes: 4 * (add ? 2 : 1) * elements) }
        for b in 0..<offsets.count - 1 {
            let dx = dx + offsets[b] * channels, length = offsets[b + 1] - offsets[b], dy = dy + b * channels
            let scale = 1 / Float(max(length, 1))
            Threads.overRanges(length) { range in
                for row in range {
                    let dx = dx + row * channels
                    forEachPiece(0..<channels) { c, n in
                        let g = load(dy + c, n) * scale
                        store(dx + c, add ? load(dx + c, n) + g : g, n)
                    }
                }
            }
        }
    }
}
