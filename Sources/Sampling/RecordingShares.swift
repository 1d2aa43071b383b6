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
        var heap = RankHeap(ranks: ranks), result = [[Int]](repeating: [], count: ranks)
        for place in order { result[heap.give(rows[place])].append(place) }
        return result.map { $0.sorted() }
    }

    /// Those of one rank, counted from 0.
    public static func places(rows: [Int], ranks: Int, rank: Int) -> [Int] { places(rows: rows, ranks: ranks)[rank] }
}

/// Ranks by their rows, the emptiest at the top.
private struct RankHeap {
    private var nodes: [(rows: Int, rank: Int)]

    init(ranks: Int) { nodes = (0..<ranks).map { (0, $0) } }

    /// Gives so many rows to the emptiest rank.
    ///
    /// - Returns: that rank.
    mutating func give(_ rows: Int) -> Int {
        let rank = nodes[0].rank
        // An empty recording is work too: to open it.
        nodes[0].rows += max(1, rows)
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < nodes.count && nodes[child] < nodes[least] { least = child }
            guard least != place else { return rank }
            nodes.swapAt(place, least)
            place = least
        }
    }
}
