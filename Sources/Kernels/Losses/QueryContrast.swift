/// Contrast of one query with one key against several negatives.
extension ContrastiveLoss {
    /// `-log(e^(q.k/t) / (e^(q.k/t) + sum_n e^(q.n/t)))`, all vectors made unit.
    ///
    /// - Parameters:
    ///   - x: [rows, columns]: query, key, negatives.
    ///   - rows: number of rows.
    ///   - columns: values of a row.
    ///   - temperature: what similarities are divided by.
    ///   - gradient: receives d loss / d x, [rows, columns]; nil: not computed.
    public static func query(
        _ x: UnsafePointer<Float>, rows: Int, columns: Int, temperature: Float, gradient: UnsafeMutablePointer<Float>?
    ) -> Double {
        // A precondition would be void: this target is compiled without checks.
        guard rows >= 2, columns >= 1 else { KernelFault.end("the contrast of a query has \(rows) rows of \(columns) columns, it needs a key") }
        var z = [Float](repeating: 0, count: rows * columns), norms = [Float](repeating: 0, count: rows)
        normalize(x, rows: rows, columns: columns, into: &z, norms: &norms)
        // The key has the query's label, negatives another.
        let labels = (0..<rows).map { $0 < 2 ? 1 : 0 }
        var s = [Float](repeating: 0, count: rows)
        MatrixMultiply.multiply(
            m: 1, n: rows, k: columns, z, lda: columns, z, ldb: columns, transposeB: true, into: &s, ldc: rows, alpha: 1 / temperature)
        let loss = anchor(0, label: 1, labels: labels, count: rows, similarities: &s, scale: 1) ?? 0
        guard let gradient else { return loss }
        // s = z_0 Z^T / t: every row gets s z_0, the query s Z.
        z.withUnsafeBufferPointer { z in
            guard let z = z.baseAddress else { return }
            for row in 0..<rows {
                let g = gradient + row * columns, factor = s[row] / temperature
                forEachPiece(0..<columns) { c, n in store(g + c, load(z + c, n) * factor, n) }
            }
        }
        MatrixMultiply.multiply(
            m: 1, n: columns, k: rows, s, lda: rows, z, ldb: columns, into: gradient, ldc: columns, accumulate: true, alpha: 1 / temperature)
        normalizeBackward(gradient, z, norms: norms, rows: rows, columns: columns)
        return loss
    }
}
