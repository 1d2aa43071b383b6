import Foundation

/// The trident head's distances (TriDet, arXiv 2303.07347, Eqs. 4 to 6): the expectation over `bins + 1` bins of a softmax, whose logits are a
/// boundary head's at the bins' rows plus the centre-offset head's at the point itself. Bins beyond the sequence's ends have the boundary logit 0.
public struct TridentOffsets {
    /// [rows, classes].
    public let start: UnsafePointer<Float>
    /// [rows, classes].
    public let end: UnsafePointer<Float>
    /// [rows, 2 * (bins + 1)]: for the start, farthest bin first; for the end, nearest bin first.
    public let center: UnsafePointer<Float>
    public let classes: Int
    /// The farthest bin's distance, in rows.
    public let bins: Int

    /// A view of the three heads' outputs; the memory stays the caller's and must outlive it.
    public init(
        start: UnsafePointer<Float>, end: UnsafePointer<Float>, center: UnsafePointer<Float>, classes: Int, bins: Int
    ) {
        self.start = start
        self.end = end
        self.center = center
        self.classes = classes
        self.bins = bins
    }

    /// Where a distance is asked for.
    public struct Place: Hashable, Sendable {
        public let row: Int
        public let label: Int
        /// Rows of the sequence that the row belongs to.
        public let sequence: Range<Int>
        /// `row` and `sequence` count rows of the packed matrix; the distance is that of class `label`.
        public init(row: Int, label: Int, sequence: Range<Int>) {
            self.row = row
            self.label = label
            self.sequence = sequence
        }
    }

    /// Distances to start and end, in rows.
    public func distances(_ place: Place) -> (start: Float, end: Float) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: bins + 1) { p in
            (expectation(place, isEnd: false, p), expectation(place, isEnd: true, p))
        }
    }

    /// Adds the gradients of `distances(place)` times `slope` to arrays like `start`, `end` and `center`.
    public func addGradients(
        _ place: Place, slope: (start: Float, end: Float), start dStart: UnsafeMutablePointer<Float>?, end dEnd: UnsafeMutablePointer<Float>?,
        center dCenter: UnsafeMutablePointer<Float>?
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: bins + 1) { p in
            for isEnd in [false, true] {
                let mean = expectation(place, isEnd: isEnd, p), factor = isEnd ? slope.end : slope.start
                let dBoundary = isEnd ? dEnd : dStart, dOwn = dCenter.map { $0 + centerBegin(place, isEnd) }
                for j in 0...bins {
                    let g = factor * p[j] * (Float(isEnd ? j : bins - j) - mean), row = boundaryRow(place, isEnd, j)
                    dOwn?[j] += g
                    if place.sequence.contains(row) { dBoundary?[row * classes + place.label] += g }
                }
            }
        }
    }

    private func boundaryRow(_ place: Place, _ isEnd: Bool, _ j: Int) -> Int { isEnd ? place.row + j : place.row - bins + j }
    private func centerBegin(_ place: Place, _ isEnd: Bool) -> Int { (2 * place.row + (isEnd ? 1 : 0)) * (bins + 1) }

    /// Leaves the probabilities in `p`.
    private func expectation(_ place: Place, isEnd: Bool, _ p: UnsafeMutableBufferPointer<Float>) -> Float {
        let boundary = isEnd ? end : start, own = center + centerBegin(place, isEnd)
        var most = -Float.infinity
        for j in 0...bins {
            let row = boundaryRow(place, isEnd, j)
            p[j] = own[j] + (place.sequence.contains(row) ? boundary[row * classes + place.label] : 0)
            most = max(most, p[j])
        }
        var total: Float = 0, weighted: Float = 0
        for j in 0...bins {
            p[j] = exp(p[j] - most)
            total += p[j]
            weighted += p[j] * Float(isEnd ? j : bins - j)
        }
        for j in 0...bins { p[j] /= total }
        return weighted / total
    }
}
