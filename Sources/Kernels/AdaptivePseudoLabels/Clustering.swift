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
    public static func nearest(
        _ x: UnsafePointer<Float>, rows: Int, columns: Int, centers: UnsafePointer<Double>, clusters: Int,
        into labels: UnsafeMutablePointer<Int>, distances: UnsafeMutablePointer<Double>
    ) {
        Threads.overRanges(rows, grain: 16) { range in
            for row in range {
                var best = 0, least = Double.infinity
                for cluster in 0..<clusters {
                    let distance = squaredDistance(x + row * columns, centers + cluster * columns, columns)
                    if distance < least { (best, least) = (cluster, distance) }
                }
                labels[row] = best
                distances[row] = least
            }
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
