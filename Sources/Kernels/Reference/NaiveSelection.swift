import Foundation

extension NaiveKernels {
    /// The mean of each group's rows, [groups, channels].
    public static func rowMeans(_ x: [Float], channels: Int, groups: [[Int]]) -> [Float] {
        groups.flatMap { group in
            (0..<channels).map { c in Float(group.reduce(0.0) { $0 + Double(x[$1 * channels + c]) } / Double(group.count)) }
        }
    }

    /// The mean of the `counts[b]` largest values of each channel of each sequence, [sequences, channels].
    public static func topMeans(_ x: [Float], channels: Int, offsets: [Int], counts: [Int]) -> [Float] {
        (0..<offsets.count - 1).flatMap { b in
            (0..<channels).map { c in
                let values = (offsets[b]..<offsets[b + 1]).map { Double(x[$0 * channels + c]) }.sorted(by: >)
                return Float(values.prefix(counts[b]).reduce(0, +) / Double(counts[b]))
            }
        }
    }

    /// Softmax over the classes of each row, then binary cross-entropy, summed.
    public static func softmaxCrossEntropy(_ x: [Float], _ targets: [Float], classes: Int) -> Double {
        stride(from: 0, to: x.count, by: classes).reduce(0.0) { total, row in
            let e = (0..<classes).map { exp(Double(x[row + $0])) }, sum = e.reduce(0, +)
            return total
                + (0..<classes).reduce(0.0) {
                    let p = e[$1] / sum, t = Double(targets[row + $1])
                    return $0 - t * log(p) - (1 - t) * log(1 - p)
                }
        }
    }

    /// -log of the key's share among key and negatives; rows: query, key, negatives.
    public static func queryContrast(_ x: [Float], columns: Int, temperature: Double) -> Double {
        let rows = (0..<x.count / columns).map { row in x[row * columns..<(row + 1) * columns].map(Double.init) }
        func cosine(_ a: [Double], _ b: [Double]) -> Double {
            func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
            return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
        }
        let e = rows.dropFirst().map { exp(cosine(rows[0], $0) / temperature) }
        return -log(e[0] / e.reduce(0, +))
    }
}
