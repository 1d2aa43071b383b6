import Foundation

/// A recording's features brought to another number of rows.
package enum RowRescaling {
    /// Linear interpolation at the middles of the new rows, which share the recording's length equally; as many rows stay as they are.
    ///
    /// - Parameters:
    ///   - x: [rows, columns].
    ///   - count: rows of `x`; none: zeros.
    ///   - columns: values of a row.
    ///   - y: [target, columns].
    ///   - target: rows of `y`.
    package static func linear(_ x: UnsafePointer<Float>, rows count: Int, columns: Int, into y: UnsafeMutablePointer<Float>, rows target: Int) {
        guard count > 0 else { return y.update(repeating: 0, count: target * columns) }
        for row in 0..<target {
            let middle = (Double(row) + 0.5) * Double(count) / Double(target) - 0.5, position = min(max(middle, 0), Double(count - 1))
            let first = Int(position), second = min(first + 1, count - 1), share = Float(position - Double(first))
            for column in 0..<columns {
                let value = x[first * columns + column]
                y[row * columns + column] = share == 0 ? value : value + share * (x[second * columns + column] - value)
            }
        }
    }
}

/// e^x, for targets that import no Foundation.
func exponential(_ x: Double) -> Double { exp(x) }
