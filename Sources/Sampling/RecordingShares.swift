/// How recordings that are worked on whole, one after another, are divided among the ranks (detection, labelling, reading).
public enum RecordingShares {
    /// The recordings of a rank: dealt the longest first, each to the rank with the fewest rows so far (longest processing time first, Graham 1969: no
    /// rank has more than 4/3 of the least possible). A function of the lengths and the number of ranks alone.
    ///
    /// - Parameters:
    ///   - rows: of each recording.
    ///   - ranks: at least 1.
    ///   - rank: from 0.
    /// - Returns: places in `rows`, ascending; on all ranks together each once.
    public static func places(rows: [Int], ranks: Int, rank: Int) -> [Int] {
        guard ranks > 1 else { return Array(rows.indices) }
        // Of equally long ones the first; of equally full ranks the first.
        let order = rows.indices.sorted { (rows[$1], $0) < (rows[$0], $1) }
        var heap = RankHeap(ranks: ranks), result: [Int] = []
        for place in order where heap.give(rows[place]) == rank { result.append(place) }
        return result.sorted()
    }
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
