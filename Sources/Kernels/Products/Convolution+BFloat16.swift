/// The products of a convolution with operands in bfloat16; sums and results are float32.
///
/// Operands come in a `BFloat16Layout`, whose rows of zeros make every piece see the same number of rows, so that few shapes of product are needed.
extension Convolution {
    /// Layouts of x and of dy.
    public var inputLayout: BFloat16Layout { BFloat16Layout(columns: input, kernel: kernel, offsets: offsets) }
    public var outputLayout: BFloat16Layout { BFloat16Layout(columns: output, kernel: kernel, offsets: offsets) }

    /// - Parameters:
    ///   - x: in `inputLayout`.
    ///   - w: [kernel, input, output].
    ///   - bias: [output], added to every row of the result.
    ///   - y: [rows, output].
    public func forward(
        _ x: UnsafePointer<BFloat16>, _ w: UnsafePointer<BFloat16>, bias: UnsafePointer<Float>? = nil, into y: UnsafeMutablePointer<Float>
    ) {
        counted(bytesPerElement: 2) { shifted(x, inputLayout, w, into: y, columns: output, add: false, bias: bias, isBackward: false) }
    }

    /// dx [rows, input] (+)= sum over j of dy[t - j + kernel/2] W[j]^T; dy in `outputLayout`.
    public func backwardInput(
        _ dy: UnsafePointer<BFloat16>, _ w: UnsafePointer<BFloat16>, into dx: UnsafeMutablePointer<Float>, add: Bool
    ) {
        counted(bytesPerElement: 2) { shifted(dy, outputLayout, w, into: dx, columns: input, add: add, bias: nil, isBackward: true) }
    }

    private func shifted(
        _ source: UnsafePointer<BFloat16>, _ layout: BFloat16Layout, _ w: UnsafePointer<BFloat16>, into target: UnsafeMutablePointer<Float>,
        columns: Int, add: Bool, bias: UnsafePointer<Float>?, isBackward: Bool
    ) {
        // Whole tiles go straight to their place; a last tile that reaches beyond the sequence is made beside and copied.
        struct Tile {
            var row: Int
            var rows: Int
            var sequence: Int
            var storing: BFloat16Product
            var adding: BFloat16Product
        }
        func product(_ rows: Int, _ accumulates: Bool) -> BFloat16Product {
            .of(.init(
                m: rows, n: columns, k: layout.columns, lda: layout.columns, ldb: output, ldc: columns, transposeB: isBackward,
                accumulates: accumulates))
        }
        var tiles: [Tile] = []
        for (rows, sequence) in pieces {
            let whole = rows.count / Self.tileRows * Self.tileRows, rest = rows.count - whole
            if whole > 0 {
                tiles.append(
                    Tile(row: rows.lowerBound, rows: whole, sequence: sequence, storing: product(whole, add), adding: product(whole, true)))
            }
            if rest > 0 {
                tiles.append(
                    Tile(
                        row: rows.lowerBound + whole, rows: rest, sequence: sequence, storing: product(Self.tileRows, false),
                        adding: product(Self.tileRows, true)))
            }
        }
        let workers = OneDNN.workers(Threads.count), taps = taps
        Threads.overPieces(weights: tiles.map(\.rows), isParallel: isParallel) { i, number in
            let tile = tiles[i], worker = workers[number]
            let isWhole = tile.rows % Self.tileRows == 0
            let place = target + tile.row * columns
            let result = isWhole ? place : worker.tile(Self.tileRows * columns)
            let row = layout.begin(of: tile.sequence) + tile.row - layout.offsets[tile.sequence]
            for (turn, tap) in taps.enumerated() {
                let shift = isBackward ? half - tap : tap - half
                (turn == 0 ? tile.storing : tile.adding).run(
                    source + (row + shift) * layout.columns, w + tap * input * output, result, worker)
            }
            // The tile is still in the cache.
            if let bias { Activations.addBias(bias, 0..<tile.rows, channels: columns, to: result) }
            guard !isWhole else { return }
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
                    .init(
                        m: piece.inputs.count, n: piece.outputs.count, k: summed, lda: input, ldb: output, ldc: output, transposeA: true,
                        accumulates: add))
            }
            let workers = OneDNN.workers(Threads.count)
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
