/// Which library multiplies matrices.
public enum MatrixMultiplyBackend: String, Sendable, CaseIterable {
    case openblas, onednn
    /// oneDNN, but OpenBLAS where oneDNN is slow: see `MatrixMultiply.suitsOneDNN`.
    case byShape = "by_shape"
}

/// What the operands of linear layers and convolutions are rounded to before they are multiplied. Sums and results are float32 in any case.
public enum ProductPrecision: String, Sendable, CaseIterable {
    case float32, bfloat16
}

/// Float32 matrix products, all row-major.
///
/// The libraries run single-threaded: a result is cut into tiles here, so library threads never compete with those of other kernels. The tiles, and
/// so the results, depend on the shapes only, not on the thread count.
public enum MatrixMultiply {
    /// C [m, n] = op(A) [m, k] * op(B) [k, n] (+ C when `accumulate`).
    ///
    /// - Parameters:
    ///   - m: rows of C.
    ///   - n: columns of C.
    ///   - k: columns of op(A), rows of op(B).
    ///   - a: A as stored: [m, k], or [k, m] when `transposeA`.
    ///   - lda: floats from row to row of A.
    ///   - transposeA: whether A is stored transposed.
    ///   - b: B as stored: [k, n], or [n, k] when `transposeB`.
    ///   - ldb: floats from row to row of B.
    ///   - transposeB: whether B is stored transposed.
    ///   - c: C, [m, n].
    ///   - ldc: floats from row to row of C.
    ///   - accumulate: whether the product is added to what is in C.
    ///   - alpha: factor of the product.
    public static func multiply(
        m: Int, n: Int, k: Int, _ a: UnsafePointer<Float>, lda: Int, transposeA: Bool = false, _ b: UnsafePointer<Float>, ldb: Int,
        transposeB: Bool = false, into c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool = false, alpha: Float = 1
    ) {
        guard m > 0, n > 0 else { return }
        if k == 0 {
            if !accumulate { for row in 0..<m { (c + row * ldc).update(repeating: 0, count: n) } }
            return
        }
        KernelCounter.count(.matrixProduct, operations: 2 * m * n * k, bytes: 4 * (m * k + k * n + m * n)) {
            let backend = ComputeContext.current.backend
            // The longer side is cut, so that only the last piece has a ragged edge.
            let cutsRows = m >= n
            Threads.overPieces(ofRows: max(m, n), each: pieceRows, isParallel: m * n * k >= leastParallelWork) { range, _ in
                if cutsRows {
                    oneThread(
                        m: range.count, n: n, k: k, a + range.lowerBound * (transposeA ? 1 : lda), lda: lda, transposeA: transposeA, b, ldb: ldb,
                        transposeB: transposeB, into: c + range.lowerBound * ldc, ldc: ldc, accumulate: accumulate, alpha: alpha, by: backend)
                } else {
                    oneThread(
                        m: m, n: range.count, k: k, a, lda: lda, transposeA: transposeA, b + range.lowerBound * (transposeB ? ldb : 1), ldb: ldb,
                        transposeB: transposeB, into: c + range.lowerBound, ldc: ldc, accumulate: accumulate, alpha: alpha, by: backend)
                }
            }
        }
    }

    /// Rows of a piece: enough that packing the other operand again for each costs nothing measurable, few enough that a piece stays in the
    /// second-level cache.
    static let pieceRows = 256
    /// Multiplications below which waking other threads costs more than it saves.
    static let leastParallelWork = 1 << 20

    /// A product on the calling thread.
    static func oneThread(
        m: Int, n: Int, k: Int, _ a: UnsafePointer<Float>, lda: Int, transposeA: Bool, _ b: UnsafePointer<Float>, ldb: Int, transposeB: Bool,
        into c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool, alpha: Float = 1,
        by backend: MatrixMultiplyBackend = ComputeContext.current.backend
    ) {
        switch backend {
        case .openblas:
            OpenBLAS.multiply(m, n, k, a, lda, transposeA, b, ldb, transposeB, c, ldc, accumulate, alpha)
        case .onednn:
            OneDNN.multiply(m, n, k, a, lda, transposeA, b, ldb, transposeB, c, ldc, accumulate, alpha)
        case .byShape:
            let suits = suitsOneDNN(lda: lda, transposeA: transposeA, ldb: ldb, transposeB: transposeB, withAVX512: OneDNN.usesAVX512)
            oneThread(
                m: m, n: n, k: k, a, lda: lda, transposeA: transposeA, b, ldb: ldb, transposeB: transposeB, into: c, ldc: ldc, accumulate: accumulate,
                alpha: alpha, by: suits ? .onednn : .openblas)
        }
    }

    /// Whether rows so many numbers apart fall on the same few lines of the first-level cache: multiples of 2 KiB. Whoever reads across such rows
    /// without having copied them is about half as fast (oneDNN without AVX-512: 40 to 60 in place of 85 GFLOP/s on a core with AVX2).
    static func crowdsCache(rowsApart stride: Int) -> Bool { stride % 512 == 0 }

    /// Whether oneDNN is the faster library for such operands. Without AVX-512 it reads B [k, n] and A [k, m] across rows that it does not copy before.
    /// Where these crowd the cache, OpenBLAS, which copies, has 81 GFLOP/s; elsewhere less than oneDNN.
    package static func suitsOneDNN(lda: Int, transposeA: Bool, ldb: Int, transposeB: Bool, withAVX512: Bool) -> Bool {
        withAVX512 || !(transposeA && crowdsCache(rowsApart: lda) || !transposeB && crowdsCache(rowsApart: ldb))
    }

    /// Numbers from row to row at which weights of so many columns are best kept, where they are read more often than they change: not 2 KiB apart
    /// where oneDNN, the faster library then, would read across them.
    public static func rowsApart(ofKeptWeights columns: Int) -> Int {
        let suits = suitsOneDNN(lda: columns, transposeA: false, ldb: columns, transposeB: false, withAVX512: OneDNN.usesAVX512)
        return ComputeContext.current.backend == .byShape && !suits ? rowsApart(ofCopied: columns) : columns
    }

    /// Numbers from row to row of a copy of so many columns, which does not crowd the cache.
    static func rowsApart(ofCopied columns: Int) -> Int { crowdsCache(rowsApart: columns) ? columns + 16 : columns }

    /// Copies weights [rows, columns] to rows that lie `rowsApart(ofKeptWeights: columns)` apart.
    public static func spread(_ w: UnsafePointer<Float>, rows: Int, columns: Int, into copy: UnsafeMutablePointer<Float>) {
        let stride = rowsApart(ofKeptWeights: columns)
        KernelCounter.count(.conversion, operations: 0, bytes: 8 * rows * columns) {
            Threads.overRanges(rows, grain: max(1, (1 << 14) / columns)) { range in
                for row in range { (copy + row * stride).update(from: w + row * columns, count: columns) }
            }
        }
    }
}
