import Kernels
import RandomStreams

/// k-means: the same rows, stream and settings give the same labels on every rank, for any number of threads.
///
/// Seeding is k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's iterations, ended when no row changes its cluster. Sums are in double
/// precision in the order of the rows; of equally near centers the first wins. An empty cluster takes the row farthest from its own center
/// (of equal ones the first) among clusters of more than one row.
public struct KMeans: Equatable, Sendable {
    /// Per row.
    public private(set) var labels: [Int]
    /// [clusters, columns].
    public private(set) var centers: [Double]
    /// Fewer than asked for when there are fewer distinct rows.
    public private(set) var clusters: Int
    /// Sum of the squared distances of rows to the centers they were last assigned to.
    public private(set) var inertia: Double
    /// Lloyd iterations run.
    public private(set) var iterations = 0

    /// - Parameters:
    ///   - x: [rows, columns].
    ///   - rows: number of rows.
    ///   - columns: values of a row.
    ///   - wanted: at least 1.
    ///   - maximumIterations: rounds after which it ends though centres still move.
    ///   - random: draws the first centres.
    public init(
        _ x: UnsafePointer<Float>, rows: Int, columns: Int, clusters wanted: Int, maximumIterations: Int = 50, random: inout RandomStream
    ) {
        labels = [Int](repeating: 0, count: rows)
        centers = []
        clusters = 0
        inertia = 0
        guard rows > 0 else { return }
        centers = Self.seeds(x, rows: rows, columns: columns, wanted: wanted, random: &random)
        clusters = centers.count / max(1, columns)
        var distances = [Double](repeating: 0, count: rows), previous: [Int]?
        while true {
            Clustering.nearest(x, rows: rows, columns: columns, centers: centers, clusters: clusters, into: &labels, distances: &distances)
            fillEmptyClusters(&distances)
            inertia = distances.reduce(0, +)
            if labels == previous || iterations == maximumIterations { break }
            previous = labels
            iterations += 1
            var counts = [Int](repeating: 0, count: clusters)
            for label in labels { counts[label] += 1 }
            Clustering.sums(x, rows: rows, columns: columns, labels: labels, clusters: clusters, into: &centers)
            for cluster in 0..<clusters { for c in 0..<columns { centers[cluster * columns + c] /= Double(counts[cluster]) } }
        }
    }

    /// k-means++. First center: a uniform row. Each further one: a row drawn with probability proportional to its squared distance to the nearest so
    /// far.
    ///
    /// - Returns: [clusters, columns]: fewer clusters than wanted when there are fewer distinct rows.
    static func seeds(_ x: UnsafePointer<Float>, rows: Int, columns: Int, wanted: Int, random: inout RandomStream) -> [Double] {
        let wanted = min(wanted, rows)
        var centers: [Double] = [], nearest = [Double](repeating: .infinity, count: rows), distances = nearest
        guard wanted > 0 else { return [] }
        var row = random.uniformIndex(below: rows)
        while true {
            let center = (0..<columns).map { Double(x[row * columns + $0]) }
            centers += center
            guard centers.count < wanted * columns else { return centers }
            Clustering.squaredDistances(x, rows: rows, columns: columns, center: center, into: &distances)
            for i in 0..<rows { nearest[i] = min(nearest[i], distances[i]) }
            let total = nearest.reduce(0, +)
            guard total > 0 else { return centers }
            let target = Double(random.next() >> 11) * 0x1p-53 * total
            var sum = 0.0, chosen = 0
            for i in 0..<rows where nearest[i] > 0 {
                chosen = i
                sum += nearest[i]
                if sum > target { break }
            }
            row = chosen
        }
    }

    private mutating func fillEmptyClusters(_ distances: inout [Double]) {
        var counts = [Int](repeating: 0, count: clusters)
        for label in labels { counts[label] += 1 }
        for cluster in 0..<clusters where counts[cluster] == 0 {
            var farthest: Int?
            for row in labels.indices where counts[labels[row]] > 1 {
                if farthest.map({ distances[row] > distances[$0] }) ?? true { farthest = row }
            }
            guard let farthest else { return }
            counts[labels[farthest]] -= 1
            counts[cluster] = 1
            labels[farthest] = cluster
            distances[farthest] = 0
        }
    }
}
