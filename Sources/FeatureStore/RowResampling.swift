import TemporalAnnotations

/// The feature rows of a video brought to another rate by linear interpolation in time.
///
/// A new row stands between the two rows whose middles are its neighbours in time; before the first and after the last it is that row.
public struct RowResampling: Equatable, Sendable {
    /// Rows there were.
    public let sourceRows: Int
    /// Rows there are then.
    public let rows: Int
    /// Where these stand in time.
    public let grid: FeatureGrid
    private let rule: Rule

    private enum Rule: Equatable {
        /// New row r stands at r times this many old rows.
        case every(Double)
        /// The new rows share the video evenly.
        case sharing
    }

    /// Rows every `secondsPerRow` from the first row on, as an extractor of this stride gives them. The window stays.
    ///
    /// - Returns: nil for more rows than `FeatureLimits.rows`.
    public init?(rows: Int, grid: FeatureGrid, secondsPerRow: Double) {
        let stride = secondsPerRow * grid.fps
        let ratio = stride / grid.stride
        // A last row may stand a rounding error behind the last old one.
        let last = (Double(rows - 1) / ratio + 1e-6).rounded(.down)
        guard ratio > 0, last >= 0, last < Double(FeatureLimits.rows) else { return nil }
        sourceRows = rows
        self.rows = Int(last) + 1
        self.grid = FeatureGrid(fps: grid.fps, stride: stride, window: grid.window)
        rule = .every(ratio)
    }

    /// `count` rows whose windows, one beside the other, cover what the old windows saw.
    ///
    /// - Precondition: `count` is positive.
    public init(rows: Int, grid: FeatureGrid, count: Int) {
        let span = (Double(rows - 1) * grid.stride + grid.window) / Double(count)
        sourceRows = rows
        self.rows = count
        self.grid = FeatureGrid(fps: grid.fps, stride: span, window: span)
        rule = .sharing
    }

    /// Where a new row stands among the old ones, from 0 to `sourceRows - 1`.
    public func place(of row: Int) -> Double {
        let place =
            switch rule {
            case .every(let ratio): Double(row) * ratio
            case .sharing: (Double(row) + 0.5) * Double(sourceRows) / Double(rows) - 0.5
            }
        return min(Double(sourceRows - 1), max(0, place))
    }

    /// Interpolates `source` [sourceRows, columns] to `target` [rows, columns], row-major both.
    public func apply(_ source: UnsafePointer<Float>, columns: Int, to target: UnsafeMutablePointer<Float>) {
        apply(source, from: 0, columns: columns, rows: 0..<rows, to: target)
    }

    /// The old rows that some new ones are made of.
    public func sources(of range: Range<Int>) -> Range<Int> {
        guard !range.isEmpty else { return 0..<0 }
        return Int(place(of: range.lowerBound))..<min(Int(place(of: range.upperBound - 1)) + 2, sourceRows)
    }

    /// Makes some of the new rows.
    ///
    /// - Parameters:
    ///   - source: old rows from number `first` on; at least `sources(of: range)`.
    ///   - first: the number of the first old row there.
    ///   - columns: values per row.
    ///   - range: the new rows.
    ///   - target: takes them, row-major.
    public func apply(
        _ source: UnsafePointer<Float>, from first: Int, columns: Int, rows range: Range<Int>, to target: UnsafeMutablePointer<Float>
    ) {
        for row in range {
            let place = place(of: row)
            let low = Int(place)
            let share = Float(place - Double(low))
            let (a, b) = (source + (low - first) * columns, source + (min(low + 1, sourceRows - 1) - first) * columns)
            let made = target + (row - range.lowerBound) * columns
            for column in 0..<columns { made[column] = (1 - share) * a[column] + share * b[column] }
        }
    }
}
