import Kernels

/// Multi-positive InfoNCE (APL Eq. 11) of some anchors against all rows.
///
/// With rows gathered from all ranks, each virtual shard computes the loss of its own anchors and the gradient with respect to all rows; the sum of
/// these over shards is the whole. The result is a pure function of the arguments (and the number of threads), so summing shards
/// in one fixed order gives the same bits wherever they were computed.
public struct InfoNCE {
    /// Sum over the anchors, divided by `anchorCount`.
    public var loss: Double
    /// d loss / d embeddings, [rows, columns].
    public var gradient: [Float]

    /// - Parameters:
    ///   - embeddings: [rows, columns], of any length; they are made unit vectors here.
    ///   - columns: values of an embedding.
    ///   - labels: one per row; rows of negative label take no part.
    ///   - anchors: the rows whose loss is wanted.
    ///   - anchorCount: anchors with a positive among *all* rows (`anchorsWithPositives`): the N of the mean.
    ///   - temperature: what similarities are divided by.
    public init(
        _ embeddings: UnsafePointer<Float>, columns: Int, labels: [Int], anchors: Range<Int>, anchorCount: Int, temperature: Float = 0.1
    ) {
        let rows = labels.count
        precondition(anchors.lowerBound >= 0 && anchors.upperBound <= rows, "anchors \(anchors) of \(rows) rows")
        loss = 0
        gradient = [Float](repeating: 0, count: rows * columns)
        guard anchorCount > 0, !anchors.isEmpty else { return }
        var z = [Float](repeating: 0, count: rows * columns), norms = [Float](repeating: 0, count: rows)
        ContrastiveLoss.normalize(embeddings, rows: rows, columns: columns, into: &z, norms: &norms)
        let count = anchors.count, scale = 1 / Float(anchorCount)
        var s = [Float](repeating: 0, count: count * rows), losses = [Double](repeating: 0, count: count)
        z.withUnsafeBufferPointer { z in
            guard let z = z.baseAddress else { return }
            let own = z + anchors.lowerBound * columns
            s.withUnsafeMutableBufferPointer { s in
                losses.withUnsafeMutableBufferPointer { losses in
                    gradient.withUnsafeMutableBufferPointer { gradient in
                        guard let s = s.baseAddress, let losses = losses.baseAddress, let gradient = gradient.baseAddress else { return }
                        MatrixMultiply.multiply(
                            m: count, n: rows, k: columns, own, lda: columns, z, ldb: columns, transposeB: true, into: s, ldc: rows,
                            alpha: 1 / temperature)
                        Threads.overRanges(count, grain: 8) { range in
                            for i in range {
                                losses[i] =
                                    ContrastiveLoss.anchor(
                                        anchors.lowerBound + i, labels: labels, count: rows, similarities: s + i * rows, scale: scale) ?? 0
                            }
                        }
                        // S = Z_own Z^T / t: every row gets G^T Z_own, the anchors G Z besides.
                        MatrixMultiply.multiply(
                            m: rows, n: columns, k: count, s, lda: rows, transposeA: true, own, ldb: columns, into: gradient, ldc: columns,
                            alpha: 1 / temperature)
                        MatrixMultiply.multiply(
                            m: count, n: columns, k: rows, s, lda: rows, z, ldb: columns, into: gradient + anchors.lowerBound * columns,
                            ldc: columns, accumulate: true, alpha: 1 / temperature)
                        ContrastiveLoss.normalizeBackward(gradient, z, norms: norms, rows: rows, columns: columns)
                    }
                }
            }
        }
        loss = losses.reduce(0, +) / Double(anchorCount)
    }

    /// How many rows have another row of their label.
    public static func anchorsWithPositives(_ labels: [Int]) -> Int {
        var counts: [Int: Int] = [:]
        for label in labels where label >= 0 { counts[label, default: 0] += 1 }
        return counts.values.reduce(0) { $0 + ($1 > 1 ? $1 : 0) }
    }
}
