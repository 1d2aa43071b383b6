import Foundation

/// Proposals of one class from several sources, joined on one axis by a sum of wavelets (RickerFusion of PseudoFormer, arXiv 2504.14860).
///
/// The Ricker wavelet (Mexican hat) of a proposal is positive inside it, zero at its two ends and negative beside it. Where proposals agree their
/// wavelets add up; a fused proposal is a run above 0 of the sum. One proposal alone is fused to itself. The paper names the wavelet and the shared
/// space; widths, weights and the threshold are choices (docs/methods.md).
public enum RickerFusion {
    /// `(1 - x^2) exp(-x^2 / 2)`; x is the distance from the centre in half lengths, so the ends lie at -1 and 1.
    public static func wavelet(_ x: Double) -> Double { (1 - x * x) * exp(-x * x / 2) }

    /// Half lengths from the centre beyond which a wavelet counts as 0; there it is below 6e-7.
    static let reach = 6.0

    /// The sum over the proposals of their wavelets times their scores, at each place; scores below 0 count as 0. Summed in the order of the list.
    ///
    /// - Parameters:
    ///   - proposals: of one class.
    ///   - length: places of the axis (up-sampled segments); a proposal of places `first ..< end` has the centre `(first + end - 1) / 2` and the half
    ///     length `(end - first) / 2`.
    public static func sum(_ proposals: [Proposal], length: Int) -> [Double] {
        var result = [Double](repeating: 0, count: length)
        for proposal in proposals where proposal.score > 0 && !proposal.range.isEmpty {
            let half = Double(proposal.range.count) / 2, center = Double(proposal.range.lowerBound + proposal.range.upperBound - 1) / 2
            let first = max(0, Int((center - reach * half).rounded(.up))), last = min(length - 1, Int((center + reach * half).rounded(.down)))
            for place in first..<max(first, last + 1) { result[place] += proposal.score * wavelet((Double(place) - center) / half) }
        }
        return result
    }

    /// Runs of two and more places above 0: the fused proposals.
    public static func runs(_ sum: [Double]) -> [Range<Int>] { ranges(sum.map { $0 > 0 }).filter { $0.count > 1 } }

    /// Runs of places about which the sources are divided. A source says yes where the sum of its own proposals is above 0.
    ///
    /// - Parameters:
    ///   - sources: proposals of one class, source by source.
    ///   - length: places of the axis.
    ///   - share: the least part of the sources that is in the minority, above 0.
    public static func divided(_ sources: [[Proposal]], length: Int, share: Double) -> [Range<Int>] {
        var yes = [Int](repeating: 0, count: length)
        for source in sources { for (place, value) in sum(source, length: length).enumerated() where value > 0 { yes[place] += 1 } }
        // Of whole numbers, so that a third is a third.
        return ranges(yes.map { $0 > 0 && $0 < sources.count && Double(min($0, sources.count - $0)) >= share * Double(sources.count) - 1e-9 })
    }

    private static func ranges(_ holds: [Bool]) -> [Range<Int>] {
        var result: [Range<Int>] = [], first: Int?
        for (place, value) in (holds + [false]).enumerated() {
            if value {
                first = first ?? place
            } else if let begin = first {
                result.append(begin..<place)
                first = nil
            }
        }
        return result
    }
}
