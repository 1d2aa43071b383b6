extension MinimalFiltering {
    /// Numbers of the room that `backwardWeight` needs.
    public var gradientScratchCount: Int {
        let columns = min(Self.partColumns, shape.input)
        return Self.points * (columns * shape.output + min(Self.blockTiles, tiles.count) * (columns + shape.output))
    }

    /// dW [3, input, output] (+)= G^T sum over tiles of (B^T d)^T (A dy).
    ///
    /// - Parameters:
    ///   - x: [rows, input].
    ///   - dy: [rows, output].
    ///   - scratch: `gradientScratchCount` numbers.
    ///   - dw: receives the gradient of the weight.
    ///   - add: whether the gradient is added to what is there.
    public func backwardWeight(
        _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, into dw: UnsafeMutablePointer<Float>, add: Bool
    ) {
        guard !tiles.isEmpty else {
            if !add { dw.update(repeating: 0, count: 3 * shape.input * shape.output) }
            return
        }
        forEachPart { inputs in
            counted(.convolutionWeight, part: inputs.count) {
                sum(x, dy, inputs: inputs, scratch: scratch)
                transformBack(scratch, inputs: inputs, into: dw, add: add)
            }
        }
    }

    /// The sums over all tiles for some input channels, [6, inputs, output], to the beginning of the room.
    private func sum(_ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, inputs: Range<Int>, scratch: UnsafeMutablePointer<Float>) {
        let output = shape.output, width = inputs.count, matrix = width * output, v = scratch + Self.points * matrix
        let rows = Rows(x + inputs.lowerBound, columns: width, stride: shape.input)
        let pieces = Convolution(input: width, output: output, kernel: 3, offsets: shape.offsets).weightPieces(taps: Self.points)
        for first in stride(from: 0, to: tiles.count, by: Self.blockTiles) {
            let count = min(Self.blockTiles, tiles.count - first), e = v + Self.points * count * width
            Threads.overRanges(count, grain: 16) { range in
                for place in range {
                    transformRows(rows, tiles[first + place], into: v + place * width, step: count * width)
                    transformGradient(dy, columns: output, tiles[first + place], into: e + place * output, step: count * output)
                }
            }
            Threads.overPieces(pieces.count, isParallel: shape.isParallel) { i, _ in
                let (point, own, outputs) = pieces[i]
                MatrixMultiply.oneThread(
                    m: own.count, n: outputs.count, k: count, v + point * count * width + own.lowerBound, lda: width, transposeA: true,
                    e + point * count * output + outputs.lowerBound, ldb: output, transposeB: false,
                    into: scratch + point * matrix + own.lowerBound * output + outputs.lowerBound, ldc: output, accumulate: first > 0)
            }
        }
    }

    /// A dy of a tile; rows beyond its sequence are zeros.
    @inline(__always)
    private func transformGradient(
        _ dy: UnsafePointer<Float>, columns: Int, _ tile: (row: Int, begin: Int, end: Int), into e: UnsafeMutablePointer<Float>, step: Int
    ) {
        let count = min(Self.tileRows, tile.end - tile.row), rows = dy + tile.row * columns
        forEachPiece(0..<columns) { c, n in
            @inline(__always) func row(_ i: Int) -> Vector { i < count ? load(rows + i * columns + c, n) : Vector() }
            let y0 = row(0), y1 = row(1), y2 = row(2), y3 = row(3)
            let even = y0 + y2, odd = y1 + y3, evenFar = y0 + 4 * y2, oddFar = 2 * y1 + 8 * y3
            store(e + c, y0, n)
            store(e + step + c, even + odd, n)
            store(e + 2 * step + c, even - odd, n)
            store(e + 3 * step + c, evenFar + oddFar, n)
            store(e + 4 * step + c, evenFar - oddFar, n)
            store(e + 5 * step + c, y3, n)
        }
    }
}
