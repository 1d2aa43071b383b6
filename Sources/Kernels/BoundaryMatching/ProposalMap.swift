import Foundation

/// What the rows and columns of a proposal map stand for.
public enum ProposalLayout: String, Sendable, CaseIterable {
    /// Rows are starts, columns ends: cell (s, e) with e >= s is the proposal [s, e + 1). The published code's.
    case startEnd = "start_end"
    /// Rows are durations, columns starts: cell (d, s) with s + d < T is the proposal [s, s + d + 1). That of the paper, of SSTAP and of OpenTAD.
    case durationStart = "duration_start"
}

/// All proposals over T rows of features, as the cells of a map (Lin et al., "BMN: Boundary-Matching Network for Temporal Action Proposal
/// Generation", ICCV 2019).
public struct ProposalMap: Equatable, Sendable {
    public let layout: ProposalLayout
    /// Rows of features, T.
    public let scale: Int
    /// The cells that stand for a proposal.
    public let valid: MapRegion

    /// - Parameters:
    ///   - layout: what rows and columns stand for.
    ///   - scale: rows of features, T.
    ///   - durations: with `durationStart` the rows of the map: proposals of 1 to so many rows; at most `scale`. `startEnd` has them all.
    public init(_ layout: ProposalLayout, scale: Int, durations: Int) {
        self.layout = layout
        self.scale = scale
        switch layout {
        case .startEnd: valid = MapRegion(columns: scale, spans: (0..<scale).map { $0..<scale })
        case .durationStart: valid = MapRegion(columns: scale, spans: (0..<durations).map { 0..<max(0, scale - $0) })
        }
    }

    /// The proposal of a cell, in rows of features; `end` is exclusive.
    public func proposal(row: Int, column: Int) -> (start: Int, end: Int) {
        switch layout {
        case .startEnd: (row, column + 1)
        case .durationStart: (column, column + row + 1)
        }
    }

    /// The proposals of the valid cells, in their packed order.
    public var proposals: [(start: Int, end: Int)] {
        valid.spans.enumerated().flatMap { row, span in span.map { proposal(row: row, column: $0) } }
    }

    /// Between which rows of features samples are taken, before the margin: [s, e + 1] with `startEnd`, [s, s + d] with `durationStart`, as the published
    /// codes have it.
    func core(row: Int, column: Int) -> (first: Double, last: Double) {
        switch layout {
        case .startEnd: (Double(row), Double(column + 1))
        case .durationStart: (Double(column), Double(column + row))
        }
    }
}

/// The sampling of boundary matching: the features of a cell are N sums over rows, `f(n, cell) = sum over t of W[t, n, cell] F(t)`, W constant and sparse.
///
/// A core [a, b] is widened by `expansion` times b - a + 1 on either side; 3 N points at equal distances lie in it, and sample n is the mean of three,
/// each interpolated between its neighbouring rows. As in the published code fractions are cut toward zero: a point in (-1, 0) is row 0, one in
/// (T - 1, T) is row T - 1 times one minus the fraction; points beyond give zeros.
public struct BoundaryMatchingMask: Equatable, Sendable {
    public let map: ProposalMap
    /// N.
    public let samples: Int
    /// Per valid cell, in packed order, where its entries begin; one more than there are cells.
    public let begins: [Int32]
    /// Of each entry n * T + t, ascending within a cell.
    public let places: [Int32]
    /// Of each entry W[t, n, cell]; none is 0.
    public let weights: [Float]

    /// - Parameters:
    ///   - map: the proposals.
    ///   - samples: N, at least 1; with `pointsPerSample` 1 at least 2.
    ///   - pointsPerSample: points whose mean is a sample.
    ///   - expansion: the margin on either side, as a part of the core's length.
    public init(_ map: ProposalMap, samples: Int, pointsPerSample: Int, expansion: Double) {
        self.map = map
        self.samples = samples
        let scale = map.scale, points = samples * pointsPerSample
        var begins: [Int32] = [0], places: [Int32] = [], weights: [Float] = []
        var column = [Double](repeating: 0, count: scale)
        for (row, span) in map.valid.spans.enumerated() {
            for cell in span {
                let (first, last) = map.core(row: row, column: cell), length = last - first + 1
                let low = first - length * expansion, high = last + length * expansion, step = (high - low) / Double(points - 1)
                for sample in 0..<samples {
                    var touched: [Int] = []
                    for point in sample * pointsPerSample..<(sample + 1) * pointsPerSample {
                        let x = low + Double(point) * step, whole = x.rounded(.towardZero), fraction = x - whole
                        for (t, weight) in [(Int(whole), 1 - fraction), (Int(x.rounded(.up)), fraction)] where t >= 0 && t < scale {
                            column[t] += weight
                            touched.append(t)
                        }
                    }
                    for t in Set(touched).sorted() {
                        let weight = Float(column[t] / Double(pointsPerSample))
                        column[t] = 0
                        guard weight != 0 else { continue }
                        places.append(Int32(sample * scale + t))
                        weights.append(weight)
                    }
                }
                begins.append(Int32(places.count))
            }
        }
        self.begins = begins
        self.places = places
        self.weights = weights
    }
}
