import Foundation

/// Reference versions of TriDet's kernels: plain loops in double precision.
extension NaiveKernels {
    /// Group norm within each sequence.
    public static func groupNorm(
        _ x: [Float], channels: Int, groups: Int, offsets: [Int], _ weight: [Float], _ bias: [Float], eps: Double = 1e-5
    ) -> [Float] {
        var y = x
        let width = channels / groups
        for b in 0..<offsets.count - 1 {
            for group in 0..<groups {
                let places = (offsets[b]..<offsets[b + 1]).flatMap { row in (group * width..<(group + 1) * width).map { row * channels + $0 } }
                guard !places.isEmpty else { continue }
                let mean = places.reduce(0.0) { $0 + Double(x[$1]) } / Double(places.count)
                let variance = places.reduce(0.0) { $0 + (Double(x[$1]) - mean) * (Double(x[$1]) - mean) } / Double(places.count)
                for i in places {
                    let normalized = (Double(x[i]) - mean) / (variance + eps).squareRoot()
                    y[i] = Float(normalized * Double(weight[i % channels]) + Double(bias[i % channels]))
                }
            }
        }
        return y
    }

    /// [sequences, channels]: the mean of each sequence's rows.
    public static func sequenceMean(_ x: [Float], channels: Int, offsets: [Int]) -> [Float] {
        (0..<offsets.count - 1).flatMap { b in
            (0..<channels).map { c in
                let column = (offsets[b]..<offsets[b + 1]).map { Double(x[$0 * channels + c]) }
                return column.isEmpty ? 0 : Float(column.reduce(0, +) / Double(column.count))
            }
        }
    }

    /// `instant * gate(sequence) + (narrow + wide) * modulation + x`.
    public static func scalableGranularity(
        instant: [Float], gate: [Float], narrow: [Float], wide: [Float], modulation: [Float], x: [Float], channels: Int, offsets: [Int]
    ) -> [Float] {
        var y = x
        for b in 0..<offsets.count - 1 {
            for i in offsets[b] * channels..<offsets[b + 1] * channels {
                let first = Double(instant[i]) * Double(gate[b * channels + i % channels])
                y[i] = Float(first + (Double(narrow[i]) + Double(wide[i])) * Double(modulation[i]) + Double(x[i]))
            }
        }
        return y
    }

    /// Distances to start and end of the row `row` of one sequence, whose arrays begin at its first row: start, end [rows, classes],
    /// center [rows, 2 * (bins + 1)]. The published way: boundary logits padded by `bins` zeros on one side, a window of bins + 1 of them per row.
    public static func tridentDistances(
        start: [Float], end: [Float], center: [Float], rows: Int, classes: Int, bins: Int, row: Int, label: Int
    ) -> (start: Double, end: Double) {
        let column = { (logits: [Float]) in (0..<rows).map { Double(logits[$0 * classes + label]) } }
        let padding = [Double](repeating: 0, count: bins)
        let starts = (padding + column(start))[row...row + bins], ends = (column(end) + padding)[row...row + bins]
        func expectation(_ boundary: ArraySlice<Double>, _ own: Int, _ distances: [Int]) -> Double {
            let weights = zip(boundary, 0...bins).map { logit, j in exp(logit + Double(center[(2 * row + own) * (bins + 1) + j])) }
            return zip(weights, distances).reduce(0) { $0 + $1.0 * Double($1.1) } / weights.reduce(0, +)
        }
        return (expectation(starts, 0, Array((0...bins).reversed())), expectation(ends, 1, Array(0...bins)))
    }
}
