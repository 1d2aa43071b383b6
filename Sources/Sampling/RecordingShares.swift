/// How recordings that are worked on whole, one after another, are divided among the ranks (detection, labelling, reading).
public enum RecordingShares {
    /// The recordings of each rank: dealt the longest first, each to the rank with the fewest rows so far (longest processing time first, Graham 1969: no
    /// rank has more than 4/3 of the least possible). A function of the lengths and the number of ranks alone.
    ///
    /// - Parameters:
    ///   - rows: of each recording.
    ///   - ranks: at least 1.
    /// - Returns: per rank places in `rows`, ascending; together each once.
    public static func places(rows: [Int], ranks: Int) -> [[Int]] {
        guard ranks > 1 else { return [Array(rows.indices)] }
        // Of equally long ones the first; of equally full ranks the first.
        let order = rows.indices.sorted { (rows[$1], $0) < (rows[$0], $1) }
        var queue = FewestRows(count: ranks), result = [[Int]](repeating: [], count: ranks)
        for place in order {
            result[queue.fewest].append(place)
            // An empty recording is work too: to open it.
            queue.add(max(1, rows[place]))
        }
        return result.map { $0.sorted() }
    }

    /// Those of one rank, counted from 0.
    public static func places(rows: [Int], ranks: Int, rank: Int) -> [Int] { places(rows: rows, ranks: ranks)[rank] }
}
