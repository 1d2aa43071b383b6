import Diagnostics

/// Attention of a long sequence without a matrix of [length, length]: query rows are processed in blocks, each against all keys.
///
/// The blocks are the pieces that `MatrixMultiply` cuts the products into, and a row's softmax depends on no other row: forward gives the bits that
/// it gives with kept probabilities. Backward computes the probabilities again and sums dk and dv round by round (`rowsPerRound`): the same bits for
/// every number of threads, others than with kept probabilities. Within a round it is what FlashAttention does (arXiv 2205.14135), with whole rows
/// of scores in memory.
extension GlobalAttention {
    /// Query rows whose scores are in memory together in backward.
    static let rowsPerRound = 512
    private static var blockRows: Int { MatrixMultiply.pieceRows }

    // Pointers to the first row of the sequence.
    static func forwardInBlocks(
        _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, _ shape: Shape, length T: Int,
        into out: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        let C = shape.channels, D = shape.headChannels
        guard T >= D else {
            // The weighted sum is cut by columns: all rows at once, which are few.
            for h in 0..<shape.heads {
                let column = h * D
                MatrixMultiply.multiply(
                    m: T, n: T, k: D, q + column, lda: C, k + column, ldb: C, transposeB: true, into: scratch, ldc: T, alpha: shape.scale)
                for t in 0..<T { softmax(scratch + t * T, T) }
                MatrixMultiply.multiply(m: T, n: D, k: T, scratch, lda: T, v + column, ldb: C, into: out + column, ldc: C)
            }
            return
        }
        let blocks = (T + blockRows - 1) / blockRows
        Threads.overPieces(shape.heads * blocks, isParallel: isParallel(shape, T)) { piece, worker in
            let h = piece / blocks, first = piece % blocks * blockRows, m = min(blockRows, T - first)
            let column = h * D, row = first * C + column, p = scratch + worker * min(blockRows, T) * T
            scores(q + row, k + column, shape, rows: m, length: T, into: p)
            MatrixMultiply.oneThread(
                m: m, n: D, k: T, p, lda: T, transposeA: false, v + column, ldb: C, transposeB: false, into: out + row, ldc: C, accumulate: false)
        }
    }

    /// The probabilities of some query rows of one head.
    private static func scores(
        _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ shape: Shape, rows m: Int, length T: Int, into p: UnsafeMutablePointer<Float>
    ) {
        Activity.tick()
        let C = shape.channels
        MatrixMultiply.oneThread(
            m: m, n: T, k: shape.headChannels, q, lda: C, transposeA: false, k, ldb: C, transposeB: true, into: p, ldc: T, accumulate: false,
            alpha: shape.scale)
        for t in 0..<m { softmax(p + t * T, T) }
    }

    static func backwardInBlocks(
        _ dOut: UnsafePointer<Float>, _ q: UnsafePointer<Float>, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, _ shape: Shape,
        length T: Int, scratch: UnsafeMutablePointer<Float>, dq: UnsafeMutablePointer<Float>, dk: UnsafeMutablePointer<Float>,
        dv: UnsafeMutablePointer<Float>
    ) {
        let C = shape.channels, D = shape.headChannels, H = shape.heads, most = min(T, rowsPerRound)
        // [heads, rows of the round, T] each.
        let probabilities = scratch, gradients = scratch + H * most * T
        let isParallel = isParallel(shape, T), keyBlocks = (T + blockRows - 1) / blockRows
        for begin in stride(from: 0, to: T, by: rowsPerRound) {
            let rows = min(rowsPerRound, T - begin), blocks = (rows + blockRows - 1) / blockRows
            Threads.overPieces(H * blocks, isParallel: isParallel) { piece, _ in
                let h = piece / blocks, first = piece % blocks * blockRows, m = min(blockRows, rows - first)
                let column = h * D, row = (begin + first) * C + column, entry = (h * most + first) * T
                let p = probabilities + entry, ds = gradients + entry
                scores(q + row, k + column, shape, rows: m, length: T, into: p)
                MatrixMultiply.oneThread(
                    m: m, n: T, k: D, dOut + row, lda: C, transposeA: false, v + column, ldb: C, transposeB: true, into: ds, ldc: T,
                    accumulate: false)
                for t in 0..<m { scoreGradient(p + t * T, ds + t * T, T) }
                MatrixMultiply.oneThread(
                    m: m, n: D, k: T, ds, lda: T, transposeA: false, k + column, ldb: C, transposeB: false, into: dq + row, ldc: C, accumulate: false,
                    alpha: shape.scale)
            }
            // Every block of keys sums over the round's query rows, on to what the rounds before have summed.
            Threads.overPieces(H * keyBlocks, isParallel: isParallel) { piece, _ in
                let h = piece / keyBlocks, key = piece % keyBlocks * blockRows, m = min(blockRows, T - key)
                let column = h * D, query = begin * C + column, row = key * C + column, entry = h * most * T + key
                MatrixMultiply.oneThread(
                    m: m, n: D, k: rows, probabilities + entry, lda: T, transposeA: true, dOut + query, ldb: C, transposeB: false, into: dv + row,
                    ldc: C, accumulate: begin > 0)
                MatrixMultiply.oneThread(
                    m: m, n: D, k: rows, gradients + entry, lda: T, transposeA: true, q + query, ldb: C, transposeB: false, into: dk + row, ldc: C,
                    accumulate: begin > 0, alpha: shape.scale)
            }
        }
    }

    private static func isParallel(_ shape: Shape, _ length: Int) -> Bool {
        length * length * shape.channels >= MatrixMultiply.leastParallelWork
    }
}

extension GlobalAttention.Shape {
    /// Floats of scratch for the forward pass of a sequence in blocks: a block of scores for every thread that may take one.
    func blockScratchCount(_ length: Int) -> Int {
        guard length >= headChannels else { return length * length }
        let rows = MatrixMultiply.pieceRows, blocks = (length + rows - 1) / rows
        return min(ComputeContext.current.threads, max(1, heads * blocks)) * min(rows, length) * length
    }
}
