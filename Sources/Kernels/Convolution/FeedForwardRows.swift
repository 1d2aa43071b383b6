/// The two linear layers of a block: y = GELU(n W1 + b1) W2 + b2, n being x or its layer norm.
///
/// A piece of rows passes through all of it before the next one, so that what lies between the two products stays in the cache. The bits are those of
/// `LayerNorm`, `Convolution` with kernel 1 and `Activations.gelu` one after the other.
public struct FeedForwardRows {
    /// A linear layer.
    public struct Layer {
        let weight: UnsafePointer<Float>
        let rowsApart: Int
        let bias: UnsafePointer<Float>

        /// - Parameters:
        ///   - weight: [input, output].
        ///   - rowsApart: numbers from row to row of the weight.
        ///   - bias: [output].
        public init(weight: UnsafePointer<Float>, rowsApart: Int, bias: UnsafePointer<Float>) {
            (self.weight, self.rowsApart, self.bias) = (weight, rowsApart, bias)
        }
    }

    /// The norm of x that comes first.
    public struct Norm {
        let scale: UnsafePointer<Float>
        let shift: UnsafePointer<Float>
        let statistics: UnsafeMutablePointer<Float>

        /// - Parameters:
        ///   - scale: its weight, [channels].
        ///   - shift: its bias, [channels].
        ///   - statistics: [rows, 2], see `LayerNorm`.
        public init(scale: UnsafePointer<Float>, shift: UnsafePointer<Float>, statistics: UnsafeMutablePointer<Float>) {
            (self.scale, self.shift, self.statistics) = (scale, shift, statistics)
        }
    }

    let channels: Int
    let hidden: Int
    private let shape: Convolution
    private let pieces: [Range<Int>]
    private let longestPiece: Int

    /// - Parameters:
    ///   - rows: number of rows.
    ///   - channels: values of a row of x and y.
    ///   - hidden: values between the layers.
    public init(rows: Int, channels: Int, hidden: Int) {
        (self.channels, self.hidden) = (channels, hidden)
        shape = Convolution(input: channels, output: hidden, kernel: 1, offsets: [0, rows])
        pieces = shape.pieces.map(\.rows)
        longestPiece = pieces.map(\.count).max() ?? 0
    }

    /// Numbers of the room that `forward` needs: for every thread a piece of the hidden rows and of the norm.
    public var scratchCount: Int { min(ComputeContext.current.threads, pieces.count) * longestPiece * (hidden + channels) }

    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - norm: of x; nil: none.
    ///   - expand: the first layer, channels to hidden.
    ///   - contract: the second, back.
    ///   - kept: receives n W1 + b1, [rows, hidden], for backward; nil: not kept.
    ///   - scratch: `scratchCount` numbers.
    ///   - y: receives the result, [rows, channels].
    public func forward(
        _ x: UnsafePointer<Float>, norm: Norm?, expand: Layer, contract: Layer, keeping kept: UnsafeMutablePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>
    ) {
        let began = KernelCounter.begin()
        defer {
            if norm != nil { KernelCounter.within(began, .layerNorm, operations: 8 * shape.rows * channels) }
            KernelCounter.within(began, .elementWise, operations: 45 * shape.rows * hidden)
            KernelCounter.end(
                began, .linear, operations: 4 * shape.rows * channels * hidden,
                bytes: 4 * (shape.rows * (2 * channels + (kept == nil ? 0 : hidden)) + 2 * channels * hidden))
        }
        Threads.overPieces(weights: pieces.map(\.count), isParallel: shape.isParallel) { piece, worker in
            let rows = pieces[piece], activated = scratch + worker * longestPiece * (hidden + channels)
            var operand = x + rows.lowerBound * channels
            if let norm {
                let normed = activated + longestPiece * hidden
                Self.norm(operand, rows, channels: channels, norm, into: normed)
                operand = UnsafePointer(normed)
            }
            let expanded = kept.map { $0 + rows.lowerBound * hidden } ?? activated
            Self.product(operand, expand, m: rows.count, n: hidden, k: channels, into: expanded)
            Self.activate(expanded, bias: expand.bias, rows: rows.count, channels: hidden, keeps: kept != nil, into: activated)
            Self.product(activated, contract, m: rows.count, n: channels, k: hidden, into: y + rows.lowerBound * channels)
            Activations.addBias(contract.bias, rows, channels: channels, to: y)
        }
    }

    private static func product(
        _ a: UnsafePointer<Float>, _ layer: Layer, m: Int, n: Int, k: Int, into c: UnsafeMutablePointer<Float>
    ) {
        MatrixMultiply.oneThread(
            m: m, n: n, k: k, a, lda: k, transposeA: false, layer.weight, ldb: layer.rowsApart, transposeB: false, into: c, ldc: n, accumulate: false)
    }

    private static func norm(
        _ x: UnsafePointer<Float>, _ rows: Range<Int>, channels: Int, _ norm: Norm, into y: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows.count {
            let target = y + row * channels
            LayerNorm.forwardRow(
                x + row * channels, channels: channels, norm.scale, norm.shift, statistics: norm.statistics + 2 * (rows.lowerBound + row)
            ) { c, v, n in
                store(target + c, v, n)
            }
        }
    }

    /// y = GELU(x + bias); x becomes x + bias when it is kept. y may be x.
    private static func activate(
        _ x: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>, rows: Int, channels: Int, keeps: Bool, into y: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows {
            let x = x + row * channels, y = y + row * channels
            forEachPiece(0..<channels) { c, n in
                let v = load(x + c, n) + load(bias + c, n)
                if keeps { store(x + c, v, n) }
                store(y + c, Activations.gelu(v), n)
            }
        }
    }
}
