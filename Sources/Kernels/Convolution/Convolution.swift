import Diagnostics

/// Convolution along time, stride 1, as matrix products: `y[t] = sum over j of x[t + j - kernel/2] W[j]`; rows beyond the ends of t's sequence are
/// zeros.
///
/// No im2col buffer is built: for each j the shifted rows of x are multiplied with W[j] in place and summed in y. A tile of y is small enough to stay
/// in the second-level cache. With kernel 1 this is a linear layer.
public struct Convolution {
    /// Columns of x.
    public let input: Int
    /// Columns of y.
    public let output: Int
    /// Rows of x that y[t] sees.
    public let kernel: Int
    /// Ends of the sequences, first 0, last the number of rows.
    public let offsets: [Int]

    /// - Parameters:
    ///   - input: channels of the input.
    ///   - output: channels of the result.
    ///   - kernel: odd.
    ///   - offsets: rows at which the sequences end, first 0, last the number of rows.
    public init(input: Int, output: Int, kernel: Int, offsets: [Int]) {
        self.input = input
        self.output = output
        self.kernel = kernel
        // A linear layer does not look beyond its row.
        self.offsets = kernel == 1 ? [0, offsets[offsets.count - 1]] : offsets
    }

    var half: Int { kernel / 2 }
    var rows: Int { offsets[offsets.count - 1] }

    /// The middle one first: it sees every row, so it stores and the others add.
    var taps: [Int] { [half] + (0..<half) + (half + 1..<kernel) }

    func counted(bytesPerElement: Int, _ body: () -> Void) {
        KernelCounter.count(
            kernel == 1 ? .linear : .convolution, operations: 2 * rows * kernel * input * output,
            bytes: bytesPerElement * (rows * input + kernel * input * output) + 4 * rows * output, body)
    }

    func countedWeightGradient(bytesPerElement: Int, _ body: () -> Void) {
        KernelCounter.count(
            kernel == 1 ? .linearWeight : .convolutionWeight, operations: 2 * rows * kernel * input * output,
            bytes: bytesPerElement * rows * (input + output) + 4 * kernel * input * output, body)
    }

    var isParallel: Bool { rows * kernel * input * output >= MatrixMultiply.leastParallelWork }

    /// Rows that pieces are multiples of, but for the last one of a sequence.
    static var tileRows: Int { 32 }

    /// Pieces of rows, each of one sequence: at most `MatrixMultiply.pieceRows`, as equal as tiles allow, an even number where there are several, so
    /// that two threads share a long sequence equally.
    var pieces: [(rows: Range<Int>, sequence: Int)] {
        (0..<offsets.count - 1).flatMap { sequence in
            let begin = offsets[sequence], end = offsets[sequence + 1]
            let tiles = (end - begin + Self.tileRows - 1) / Self.tileRows, perPiece = MatrixMultiply.pieceRows / Self.tileRows
            var count = (tiles + perPiece - 1) / perPiece
            if tiles >= perPiece / 2 { count = (count + 1) / 2 * 2 }
            return (0..<count).map { piece in
                (begin + tiles * piece / count * Self.tileRows..<min(end, begin + tiles * (piece + 1) / count * Self.tileRows), sequence)
            }
        }
    }
}

extension Convolution {
    /// Pieces of the weight's gradient, tap by tap. 512 x 512 is what both libraries multiply fastest over thousands of rows; where that makes less
    /// than four pieces, they are halved to keep threads busy, and a single one again.
    func weightPieces(taps: Int) -> [(tap: Int, inputs: Range<Int>, outputs: Range<Int>)] {
        func cut(_ count: Int, _ each: Int) -> [Range<Int>] {
            stride(from: 0, to: count, by: each).map { $0..<min(count, $0 + each) }
        }
        func number(_ count: Int, _ each: Int) -> Int { (count + each - 1) / each }
        let widths: [(width: Int, least: Int)] = [(512, 4), (256, 2), (128, 2)]
        let width = widths.first { taps * number(input, $0.width) * number(output, 512) >= $0.least }?.width ?? 64
        let inputs = cut(input, width), outputs = cut(output, 512)
        return (0..<taps).flatMap { tap in inputs.flatMap { channels in outputs.map { (tap, channels, $0) } } }
    }
}

// MARK: Float32

extension Convolution {
    /// - Parameters:
    ///   - x: [rows, input].
    ///   - w: [kernel, input, output].
    ///   - rowsApart: numbers from row to row of w; nil: `output`.
    ///   - bias: [output], added to every row of the result.
    ///   - y: [rows, output].
    public func forward(
        _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, rowsApart: Int? = nil, bias: UnsafePointer<Float>? = nil,
        into y: UnsafeMutablePointer<Float>
    ) {
        let rowsApart = rowsApart ?? output
        counted(bytesPerElement: 4) {
            shifted(x, columns: input, into: y, columns: output, add: false, bias: bias, sign: 1) { tap, m, x, y, accumulate in
                MatrixMultiply.oneThread(
                    m: m, n: output, k: input, x, lda: input, transposeA: false, w + tap * input * rowsApart, ldb: rowsApart, transposeB: false,
                    into: y, ldc: output, accumulate: accumulate)
            }
        }
    }

    /// dx [rows, input] (+)= sum over j of dy[t - j + kernel/2] W[j]^T.
    public func backwardInput(
        _ dy: UnsafePointer<Float>, _ w: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        counted(bytesPerElement: 4) {
            shifted(dy, columns: output, into: dx, columns: input, add: add, bias: nil, sign: -1) { tap, m, dy, dx, accumulate in
                MatrixMultiply.oneThread(
                    m: m, n: input, k: output, dy, lda: output, transposeA: false, w + tap * input * output, ldb: output, transposeB: true, into: dx,
                    ldc: input, accumulate: accumulate)
            }
        }
    }

    /// For each piece of the target and each tap, the rows of the source that stand `sign * (tap - half)` further and are in the sequence.
    private func shifted(
        _ source: UnsafePointer<Float>, columns: Int, into target: UnsafeMutablePointer<Float>, columns targetColumns: Int, add: Bool,
        bias: UnsafePointer<Float>?, sign: Int,
        _ product: (_ tap: Int, _ rows: Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>, _ accumulate: Bool) -> Void
    ) {
        let pieces = pieces, taps = taps
        Threads.overPieces(weights: pieces.map(\.rows.count), isParallel: isParallel) { piece, _ in
            let (rows, sequence) = pieces[piece]
            for tap in taps {
                let shift = sign * (tap - half)
                let first = max(rows.lowerBound, offsets[sequence] - shift), end = min(rows.upperBound, offsets[sequence + 1] - shift)
                guard first < end else { continue }
                product(tap, end - first, source + (first + shift) * columns, target + first * targetColumns, add || tap != half)
            }
            // The piece is still in the cache.
            if let bias { Activations.addBias(bias, rows, channels: targetColumns, to: target) }
        }
    }

    /// dW [kernel, input, output] (+)= sum over t of x[t + j - kernel/2]^T dy[t].
    ///
    /// - Parameters:
    ///   - x: [rows, input].
    ///   - dy: rows whose shifted row is in another sequence are zeroed meanwhile.
    ///   - dw: receives the gradient of the weight.
    ///   - add: whether the gradient is added to what is there.
    public func backwardWeight(
        _ x: UnsafePointer<Float>, _ dy: UnsafeMutablePointer<Float>, into dw: UnsafeMutablePointer<Float>, add: Bool
    ) {
        countedWeightGradient(bytesPerElement: 4) {
            for tap in 0..<kernel {
                let shift = tap - half, dw = dw + tap * input * output
                // x[t + shift] exists for these rows, but may be another sequence's.
                let first = max(0, -shift), end = max(first, rows - max(0, shift))
                guard first < end else {
                    if !add { dw.update(repeating: 0, count: input * output) }
                    continue
                }
                withoutForeignRows(dy, shift: shift) {
                    let pieces = weightPieces(taps: 1)
                    Threads.overPieces(pieces.count, isParallel: isParallel) { i, _ in
                        let (_, inputs, outputs) = pieces[i]
                        MatrixMultiply.oneThread(
                            m: inputs.count, n: outputs.count, k: end - first, x + (first + shift) * input + inputs.lowerBound, lda: input,
                            transposeA: true, dy + first * output + outputs.lowerBound, ldb: output, transposeB: false,
                            into: dw + inputs.lowerBound * output + outputs.lowerBound, ldc: output, accumulate: add)
                    }
                }
            }
        }
    }

    /// Runs `body` while the rows t of dy, for which t + shift is not in the sequence of t, are zeros.
    private func withoutForeignRows(_ dy: UnsafeMutablePointer<Float>, shift: Int, _ body: () -> Void) {
        guard shift != 0, offsets.count > 2 else { return body() }
        var foreign: [Int] = []
        for sequence in 0..<offsets.count - 1 {
            let begin = offsets[sequence], end = offsets[sequence + 1]
            foreign += shift < 0 ? begin..<min(end, begin - shift) : max(begin, end - shift)..<end
        }
        let kept = CheckedMemory.allocateOrEnd(Float.self, count: foreign.count * output, for: "rows of a convolution at the ends of recordings")
        defer { kept.deallocate() }
        for (i, row) in foreign.enumerated() {
            (kept + i * output).update(from: dy + row * output, count: output)
            (dy + row * output).update(repeating: 0, count: output)
        }
        body()
        for (i, row) in foreign.enumerated() { (dy + row * output).update(from: kept + i * output, count: output) }
    }
}
