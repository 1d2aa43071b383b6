import Diagnostics

/// How float32 convolutions with kernel 3 are computed; decides bits.
public enum ConvolutionForm: String, Sendable, CaseIterable {
    /// A product per tap.
    case direct
    /// Minimal filtering (Winograd 1980) where a layer's shape gains by it: half of the multiplications.
    case winograd
}

/// A convolution with kernel 3 by minimal filtering, F(4,3): four rows of the result by six products instead of twelve.
///
/// `y = A^T [(G w) . (B^T d)]` for d six rows of x, with the matrices of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016),
/// section 4.3 (points 0, 1, -1, 2, -2), along time alone. Input gradients are the same with reversed taps; weight gradients are the derivative,
/// `dw = G^T sum of (A dy) (B^T d)`. Tiles of four rows never cross the end of a sequence: rows beyond it are zeros on the way in and are not written on
/// the way out. A piece takes tiles of several sequences, so that short ones share their products.
///
/// Errors are about three times those of direct products in float32; see docs/performance.md.
public struct MinimalFiltering {
    /// Products, and rows of x, of a tile.
    public static let points = 6
    /// Rows of y of a tile.
    static let tileRows = 4
    /// Tiles of a piece of the result: its transformed rows stay in the second-level cache.
    static let pieceTiles = 64
    /// Tiles whose transformed rows are kept together for the weight's gradient.
    static let blockTiles = 512

    let shape: Convolution
    /// First row of each tile, and the ends of its sequence.
    let tiles: [(row: Int, begin: Int, end: Int)]

    /// nil: the shape is computed by direct products. A table of shapes, so that bits do not depend on what a machine measures.
    ///
    /// - Parameter shape: of the convolution.
    public init?(_ shape: Convolution) {
        guard Self.gains(kernel: shape.kernel, input: shape.input, output: shape.output) else { return nil }
        self.shape = shape
        tiles = (0..<shape.offsets.count - 1).flatMap { sequence -> [(row: Int, begin: Int, end: Int)] in
            let begin = shape.offsets[sequence], end = shape.offsets[sequence + 1]
            return stride(from: begin, to: end, by: Self.tileRows).map { ($0, begin, end) }
        }
    }

    /// Narrow layers spend more on transforming rows than they save.
    public static func gains(kernel: Int, input: Int, output: Int) -> Bool { kernel == 3 && input >= 16 && output >= 16 }

    /// Input channels that are computed together: the room for their transformed weights and rows stays small.
    static var partColumns: Int { 512 }

    /// Calls `body` for some input channels after the others.
    func forEachPart(_ body: (_ inputs: Range<Int>) -> Void) {
        for first in stride(from: 0, to: shape.input, by: Self.partColumns) { body(first..<min(shape.input, first + Self.partColumns)) }
    }

    /// Numbers from row to row of the transformed weights, which do not crowd the cache.
    var weightStride: Int { MatrixMultiply.rowsApart(ofCopied: shape.output) }

    /// Numbers of the room for transformed weights that `forward` and `backwardInput` need.
    public var weightScratchCount: Int { Self.points * min(Self.partColumns, shape.input) * weightStride }

    /// - Parameter part: input channels.
    func counted(_ family: KernelCounter.Family, part: Int, _ body: () -> Void) {
        // Products and transforms as executed.
        let executed = Self.points * tiles.count * (2 * part * shape.output + 4 * (part + shape.output))
        KernelCounter.count(
            family, operations: executed, direct: 2 * shape.rows * 3 * part * shape.output,
            bytes: 4 * (shape.rows * (part + shape.output) + Self.points * part * shape.output), body)
    }

    /// Pieces of tiles: an even number where there are several, so that two threads share a long sequence equally.
    private var pieces: [Range<Int>] {
        var count = (tiles.count + Self.pieceTiles - 1) / Self.pieceTiles
        if tiles.count >= Self.pieceTiles / 2 { count = (count + 1) / 2 * 2 }
        return (0..<count).map { tiles.count * $0 / count..<tiles.count * ($0 + 1) / count }
    }
}

// MARK: Weights

extension MinimalFiltering {
    /// G w for some input channels, [6, inputs, weightStride].
    ///
    /// - Parameters:
    ///   - w: [3, input, output].
    ///   - inputs: the channels.
    ///   - reversed: the taps in the order of input gradients.
    ///   - u: receives the numbers.
    private func transform(_ w: UnsafePointer<Float>, inputs: Range<Int>, reversed: Bool, into u: UnsafeMutablePointer<Float>) {
        let count = inputs.count * shape.output, tap = shape.input * shape.output, w = w + inputs.lowerBound * shape.output
        let first = w + (reversed ? 2 * tap : 0), middle = w + tap, last = w + (reversed ? 0 : 2 * tap)
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .conversion, operations: 13 * count, direct: 0, bytes: 36 * count) }
        let columns = shape.output, stride = weightStride, step = inputs.count * stride
        Threads.overRanges(inputs.count, grain: max(1, (1 << 14) / columns)) { range in
            for row in range {
                let first = first + row * columns, middle = middle + row * columns, last = last + row * columns, u = u + row * stride
                forEachPiece(0..<columns) { i, n in
                    let a = load(first + i, n), b = load(middle + i, n), c = load(last + i, n)
                    let outer = (a + c) * Vector(repeating: -1 / 6), inner = b * Vector(repeating: 1 / 6)
                    let wide = a * Vector(repeating: 1 / 24) + c * Vector(repeating: 1 / 6), narrow = b * Vector(repeating: 1 / 12)
                    store(u + i, a * 0.25, n)
                    store(u + step + i, outer - inner, n)
                    store(u + 2 * step + i, outer + inner, n)
                    store(u + 3 * step + i, wide + narrow, n)
                    store(u + 4 * step + i, wide - narrow, n)
                    store(u + 5 * step + i, c, n)
                }
            }
        }
    }

    /// dw = G^T s (+ dw when `add`) for some input channels; s [6, inputs, output].
    func transformBack(_ s: UnsafePointer<Float>, inputs: Range<Int>, into dw: UnsafeMutablePointer<Float>, add: Bool) {
        let step = inputs.count * shape.output, tap = shape.input * shape.output, dw = dw + inputs.lowerBound * shape.output
        Threads.overRanges(step, grain: 1 << 14) { range in
            forEachPiece(range) { i, n in
                let s1 = load(s + step + i, n), s2 = load(s + 2 * step + i, n), s3 = load(s + 3 * step + i, n), s4 = load(s + 4 * step + i, n)
                let even = (s1 + s2) * Vector(repeating: -1 / 6), wide = s3 + s4
                var first = load(s + i, n) * 0.25 + even + wide * Vector(repeating: 1 / 24)
                var middle = (s2 - s1) * Vector(repeating: 1 / 6) + (s3 - s4) * Vector(repeating: 1 / 12)
                var last = even + wide * Vector(repeating: 1 / 6) + load(s + 5 * step + i, n)
                if add {
                    first += load(dw + i, n)
                    middle += load(dw + tap + i, n)
                    last += load(dw + 2 * tap + i, n)
                }
                store(dw + i, first, n)
                store(dw + tap + i, middle, n)
                store(dw + 2 * tap + i, last, n)
            }
        }
    }
}

// MARK: Products

extension MinimalFiltering {
    /// y [rows, output].
    ///
    /// - Parameters:
    ///   - x: [rows, input].
    ///   - w: [3, input, output].
    ///   - scratch: `weightScratchCount` numbers.
    ///   - bias: [output], added to every row.
    ///   - y: receives the result.
    public func forward(
        _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>? = nil,
        into y: UnsafeMutablePointer<Float>
    ) {
        forEachPart { inputs in
            transform(w, inputs: inputs, reversed: false, into: scratch)
            forward(x, inputs, transformed: scratch, bias: bias, into: y)
        }
    }

    /// Numbers of the transformed weights of all input channels.
    public var keptWeightCount: Int { Self.points * shape.input * weightStride }

    /// Transforms weights that are read more often than they change: `kept` receives `keptWeightCount` numbers from w [3, input, output].
    public func transform(_ w: UnsafePointer<Float>, into kept: UnsafeMutablePointer<Float>) {
        forEachPart { inputs in
            transform(w, inputs: inputs, reversed: false, into: kept + Self.points * inputs.lowerBound * weightStride)
        }
    }

    /// The same result from weights transformed before.
    public func forward(
        _ x: UnsafePointer<Float>, transformed kept: UnsafePointer<Float>, bias: UnsafePointer<Float>? = nil, into y: UnsafeMutablePointer<Float>
    ) {
        forEachPart { inputs in
            forward(x, inputs, transformed: kept + Self.points * inputs.lowerBound * weightStride, bias: bias, into: y)
        }
    }

    /// Adds the part of some input channels; the first ones store.
    private func forward(
        _ x: UnsafePointer<Float>, _ inputs: Range<Int>, transformed u: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        into y: UnsafeMutablePointer<Float>
    ) {
        counted(.convolution, part: inputs.count) {
            filtered(
                Rows(x + inputs.lowerBound, columns: inputs.count, stride: shape.input), into: y, columns: shape.output, stride: shape.output, u,
                transposed: false, bias: inputs.lowerBound == 0 ? bias : nil, add: inputs.lowerBound > 0)
        }
    }

    /// dx [rows, input] (+)=.
    ///
    /// - Parameters:
    ///   - dy: [rows, output].
    ///   - w: [3, input, output].
    ///   - scratch: `weightScratchCount` numbers.
    ///   - dx: receives the gradient of the input.
    ///   - add: whether the gradient is added to what is there.
    public func backwardInput(
        _ dy: UnsafePointer<Float>, _ w: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        forEachPart { inputs in
            transform(w, inputs: inputs, reversed: true, into: scratch)
            counted(.convolution, part: inputs.count) {
                filtered(
                    Rows(dy, columns: shape.output, stride: shape.output), into: dx + inputs.lowerBound, columns: inputs.count, stride: shape.input,
                    scratch, transposed: true, bias: nil, add: add)
            }
        }
    }

    /// Some neighbouring columns of a matrix.
    struct Rows {
        let values: UnsafePointer<Float>
        let columns: Int
        let stride: Int

        init(_ values: UnsafePointer<Float>, columns: Int, stride: Int) {
            self.values = values
            self.columns = columns
            self.stride = stride
        }
    }

    private func filtered(
        _ source: Rows, into target: UnsafeMutablePointer<Float>, columns results: Int, stride: Int, _ u: UnsafePointer<Float>, transposed: Bool,
        bias: UnsafePointer<Float>?, add: Bool
    ) {
        let pieces = pieces, workers = OneDNN.workers(ComputeContext.current.threads), columns = source.columns
        let matrix = (transposed ? results : columns) * weightStride
        Threads.overPieces(weights: pieces.map(\.count), isParallel: shape.isParallel) { piece, number in
            let own = pieces[piece], count = own.count
            let v = workers[number].tile(Self.points * count * (columns + results)), m = v + Self.points * count * columns
            for (place, tile) in own.enumerated() { transformRows(source, tiles[tile], into: v + place * columns, step: count * columns) }
            for point in 0..<Self.points {
                MatrixMultiply.oneThread(
                    m: count, n: results, k: columns, v + point * count * columns, lda: columns, transposeA: false, u + point * matrix,
                    ldb: weightStride, transposeB: transposed, into: m + point * count * results, ldc: results, accumulate: false)
            }
            for (place, tile) in own.enumerated() {
                transformResult(
                    m + place * results, step: count * results, tiles[tile], bias: bias, add: add, into: target, columns: results, stride: stride)
            }
        }
    }

    /// B^T d of a tile; rows beyond its sequence are zeros.
    @inline(__always)
    func transformRows(_ x: Rows, _ tile: (row: Int, begin: Int, end: Int), into v: UnsafeMutablePointer<Float>, step: Int) {
        let isInside = tile.row > tile.begin && tile.row + 5 <= tile.end
        let stride = x.stride, rows = x.values + (tile.row - 1) * stride
        forEachPiece(0..<x.columns) { c, n in
            @inline(__always) func row(_ i: Int) -> Vector {
                if !isInside, tile.row - 1 + i < tile.begin || tile.row - 1 + i >= tile.end { return Vector() }
                return load(rows + i * stride + c, n)
            }
            let d0 = row(0), d1 = row(1), d2 = row(2), d3 = row(3), d4 = row(4), d5 = row(5)
            let even = d4 - 4 * d2, odd = d3 - 4 * d1, evenNear = d4 - d2, oddNear = 2 * (d3 - d1)
            store(v + c, 4 * d0 - 5 * d2 + d4, n)
            store(v + step + c, even + odd, n)
            store(v + 2 * step + c, even - odd, n)
            store(v + 3 * step + c, evenNear + oddNear, n)
            store(v + 4 * step + c, evenNear - oddNear, n)
            store(v + 5 * step + c, 4 * d1 - 5 * d3 + d5, n)
        }
    }

    /// A^T m of a tile: its rows of the result, as many as its sequence has.
    @inline(__always)
    private func transformResult(
        _ m: UnsafePointer<Float>, step: Int, _ tile: (row: Int, begin: Int, end: Int), bias: UnsafePointer<Float>?, add: Bool,
        into y: UnsafeMutablePointer<Float>, columns: Int, stride: Int
    ) {
        let count = min(Self.tileRows, tile.end - tile.row), rows = y + tile.row * stride
        forEachPiece(0..<columns) { c, n in
            let m1 = load(m + step + c, n), m2 = load(m + 2 * step + c, n), m3 = load(m + 3 * step + c, n), m4 = load(m + 4 * step + c, n)
            let near = m1 + m2, far = m3 + m4, nearOdd = m1 - m2, farOdd = m3 - m4
            let offset = bias.map { load($0 + c, n) } ?? Vector()
            @inline(__always) func put(_ i: Int, _ value: Vector) {
                guard i < count else { return }
                let place = rows + i * stride + c
                store(place, add ? load(place, n) + value : value, n)
            }
            put(0, load(m + c, n) + near + far + offset)
            put(1, nearOdd + 2 * farOdd + offset)
            put(2, near + 4 * far + offset)
            put(3, nearOdd + 8 * farOdd + load(m + 5 * step + c, n) + offset)
        }
    }
}
