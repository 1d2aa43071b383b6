/// Cells of a map [rows, columns], in each row one run of neighbouring columns, packed row by row: a whole map, the cells of a proposal map that
/// stand for a proposal, or these with the cells around them.
public struct MapRegion: Equatable, Sendable {
    /// Of the whole map.
    public let rows: Int
    public let columns: Int
    /// Per row, the columns that belong to the region; empty ranges where none does.
    public let spans: [Range<Int>]
    /// Per row, the number of cells before it; one more than there are rows.
    public let begins: [Int]

    /// - Parameters:
    ///   - columns: of the whole map.
    ///   - spans: per row, within 0..<columns.
    public init(columns: Int, spans: [Range<Int>]) {
        self.rows = spans.count
        self.columns = columns
        self.spans = spans
        var begins = [0]
        for span in spans { begins.append(begins[begins.count - 1] + span.count) }
        self.begins = begins
    }

    /// Every cell of a map.
    public init(rows: Int, columns: Int) { self.init(columns: columns, spans: [Range<Int>](repeating: 0..<columns, count: rows)) }

    /// Cells of the region.
    public var count: Int { begins[rows] }

    /// The region with all cells of the map that are at most `margin` rows and columns away from one of it.
    public func widened(by margin: Int) -> MapRegion {
        MapRegion(
            columns: columns,
            spans: (0..<rows).map { row in
                let near = spans[max(0, row - margin)...min(rows - 1, row + margin)].filter { !$0.isEmpty }
                guard let low = near.map(\.lowerBound).min(), let high = near.map(\.upperBound).max() else { return 0..<0 }
                return max(0, low - margin)..<min(columns, high + margin)
            })
    }

    /// The packed place of a cell; nil: it is not in the region.
    public func place(row: Int, column: Int) -> Int? {
        guard spans.indices.contains(row), spans[row].contains(column) else { return nil }
        return begins[row] + column - spans[row].lowerBound
    }

    /// Calls `body(row, columns, first)` for the runs of the packed cells `cells`: `first` is the packed place of the first of the columns.
    @inline(__always)
    func forEachRun(_ cells: Range<Int>, _ body: (_ row: Int, _ columns: Range<Int>, _ first: Int) -> Void) {
        var low = 0, high = rows
        while low + 1 < high {
            let middle = (low + high) / 2
            if begins[middle] <= cells.lowerBound { low = middle } else { high = middle }
        }
        var row = low
        while row < rows, begins[row] < cells.upperBound {
            let first = max(begins[row], cells.lowerBound), end = min(begins[row + 1], cells.upperBound)
            if first < end {
                let column = spans[row].lowerBound + first - begins[row]
                body(row, column..<column + end - first, first)
            }
            row += 1
        }
    }
}
