/// The line seconds = alpha + beta x, by least squares of relative errors, so that small messages count as much as large ones.
package struct LinearFit {
    /// Seconds of an empty message, not negative.
    package var alpha: Double
    /// Seconds per unit of x.
    package var beta: Double
    /// The largest error, as a part of the measured time.
    package var largestError: Double

    package init(_ points: [(x: Double, seconds: Double)]) {
        var sums = (w: 0.0, x: 0.0, y: 0.0, xx: 0.0, xy: 0.0)
        for (x, y) in points where y > 0 {
            let weight = 1 / (y * y)
            sums = (sums.w + weight, sums.x + weight * x, sums.y + weight * y, sums.xx + weight * x * x, sums.xy + weight * x * y)
        }
        let determinant = sums.w * sums.xx - sums.x * sums.x
        var slope = determinant > 0 ? (sums.w * sums.xy - sums.x * sums.y) / determinant : 0
        var offset = sums.w > 0 ? (sums.y - slope * sums.x) / sums.w : 0
        // Neither is below zero: the other alone then fits best.
        if offset < 0 {
            offset = 0
            slope = sums.xx > 0 ? sums.xy / sums.xx : 0
        } else if slope < 0 {
            slope = 0
            offset = sums.w > 0 ? sums.y / sums.w : 0
        }
        alpha = offset
        beta = slope
        largestError = points.map { abs(offset + slope * $0.x - $0.seconds) / max($0.seconds, 1e-12) }.max() ?? 0
    }
}
