/// Places (ranks, shards) by the rows that they have been given, those with the fewest at the top: a binary heap.
struct FewestRows {
    private var nodes: [(rows: Int, place: Int)]

    /// - Parameter count: places 0 ..< count, without rows.
    init(count: Int) { nodes = (0..<count).map { (0, $0) } }

    /// The place with the fewest rows; of equal ones the first.
    ///
    /// - Precondition: not all places have been removed.
    var fewest: Int { nodes[0].place }

    /// Gives rows to the place with the fewest.
    mutating func add(_ rows: Int) {
        nodes[0].rows += rows
        sink()
    }

    /// Takes the place with the fewest out.
    mutating func remove() {
        let last = nodes.removeLast()
        guard !nodes.isEmpty else { return }
        nodes[0] = last
        sink()
    }

    private mutating func sink() {
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < nodes.count && nodes[child] < nodes[least] { least = child }
            guard least != place else { return }
            nodes.swapAt(place, least)
            place = least
        }
    }
}
