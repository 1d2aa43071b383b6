import Detectors
import Foundation
import RandomStreams

/// What BMN should have said of a batch's maps.
public struct BMNTargets: DetectorTargets {
    /// Counts of what losses are divided by, in the order of `normalizers`; the last is known after `settle`.
    package enum Count: Int, CaseIterable {
        case rows, starts, ends, cells, positives, high, medium, low, classified, taken

        package var name: String { "bmn_\(self)" }
    }

    /// T.
    package let scale: Int
    /// [maps, T]: the part of the row that a start's, an end's surroundings cover.
    package var start: [Float]
    package var end: [Float]
    /// [maps, valid cells]: the largest tIoU with a segment.
    package var overlap: [Float]
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
    ///   - settings: T, the layout, what a row stands for, and the thresholds.
    package init(_ maps: [[RowSegment]], _ settings: BMNSettings) {
        self.settings = settings
        scale = settings.temporalScale
        let proposals = settings.map.proposals, anchor = settings.boundaryAnchor.offsets
        start = []
        end = []
        overlap = []
        isCounted = maps.map { !$0.isEmpty }
        start.reserveCapacity(maps.count * scale)
        end.reserveCapacity(maps.count * scale)
        overlap.reserveCapacity(maps.count * proposals.count)
        for segments in maps {
            func covered(_ t: Int, _ boundary: (RowSegment) -> Double) -> Float {
                let low = Double(t) + anchor.low, high = Double(t) + anchor.high
                return segments.reduce(Float(0)) { best, segment in
                    let center = boundary(segment)
                    return max(best, Float(max(0, min(high, center + 1.5) - max(low, center - 1.5)) / (high - low)))
                }
            }
            for t in 0..<scale {
                start.append(covered(t, \.start))
                end.append(covered(t, \.end))
            }
            for proposal in proposals {
                let low = Double(proposal.start), high = Double(proposal.end)
                overlap.append(
                    segments.reduce(Float(0)) { best, segment in
                        let shared = max(0, min(high, segment.end) - max(low, segment.start))
                        return max(best, Float(shared / max(high - low + segment.end - segment.start - shared, 1e-12)))
                    })
            }
        }
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
        func count(_ what: Count, _ number: Int = 1) { result[what.rawValue] += Double(number) }
        let cells = cells
        for (map, isCounted) in isCounted.enumerated() where isCounted {
            count(.rows, scale)
            count(.cells, cells)
            for t in map * scale..<(map + 1) * scale {
                if start[t] > settings.boundaryThreshold { count(.starts) }
                if end[t] > settings.boundaryThreshold { count(.ends) }
            }
            for cell in map * cells..<(map + 1) * cells {
                if overlap[cell] > settings.positiveThreshold { count(.positives) }
                switch band(overlap[cell]) {
                case .high: count(.high)
                case .medium: count(.medium)
                case .low: count(.low)
                case nil: break
                }
            }
        }
        count(.classified, isClassified.count { $0 })
        return result
    }

    /// Draws the cells that the regression learns from: all of high overlap, and of medium and of low overlap about as many each.
    ///
    /// - Returns: how many they are.
    public mutating func settle(_ sums: [Double], random: inout RandomStream) -> [Double] {
        let draws = (0..<2).map { _ in (0..<overlap.count).map { _ in random.uniform() } }
        return settle(sums, medium: draws[0], low: draws[1])
    }

    /// - Parameters:
    ///   - sums: of `counts` over the mini-batch.
    ///   - medium: [maps, valid cells], uniform draws: a cell of medium overlap is taken above 1 - high / medium.
    ///   - low: likewise for cells of low overlap.
    package mutating func settle(_ sums: [Double], medium: [Float], low: [Float]) -> [Double] {
        func threshold(_ band: Count) -> Float { Float(1 - min(1, sums[Count.high.rawValue] / max(sums[band.rawValue], 1))) }
        let ofMedium = threshold(.medium), ofLow = threshold(.low), cells = cells
        taken = overlap.indices.map { cell in
            guard isCounted[cell / cells] else { return false }
            switch band(overlap[cell]) {
            case .high: return true
            case .medium: return medium[cell] > ofMedium
            case .low: return low[cell] > ofLow
            case nil: return false
            }
        }
        return [Double(taken.count { $0 })]
    }
}
