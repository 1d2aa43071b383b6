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
        z.withUnsafeBufferPointer { z in
            gradient.withUnsafeMutableBufferPointer { gradient in
                guard let z = z.baseAddress, let gradient = gradient.baseAddress else { return }
                let own = Anchors(
                    values: z + anchors.lowerBound * columns, labels: Array(labels[anchors]), places: Array(anchors), count: anchorCount)
                loss = Self.contrast(
                    own, rows: z, labels: labels, columns: columns, temperature: temperature, rowGradient: gradient,
                    anchorGradient: gradient + anchors.lowerBound * columns)
                ContrastiveLoss.normalizeBackward(gradient, z, norms: norms, rows: rows, columns: columns)
            }
        }
    }

    /// Whose loss is wanted.
    struct Anchors {
        /// Unit vectors, [anchors, columns].
        let values: UnsafePointer<Float>
        let labels: [Int]
        /// Of each anchor its place among the rows that it is compared with; -1: it is none of them.
        let places: [Int]
        /// The N of the mean: anchors of all shards that have a positive.
        let count: Int
    }

    /// Loss and gradient of anchors against rows, both of unit length.
    ///
    /// - Parameters:
    ///   - anchors: those of a shard.
    ///   - rows: unit vectors, [rows, columns].
    ///   - labels: of the rows.
    ///   - columns: values of a row.
    ///   - temperature: what similarities are divided by.
    ///   - rowGradient: receives d loss / d rows, [rows, columns], in place of what is there.
    ///   - anchorGradient: d loss / d anchors, [anchors, columns], is added to it.
    /// - Returns: sum over the anchors, divided by their `count`.
    static func contrast(
        _ anchors: Anchors, rows: UnsafePointer<Float>, labels: [Int], columns: Int, temperature: Float, rowGradient: UnsafeMutablePointer<Float>,
        anchorGradient: UnsafeMutablePointer<Float>
    ) -> Double {
        let count = anchors.labels.count, width = labels.count, scale = 1 / Float(max(anchors.count, 1))
        var s = [Float](repeating: 0, count: count * width), losses = [Double](repeating: 0, count: count)
        s.withUnsafeMutableBufferPointer { s in
            losses.withUnsafeMutableBufferPointer { losses in
                guard let s = s.baseAddress, let losses = losses.baseAddress else { return }
                MatrixMultiply.multiply(
                    m: count, n: width, k: columns, anchors.values, lda: columns, rows, ldb: columns, transposeB: true, into: s, ldc: width,
                    alpha: 1 / temperature)
                Threads.overRanges(count, grain: 8) { range in
                    for i in range {
                        losses[i] =
                            ContrastiveLoss.anchor(
                                anchors.places[i], label: anchors.labels[i], labels: labels, count: width, similarities: s + i * width, scale: scale)
                            ?? 0
                    }
                }
                // S = Z_own Z^T / t: every row gets G^T Z_own, the anchors G Z besides.
                MatrixMultiply.multiply(
                    m: width, n: columns, k: count, s, lda: width, transposeA: true, anchors.values, ldb: columns, into: rowGradient, ldc: columns,
                    alpha: 1 / temperature)
                MatrixMultiply.multiply(
                    m: count, n: columns, k: width, s, lda: width, rows, ldb: columns, into: anchorGradient, ldc: columns, accumulate: true,
                    alpha: 1 / temperature)
            }
        }
        return losses.reduce(0, +) / Double(max(anchors.count, 1))
    }

    /// How many rows have another row of their label.
    public static func anchorsWithPositives(_ labels: [Int]) -> Int {
        anchorsWithPositives(labels, places: Array(labels.indices), among: labels)
    }

    /// How many anchors have another row of their label among some rows.
    ///
    /// - Parameters:
    ///   - labels: of the anchors; those of negative label are none.
    ///   - places: of each anchor its place among the rows; -1: it is none of them.
    ///   - rows: labels of the rows.
    static func anchorsWithPositives(_ labels: [Int], places: [Int], among rows: [Int]) -> Int {
        var counts: [Int: Int] = [:]
        for label in rows where label >= 0 { counts[label, default: 0] += 1 }
        return zip(labels, places).count { label, place in (counts[label] ?? 0) > (place < 0 ? 0 : 1) }
    }
}
