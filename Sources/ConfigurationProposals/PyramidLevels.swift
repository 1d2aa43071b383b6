import FeatureStore
import TemporalAnnotations

/// The levels of a feature pyramid for actions of some lengths.
///
/// Level l has a point every 2^l rows. It is responsible for actions whose farther end is 2^l to 4 x 2^l rows away (0 to 4 for the finest), so that
/// neighbouring levels share lengths, as `configs/sbhar_supervised.yaml` has it; the last level takes all that is longer. Coarser first levels
/// (ranges up to 16 rows at every row) lost 20 points of mAP on EMG gestures, whose actions have 22 to 66 rows: finer levels than actions need stay.
public struct PyramidLevels: Equatable, Sendable {
    /// At least 1.
    public var count: Int
    /// Per level, in rows.
    public var ranges: [ClosedRange<Int>]
    /// Why so many.
    public var reason: String
    /// What the ranges cover.
    public var rangesReason: String
    /// The longest action in rows, or what may be one.
    public var longest: Double

    /// What the last range ends with, where no action is longer: as in the published configurations.
    static let beyond = 10_000
    static let mostLevels = 10

    /// As many levels as let a point of the last one see 95 % of the actions from one end to the other, as far as the recordings have rows for them.
    ///
    /// - Parameters:
    ///   - actions: lengths in rows; nil: not known, and may be up to those of the recordings.
    ///   - recordings: lengths in rows.
    public init(actions: ValueSpread?, recordings: ValueSpread) {
        let length = actions?.high ?? recordings.median
        longest = max(actions?.greatest ?? recordings.greatest, 1)
        var levels = 1
        // The last level's range would end at 2^(levels + 1) rows; it has a few points in a recording of middle length.
        while levels < Self.mostLevels, Double(1 << (levels + 1)) < length, Double(1 << levels) <= recordings.median / 4 { levels += 1 }
        let covers = Double(1 << (levels + 1)) >= length
        count = levels
        let last = max(Self.beyond, Int(longest.rounded(.up)))
        ranges = (0..<levels).map { ($0 == 0 ? 0 : 1 << $0)...($0 == levels - 1 ? last : 1 << ($0 + 2)) }
        let spacing = "the last level's points are \(counted(1 << (levels - 1), "row")) apart"
        guard let actions else {
            reason = "\(spacing); lengths of actions are not known, recordings have \(Proposal.rows(recordings.median)) rows"
            rangesReason = "each level twice as far as the one before"
            return
        }
        reason = "\(spacing), 95 % of the actions have up to \(Proposal.rows(length)) rows"
        if !covers { reason += ", recordings \(Proposal.rows(recordings.median)): more levels would have too few points" }
        rangesReason =
            "half of an action has \(Proposal.rows(actions.low / 2)) to \(Proposal.rows(actions.high / 2)) rows (5 % to 95 %), "
            + "the longest \(Proposal.rows(actions.greatest / 2))"
        if actions.least < 1 { rangesReason += "; actions shorter than a row may have no point" }
    }

    /// The attention window: odd, from 9 to 37 rows of a level, on the last level about half a recording of middle length.
    ///
    /// On EMG gestures 9, 19 and 37 rows gave 78.6, 83.0 and 85.8 points of mAP with five levels. The rule gives about what was chosen for SBHAR (9) and
    /// published for THUMOS14 (19).
    func window(medianRows: Double) -> Int {
        let rows = Int(medianRows / 2 / Double(1 << (count - 1)))
        return min(37, max(9, rows / 2 * 2 + 1))
    }

    /// Bins of a boundary that reach the ends of the longest action from points near its middle, in rows of the last level; at least `least`.
    func bins(atLeast least: Int, atMost most: Int) -> Int {
        let needed = longest / 2 / Double(1 << (count - 1)) + 2
        return min(most, max(least, Int(needed.rounded(.up))))
    }
}
