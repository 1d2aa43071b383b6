import Foundation

/// Row-wise parts of multi-positive InfoNCE.
public enum ContrastiveLoss {
    /// z = x / max(|x|, eps), row by row; norms in double precision.
    ///
    /// - Parameters:
    ///   - x: [rows, columns].
    ///   - rows: number of rows.
    ///   - columns: values of a row.
    ///   - z: receives [rows, columns].
    ///   - norms: [rows], receives max(|x|, eps).
    ///   - eps: the least length that is divided by.
    public static func normalize(
        _ x: UnsafePointer<Float>, rows: Int, columns: Int, into z: UnsafeMutablePointer<Float>, norms: UnsafeMutablePointer<Float>,
        eps: Double = 1e-12
    ) {
        for row in 0..<rows {
            let x = x + row * columns, z = z + row * columns
            let norm = max(Reductions.sumOfSquares(x, count: columns).squareRoot(), eps)
            norms[row] = Float(norm)
            let inverse = Float(1 / norm)
            forEachPiece(0..<columns) { c, n in store(z + c, load(x + c, n) * inverse, n) }
        }
    }

    /// dx = (dz - z (z . dz)) / |x|, row by row, in place.
    public static func normalizeBackward(
        _ gradient: UnsafeMutablePointer<Float>, _ z: UnsafePointer<Float>, norms: UnsafePointer<Float>, rows: Int, columns: Int
    ) {
        for row in 0..<rows {
            let g = gradient + row * columns, z = z + row * columns
            var products = Vector()
            forEachPiece(0..<columns) { c, n in products = products.addingProduct(load(g + c, n), load(z + c, n)) }
            let along = sum(products), inverse = 1 / norms[row]
            forEachPiece(0..<columns) { c, n in store(g + c, (load(g + c, n) - load(z + c, n) * along) * inverse, n) }
        }
    }

    /// One anchor's loss over its similarities s to some rows (already divided by the temperature), and d loss / d s in their place (Eq. 11):
    /// `1/|P| sum_{p in P} log((e^s_p + sum_{n in N} e^s_n) / e^s_p)`, P = rows of the anchor's label except itself, N = rows of other labels.
    /// Rows of negative label are in neither.
    ///
    /// - Parameters:
    ///   - index: the anchor's place among the rows; negative: it is none of them.
    ///   - label: of the anchor.
    ///   - labels: of the rows.
    ///   - count: rows.
    ///   - s: similarities of the anchor to the rows.
    ///   - scale: factor of the gradient.
    /// - Returns: the loss, nil (and a zero gradient) without a positive.
    public static func anchor(
        _ index: Int, label: Int, labels: UnsafePointer<Int>, count: Int, similarities s: UnsafeMutablePointer<Float>, scale: Float
    ) -> Double? {
        var positives = 0, greatest = -Float.infinity
        for j in 0..<count where j != index && labels[j] >= 0 {
            if labels[j] == label { positives += 1 } else { greatest = max(greatest, s[j]) }
        }
        guard label >= 0, positives > 0 else {
            for j in 0..<count { s[j] = 0 }
            return nil
        }
        // n = log of the negatives' sum; -infinity without negatives.
        var negatives = 0.0
        for j in 0..<count where labels[j] >= 0 && labels[j] != label { negatives += exp(Double(s[j] - greatest)) }
        let n = negatives > 0 ? Double(greatest) + log(negatives) : -Double.infinity
        let share = 1 / Double(positives)
        var loss = 0.0, dn = 0.0
        for j in 0..<count where j != index && labels[j] == label {
            // softplus(n - s_p) and its derivative.
            let d = n - Double(s[j]), e = exp(-abs(d))
            loss += max(d, 0) + log1p(e)
            let slope = share * (d >= 0 ? 1 / (1 + e) : e / (1 + e))
            dn += slope
            s[j] = -scale * Float(slope)
        }
        for j in 0..<count {
            if j == index || labels[j] < 0 {
                s[j] = 0
            } else if labels[j] != label {
                s[j] = scale * Float(dn * exp(Double(s[j]) - n))
            }
        }
        return loss * share
    }
}
