import Sampling

/// Recordings in rounds, and those of a round divided among ranks so that each has about as many rows. A function of the recordings alone.
package struct DetectionRounds: Sequence, IteratorProtocol {
    private var waiting: ArraySlice<Int>
    private let rows: (Int) -> Int
    private let ranks: Int
    /// Per rank, in a round: recordings at most, rows from which on there are no more.
    package static let mostRecordings = 16, enoughRows = 65_536

    package init(_ recordings: [Int], rows: @escaping (Int) -> Int, ranks: Int) {
        waiting = recordings[...]
        self.rows = rows
        self.ranks = ranks
    }

    /// The recordings of each rank.
    package mutating func next() -> [[Int]]? {
        guard !waiting.isEmpty else { return nil }
        var round: [Int] = [], sum = 0
        while let video = waiting.first, round.count < Self.mostRecordings * ranks, round.count < ranks || sum < Self.enoughRows * ranks {
            round.append(video)
            sum += rows(video)
            waiting.removeFirst()
        }
        return RecordingShares.places(rows: round.map(rows), ranks: ranks).map { $0.map { round[$0] } }
    }
}
