import Detectors
import Foundation
import RandomStreams

/// What BMN should have said of a batch's maps.
public struct BMNTargets: DetectorTargets {
    /// Counts of what losses are divided by, in the order of `normalizers`; the last is known after `settle`. With weights they are sums of weights.
    package enum Count: Int, CaseIterable {
        case rows, starts, ends, cells, positives, high, medium, low, classified, endRows, taken

        package var name: String { "bmn_\(self)" }
    }

    /// Factors of the losses' terms.
    package struct Weights: Equatable {
        /// [maps, T].
        package var start: [Float] = []
        package var end: [Float] = []
        /// [maps, valid cells].
        package var classification: [Float] = []
        package var regression: [Float] = []
    }

    /// T.
    package let scale: Int
    /// [maps, T]: the part of the row that a start's, an end's surroundings cover.
    package var start: [Float]
    package var end: [Float]
    /// [maps, valid cells]: the largest tIoU with a segment.
    package var overlap: [Float]
    /// [maps, valid cells]: tND to the segment of the largest tIoU; empty where nobody predicts it.
    package var distance: [Float] = []
    /// nil: all 1.
    package var weights: Weights?
    /// Whether the map has a segment; the others count nowhere.
    package var isCounted: [Bool]
    /// [recordings, classes], 0 or 1; empty without a classifier of recordings.
    package var classes: [Float] = []
    /// Per recording.
    package var isClassified: [Bool] = []
    /// [maps, valid cells]: whether the cell is one of those that the regression learns from; empty before `settle`.
    package var taken: [Bool] = []
    private let settings: BMNSettings

    /// A segment in rows of a map, row t being [t, t + 1).
    package typealias RowSegment = (start: Double, end: Double)

    /// - Parameters:
    ///   - maps: the segments of every map.
    ///   - weights: of these segments; nil: all 1.
    ///   - ignored: stretches of every map of which nothing is known; nil: none.
    ///   - settings: T, the layout, what a row stands for, and the thresholds.
    package init(_ maps: [[RowSegment]], weights: [[Float]]? = nil, ignored: [[RowSegment]]? = nil, _ settings: BMNSettings) {
        self.settings = settings
        scale = settings.temporalScale
        isCounted = maps.map { !$0.isEmpty }
        (start, end, overlap) = ([], [], [])
        let isWeighed = weights != nil || ignored != nil, learnsDistance = settings.options.quality.branches == .tiouTND
        let proposals = settings.map.proposals
        var factors = Weights()
        for (map, segments) in maps.enumerated() {
            let order = segments.indices.sorted { (segments[$0].start, segments[$0].end, $0) < (segments[$1].start, segments[$1].end, $1) }
            let labels = MapLabels(
                segments: order.map { segments[$0] }, weights: weights.map { own in order.map { own[map][$0] } }, ignored: ignored?[map] ?? [],
                proposals: proposals, settings)
            let starts = labels.rows(\.start), ends = labels.rows(\.end), cells = labels.cells(withDistance: learnsDistance)
            start += starts.covered
            end += ends.covered
            overlap += cells.overlap
            distance += cells.distance
            guard isWeighed else { continue }
            factors.start += starts.weights
            factors.end += ends.weights
            factors.classification += cells.classification
            factors.regression += cells.regression
        }
        if isWeighed { self.weights = factors }
    }

    /// Cells of a map.
    var cells: Int { isCounted.isEmpty ? 0 : overlap.count / isCounted.count }

    /// Which cells the regression tells apart; nil: none of them.
    package enum Band { case high, medium, low }

    func band(_ overlap: Float) -> Band? {
        if overlap > settings.highThreshold { return .high }
        if overlap > settings.lowThreshold { return .medium }
        return overlap > 0 || settings.lowIncludesZero ? .low : nil
    }

    /// All of `Count` but the cells taken.
    public var counts: [Double] {
        var result = [Double](repeating: 0, count: Count.allCases.count - 1)
        func count(_ what: Count, _ weights: [Float]?, _ place: Int) { result[what.rawValue] += weights.map { Double($0[place]) } ?? 1 }
        let cells = cells
        for (map, isCounted) in isCounted.enumerated() where isCounted {
            for t in map * scale..<(map + 1) * scale {
                count(.rows, weights?.start, t)
                count(.endRows, weights?.end, t)
                if start[t] > settings.boundaryThreshold { count(.starts, weights?.start, t) }
                if end[t] > settings.boundaryThreshold { count(.ends, weights?.end, t) }
            }
            for cell in map * cells..<(map + 1) * cells {
                count(.cells, weights?.classification, cell)
                if overlap[cell] > settings.positiveThreshold { count(.positives, weights?.classification, cell) }
                switch band(overlap[cell]) {
                case .high: count(.high, weights?.regression, cell)
                case .medium: count(.medium, weights?.regression, cell)
                case .low: count(.low, weights?.regression, cell)
                case nil: break
                }
            }
        }
        result[Count.classified.rawValue] = Double(isClassified.count { $0 })
        return result
    }

    /// Draws the cells that the regression learns from: all of high overlap, and of medium and of low overlap about as many each.
    ///
    /// - Returns: how many they are, or the sum of their weights.
    public mutating func settle(_ sums: [Double], random: inout RandomStream) -> [Double] {
        let draws = (0..<2).map { _ in (0..<overlap.count).map { _ in random.uniform() } }
        return settle(sums, medium: draws[0], low: draws[1])
    }

    /// - Parameters:
    ///   - sums: of `counts` over the mini-batch.
    ///   - medium: [maps, valid cells], uniform draws: a cell of medium overlap is taken above 1 - high / medium.
    ///   - low: likewise for cells of low overlap.
    package mutating func settle(_ sums: [Double], medium: [Float], low: [Float]) -> [Double] {
        func threshold(_ band: Count) -> Float {
            let sum = sums[band.rawValue]
            // Weights may add up to less than one cell.
            return Float(1 - min(1, sums[Count.high.rawValue] / (weights == nil ? max(sum, 1) : max(sum, 1e-12))))
        }
        let ofMedium = threshold(.medium), ofLow = threshold(.low), cells = cells
        taken = overlap.indices.map { cell in
            guard isCounted[cell / cells], weights?.regression[cell] != 0 else { return false }
            switch band(overlap[cell]) {
            case .high: return true
            case .medium: return medium[cell] > ofMedium
            case .low: return low[cell] > ofLow
            case nil: return false
            }
        }
        guard let weights else { return [Double(taken.count { $0 })] }
        return [taken.indices.reduce(0.0) { taken[$1] ? $0 + Double(weights.regression[$1]) : $0 }]
    }
}
