import COneDNN

/// The products of a convolution with operands in bfloat16; sums and results are float32.
///
/// Operands come in a `BFloat16Layout`, whose rows of zeros make every piece see the same number of rows, so that few shapes of product are needed.
extension Convolution {
    /// Layouts of x and of dy.
    public var inputLayout: BFloat16Layout { BFloat16Layout(columns: input, kernel: kernel, offsets: offsets) }
    public var outputLayout: BFloat16Layout { BFloat16Layout(columns: output, kernel: kernel, offsets: offsets) }

    /// oneDNN's convolution reads too many input channels at once more slowly than one product per tap does.
    private var forwardIsOneCall: Bool { kernel > 1 && input <= 1024 }

    /// The order of weights that `forward` reads.
    public var forwardWeights: PackedWeights {
        if forwardIsOneCall { return wholeWeights(isBackward: false) }
        return PackedWeights.of(
            .matrices(.init(m: 1, n: output, k: input, lda: input, ldc: output, b: .packed)), sizes: [input, output], strides: [output, 1],
            matrices: kernel)
    }

    /// The order of weights that `backwardInput` reads; nil: that of `convertToBFloat16`.
    public var backwardWeights: PackedWeights? { kernel > 1 ? wholeWeights(isBackward: true) : nil }

    private func wholeWeights(isBackward: Bool) -> PackedWeights {
        PackedWeights.of(
            .convolution(rows: 1, input: input, output: output, kernel: kernel, isBackward: isBackward), sizes: [output, input, kernel],
            strides: [1, output, input * output], matrices: 1)
    }

    /// - Parameters:
    ///   - x: in `inputLayout`.
    ///   - w: in the order of `forwardWeights`.
    ///   - bias: [output], added to every row of the result.
    ///   - y: [rows, output].
    public func forward(
        _ x: UnsafePointer<BFloat16>, _ w: UnsafePointer<BFloat16>, bias: UnsafePointer<Float>? = nil, into y: UnsafeMutablePointer<Float>
    ) {
        counted(bytesPerElement: 2) {
            if forwardIsOneCall {
                tiled(inputLayout, into: y, columns: output, add: false, bias: bias) { rows in
                    let product = BFloat16Product.of(.convolution(rows: rows, input: input, output: output, kernel: kernel, isBackward: false))
                    return { row, result, worker in product.run(x + (row - half) * input, w, result, worker) }
                }
                return
            }
            let taps = taps, matrix = kernel == 1 ? 0 : forwardWeights.matrixCount
            tiled(inputLayout, into: y, columns: output, add: false, bias: bias) { rows in
                let shape = BFloat16Product.Matrices(m: rows, n: output, k: input, lda: input, ldc: output, b: .packed)
                let storing = BFloat16Product.of(.matrices(shape)), adding = kernel == 1 ? storing : .of(.matrices(shape.accumulating))
                return { row, result, worker in
                    for (turn, tap) in taps.enumerated() {
                        (turn == 0 ? storing : adding).run(x + (row + tap - half) * input, w + tap * matrix, result, worker)
                    }
                }
            }
        }
    }

    /// dx [rows, input] (+)= sum over j of dy[t - j + kernel/2] W[j]^T.
    ///
    /// - Parameters:
    ///   - dy: in `outputLayout`.
    ///   - w: in the order of `backwardWeights`.
    ///   - dx: receives the gradient of the input.
    ///   - add: whether the gradient is added to what is there.
    public func backwardInput(
        _ dy: UnsafePointer<BFloat16>, _ w: UnsafePointer<BFloat16>, into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        counted(bytesPerElement: 2) {
            tiled(outputLayout, into: dx, columns: input, add: add, bias: nil) { rows in
                let product =
                    kernel == 1
                    ? BFloat16Product.of(.matrices(.init(m: rows, n: input, k: output, lda: output, ldc: input, b: .transposed(ldb: output))))
                    : BFloat16Product.of(.convolution(rows: rows, input: input, output: output, kernel: kernel, isBackward: true))
                return { row, result, worker in product.run(dy + (row - half) * output, w, result, worker) }
            }
        }
    }

    /// Rows of a tile, computed by the caller: `row` counts from the layout's beginning.
    private typealias Tile = (_ row: Int, _ result: UnsafeMutablePointer<Float>, _ worker: OneDNN.Worker) -> Void

    /// Computes the target tile by tile. Whole tiles go straight to their place; one that adds, and a last one that reaches beyond the sequence, is
    /// made beside.
    ///
    /// - Parameter tile: called on this thread for every number of rows in use; what it returns is called on all threads.
    private func tiled(
        _ layout: BFloat16Layout, into target: UnsafeMutablePointer<Float>, columns: Int, add: Bool, bias: UnsafePointer<Float>?,
        _ tile: (_ rows: Int) -> Tile
    ) {
        var tiles: [(row: Int, rows: Int, sequence: Int, compute: Tile)] = []
        var kept: [Int: Tile] = [:]
        func computing(_ rows: Int) -> Tile {
            if let made = kept[rows] { return made }
            let made = tile(rows)
            kept[rows] = made
            return made
        }
        for (rows, sequence) in pieces {
            let whole = rows.count / Self.tileRows * Self.tileRows, rest = rows.count - whole
            if whole > 0 { tiles.append((rows.lowerBound, whole, sequence, computing(whole))) }
            if rest > 0 { tiles.append((rows.lowerBound + whole, rest, sequence, computing(Self.tileRows))) }
        }
        let workers = OneDNN.workers(ComputeContext.current.threads)
        Threads.overPieces(weights: tiles.map(\.rows), isParallel: isParallel) { i, number in
            let tile = tiles[i], worker = workers[number]
            let isWhole = tile.rows % Self.tileRows == 0, isInPlace = isWhole && !add
            let place = target + tile.row * columns
            let result = isInPlace ? place : worker.tile((isWhole ? tile.rows : Self.tileRows) * columns)
            tile.compute(layout.begin(of: tile.sequence) + tile.row - layout.offsets[tile.sequence], result, worker)
            // The tile is still in the cache.
            if let bias { Activations.addBias(bias, 0..<tile.rows, channels: columns, to: result) }
            guard !isInPlace else { return }
            let count = tile.rows * columns
            if add {
                forEachPiece(0..<count) { j, n in store(place + j, load(place + j, n) + load(result + j, n), n) }
            } else {
                place.update(from: result, count: count)
            }
        }
    }

    /// dW [kernel, input, output] (+)= sum over t of x[t + j - kernel/2]^T dy[t]; x in `inputLayout`, dy in `outputLayout`.
    public func backwardWeight(
        _ x: UnsafePointer<BFloat16>, _ dy: UnsafePointer<BFloat16>, into dw: UnsafeMutablePointer<Float>, add: Bool
    ) {
        guard rows > 0 else {
            if !add { dw.update(repeating: 0, count: kernel * input * output) }
            return
        }
        countedWeightGradient(bytesPerElement: 2) {
            // Rows of zeros in dy take away what is no row of the sequence; the sum leaves out the ends, where x has no shifted row.
            let layout = inputLayout, summed = layout.summedRows
            let pieces = weightPieces(taps: kernel)
            let products = pieces.map { piece in
                BFloat16Product.of(
                    .matrices(
                        .init(
                            m: piece.inputs.count, n: piece.outputs.count, k: summed, lda: input, ldc: output, transposeA: true,
                            b: .rows(ldb: output), accumulates: add)))
            }
            let workers = OneDNN.workers(ComputeContext.current.threads)
            Threads.overPieces(pieces.count, isParallel: isParallel) { i, number in
                let (tap, inputs, outputs) = pieces[i]
                // x[t + shift] and dy[t] from t = half on: dy's first rows are zeros.
                products[i].run(
                    x + tap * input + inputs.lowerBound, dy + half * output + outputs.lowerBound,
                    dw + (tap * input + inputs.lowerBound) * output + outputs.lowerBound, workers[number])
            }
        }
    }
}
