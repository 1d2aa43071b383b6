/// Distances for k-means, in double precision and an order that depends on the shapes alone.
public enum Clustering {
    /// result [rows] = squared distance of each row of x [rows, columns] to `center` [columns].
    public static func squaredDistances(
        _ x: UnsafePointer<Float>, rows: Int, columns: Int, center: UnsafePointer<Double>, into result: UnsafeMutablePointer<Double>
    ) {
        Threads.overRanges(rows, grain: 16) { range in
            for row in range { result[row] = squaredDistance(x + row * columns, center, columns) }
        }
    }

    @inline(__always) private static func squaredDistance(_ x: UnsafePointer<Float>, _ center: UnsafePointer<Double>, _ columns: Int) -> Double {
        var lanes = SIMD8<Double>(), rest = 0.0
        var c = 0
        while c &+ 8 <= columns {
            let values = UnsafeRawPointer(x + c).loadUnaligned(as: SIMD8<Float>.self)
            let d = SIMD8<Double>(values) - UnsafeRawPointer(center + c).loadUnaligned(as: SIMD8<Double>.self)
            lanes += d * d
            c &+= 8
        }
        while c < columns {
            let d = Double(x[c]) - center[c]
            rest += d * d
            c &+= 1
        }
        return lanes.sum() + rest
    }

    /// For each row the nearest of `clusters` centers [clusters, columns] (of equally near ones the first) and its squared distance.
    ///
    /// The result is that of float64 distances to all centers. With several centers a float32 product of matrices first finds those that may be the
    /// nearest: their distance exceeds the least by no more than the product's rounding can account for.
    public static func nearest(
        _ x: UnsafePointer<Float>, rows: Int, columns: Int, centers: UnsafePointer<Double>, clusters: Int,
        into labels: UnsafeMutablePointer<Int>, distances: UnsafeMutablePointer<Double>
    ) {
        let estimates = clusters < leastForProducts ? nil : Estimates(x, rows: rows, columns: columns, centers: centers, clusters: clusters)
        Threads.overRanges(rows, grain: 16) { range in
            for row in range {
                var best = 0, least = Double.infinity
                let limit = estimates?.limit(row) ?? .infinity
                for cluster in 0..<clusters {
                    // Not-a-numbers and infinities exclude nothing.
                    if let estimates, estimates.values[row * clusters + cluster] > limit { continue }
                    let distance = squaredDistance(x + row * columns, centers + cluster * columns, columns)
                    if distance < least { (best, least) = (cluster, distance) }
                }
                labels[row] = best
                distances[row] = least
            }
        }
    }

    /// Centers below which a product of matrices saves nothing.
    static let leastForProducts = 4

    /// `|c|^2 - 2 x . c` of each row and center: its squared distance without `|x|^2`, in float32.
    private struct Estimates {
        /// [rows, clusters].
        let values: [Float]
        let columns: Int
        let clusters: Int
        /// |x| of each row.
        let lengths: [Float]
        /// The greatest |c|.
        let greatest: Float

        init(_ x: UnsafePointer<Float>, rows: Int, columns: Int, centers: UnsafePointer<Double>, clusters: Int) {
            var rounded = [Float](repeating: 0, count: clusters * columns), squares = [Double](repeating: 0, count: clusters)
            for cluster in 0..<clusters {
                var sum = 0.0
                for c in cluster * columns..<(cluster + 1) * columns {
                    sum += centers[c] * centers[c]
                    rounded[c] = Float(centers[c])
                }
                squares[cluster] = sum
            }
            var values = [Float](repeating: 0, count: rows * clusters), lengths = [Float](repeating: 0, count: rows)
            for row in 0..<rows {
                for cluster in 0..<clusters { values[row * clusters + cluster] = Float(squares[cluster]) }
                lengths[row] = Float(Reductions.sumOfSquares(x + row * columns, count: columns).squareRoot())
            }
            MatrixMultiply.multiply(
                m: rows, n: clusters, k: columns, x, lda: columns, rounded, ldb: columns, transposeB: true, into: &values, ldc: clusters,
                accumulate: true, alpha: -2)
            self.values = values
            self.lengths = lengths
            self.columns = columns
            self.clusters = clusters
            greatest = Float((squares.max() ?? 0).squareRoot())
        }

        /// What the estimate of the nearest center does not exceed: a product of n numbers in any order is off by n u |x| |c| at most, u = 2^-24.
        func limit(_ row: Int) -> Float {
            var least = Float.infinity
            for cluster in 0..<clusters { least = min(least, values[row * clusters + cluster]) }
            let limit = least + 4 * 0x1p-24 * Float(columns + 8) * greatest * (lengths[row] + greatest)
            return limit.isFinite ? limit : .infinity
        }
    }

    /// sums [clusters, columns] = sums of the rows of each cluster, in the order of the rows.
    public static func sums(
        _ x: UnsafePointer<Float>, rows: Int, columns: Int, labels: UnsafePointer<Int>, clusters: Int, into sums: UnsafeMutablePointer<Double>
    ) {
        sums.update(repeating: 0, count: clusters * columns)
        for row in 0..<rows {
            let x = x + row * columns, sum = sums + labels[row] * columns
            for c in 0..<columns { sum[c] += Double(x[c]) }
        }
    }
}
