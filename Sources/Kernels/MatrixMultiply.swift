import COpenBLAS

/// Which library multiplies matrices.
public enum MatrixMultiplyBackend: String, Sendable, CaseIterable {
    case openblas
}

/// Float32 matrix products, all row-major.
public enum MatrixMultiply {
    nonisolated(unsafe) public static var backend = MatrixMultiplyBackend.openblas

    /// The library runs one thread: rows or columns of the result are shared out here, so its threads never compete with the other kernels'.
    private static let oneThread: Void = openblas_set_num_threads(1)

    /// C [m, n] = op(A) [m, k] * op(B) [k, n] (+ C when `accumulate`).
    ///
    /// - Parameters:
    ///   - a, lda: A as stored: [m, k], or [k, m] when `transposeA`; `lda` floats from row to row. Likewise B.
    ///   - alpha: factor of the product.
    public static func multiply(
        m: Int, n: Int, k: Int, _ a: UnsafePointer<Float>, lda: Int, transposeA: Bool = false, _ b: UnsafePointer<Float>, ldb: Int,
        transposeB: Bool = false, into c: UnsafeMutablePointer<Float>, ldc: Int, accumulate: Bool = false, alpha: Float = 1
    ) {
        guard m > 0, n > 0 else { return }
        _ = oneThread
        if k == 0 {
            if !accumulate { for row in 0..<m { (c + row * ldc).update(repeating: 0, count: n) } }
            return
        }
        let parts = parts(of: max(m, n), work: min(m, n) * k)
        if m >= n {
            // Multiples of 16 rows, so that only the last part has a ragged edge.
            Threads.overBlocks(m, block: 16, parts: parts) { rows in
                sgemm(
                    rows.count, n, k, a + rows.lowerBound * (transposeA ? 1 : lda), lda, transposeA, b, ldb, transposeB, c + rows.lowerBound * ldc,
                    ldc, accumulate, alpha)
            }
        } else {
            Threads.overBlocks(n, block: 16, parts: parts) { columns in
                sgemm(
                    m, columns.count, k, a, lda, transposeA, b + columns.lowerBound * (transposeB ? ldb : 1), ldb, transposeB,
                    c + columns.lowerBound, ldc, accumulate, alpha)
            }
        }
    }

    /// OpenBLAS multiplies small matrices (up to 1e6 multiplications) by other kernels, whose sums differ in their last bits. Parts of a larger product
    /// stay above that, so every element has the same bits for every thread count.
    private static let leastWork = 1 << 21

    /// How many threads share out `rows` in blocks of 16, each row costing `work` multiplications.
    private static func parts(of rows: Int, work: Int) -> Int {
        let blocks = (rows + 15) / 16
        var parts = min(Threads.count, blocks)
        // The smallest part has floor(blocks / parts) blocks, of which the last may be ragged.
        while parts > 1, (blocks / parts * 16 - (blocks * 16 - rows)) * work < leastWork { parts -= 1 }
        return parts
    }

    private static func sgemm(
        _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ transposeA: Bool, _ b: UnsafePointer<Float>, _ ldb: Int,
        _ transposeB: Bool, _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ accumulate: Bool, _ alpha: Float
    ) {
        cblas_sgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, Int32(m), Int32(n), Int32(k), alpha, a,
            Int32(lda), b, Int32(ldb), accumulate ? 1 : 0, c, Int32(ldc))
    }
}
