import DataParallel
import RandomStreams
import TrainingMethods

/// Which recordings of the global mini-batch are contrasted with which: the hard means of every recording with the easy snippets of the drawn ones of
/// equal classes, itself excluded.
package struct CrossVideoDraw {
    /// Recordings whose easy snippets are compared with, ascending.
    package let drawn: [Int]
    /// Comparisons of all recordings.
    package let count: Int
    private let classSets: [[Int]]

    /// - Parameters:
    ///   - classSets: of all recordings of the global mini-batch, sorted; those without classes take no part.
    ///   - most: recordings to draw: one of each of so many equal parts of those in a pair, in the order of their classes; nil: all.
    ///   - random: the same on all ranks.
    package init(_ classSets: [[Int]], most: Int?, random: inout RandomStream) {
        self.classSets = classSets
        var sizes: [[Int]: Int] = [:]
        for set in classSets where !set.isEmpty { sizes[set, default: 0] += 1 }
        let paired = classSets.indices.filter { (sizes[classSets[$0]] ?? 0) > 1 }
        if let most, most < paired.count {
            let ordered = paired.sorted { classSets[$0] == classSets[$1] ? $0 < $1 : classSets[$0].lexicographicallyPrecedes(classSets[$1]) }
            drawn = (0..<most).map { part in
                let begin = part * ordered.count / most, end = (part + 1) * ordered.count / most
                return ordered[begin + random.uniformIndex(below: end - begin)]
            }.sorted()
        } else {
            drawn = paired
        }
        count = drawn.reduce(0) { $0 + (sizes[classSets[$1]] ?? 1) - 1 }
    }

    /// What the hard means of some recordings are compared with, in the order of the whole mini-batch's pairs.
    package func comparisons(of hard: Range<Int>) -> [(hard: Int, easy: Int)] {
        hard.flatMap { own in drawn.filter { $0 != own && classSets[$0] == classSets[own] && !classSets[own].isEmpty }.map { (own, $0) } }
    }
}

extension GeneratorLoss {
    /// Contrast between videos, over all ranks: seeds the gradients of the shards' rows. All ranks call it together.
    ///
    /// The rows of drawn videos alone travel, so that what a rank does and holds does not grow with the number of ranks.
    ///
    /// - Returns: per shard of this rank its share of `across`.
    /// - Throws: `Failure` when the exchange between ranks fails.
    func seedAcross(_ parts: [ShardPart], step: TrainingStep) throws -> [Double] {
        guard settings.contrastWeight > 0, settings.crossVideoWeight > 0 else { return parts.map { _ in 0 } }
        let (classSets, easy) = try described(parts, step)
        var random = RandomStream(seed: step.seed, "cross-video recordings", step.step)
        let draw = CrossVideoDraw(classSets, most: settings.crossVideoRecordings, random: &random)
        guard draw.count > 0 else { return parts.map { _ in 0 } }
        let perShard = parts[0].places.count, columns = parts[0].contrastRows.columns
        // Places of the drawn videos in the gathered rows.
        var places = [SnippetContrast.Place](repeating: .init(first: 0, easy: 0), count: classSets.count), offsets = [0], next = 0
        for video in draw.drawn {
            places[video] = .init(first: next, easy: easy[video])
            next += places[video].rows
        }
        for shard in 0..<step.shards.count {
            let own = draw.drawn.filter { shard * perShard <= $0 && $0 < (shard + 1) * perShard }
            offsets.append(offsets[shard] + own.reduce(0) { $0 + places[$1].rows })
        }
        func drawn(_ part: ShardPart, of shard: Int) -> [SnippetContrast.Place] {
            draw.drawn.compactMap { part.places.indices.contains($0 - shard * perShard) ? part.places[$0 - shard * perShard] : nil }
        }
        let sent = zip(step.shards.owned, parts).map { shard, part in
            drawn(part, of: shard).flatMap { UnsafeBufferPointer(start: part.contrastRows.values + $0.first * columns, count: $0.rows * columns) }
        }
        let global = GlobalRows(shards: step.shards, ranks: step.communicator)
        let gathered = try global.gather(sent, columns: columns, offsets: offsets)
        var shares: [Double] = []
        let gradients = try global.returned(gathered) { shard, array in
            let part = parts[shard - step.shards.owned.lowerBound]
            shares.append(
                across(
                    draw.comparisons(of: shard * perShard..<(shard + 1) * perShard), count: draw.count,
                    hard: .init(part.contrastRows.values, gradient: part.contrastRows.gradientToWrite().pointer) {
                        part.places[$0 - shard * perShard]
                    },
                    easy: .init(gathered.values, gradient: array) { places[$0] }, columns: columns))
        }
        for ((shard, part), gradient) in zip(zip(step.shards.owned, parts), gradients) {
            var from = 0
            let pointer = part.contrastRows.gradientToWrite().pointer
            for place in drawn(part, of: shard) {
                for i in 0..<place.rows * columns { pointer[place.first * columns + i] += gradient[from + i] }
                from += place.rows * columns
            }
        }
        return shares
    }

    /// The classes of all videos of the global mini-batch, and how many easy snippets each has.
    private func described(_ parts: [ShardPart], _ step: TrainingStep) throws -> (classSets: [[Int]], easy: [Int]) {
        // Per video its number of classes, then these, then its easy snippets.
        let own = parts.flatMap { part in zip(part.classSets, part.places).flatMap { [$0.count] + $0 + [$1.easy] } }
        var classSets: [[Int]] = [], easy: [Int] = []
        for message in try step.communicator.allGather(own) {
            var at = 0
            while at < message.count {
                let end = at + 1 + message[at]
                classSets.append(Array(message[at + 1..<end]))
                easy.append(message[end])
                at = end + 1
            }
        }
        return (classSets, easy)
    }

    /// The share of some videos' hard means in `across`, and the weighted gradient with respect to all rows.
    ///
    /// - Parameters:
    ///   - x: [rows, columns], the rows of all videos of a pair.
    ///   - columns: values of a row.
    ///   - places: of all videos of the mini-batch.
    ///   - pairs: videos of equal class sets.
    ///   - anchors: the videos whose hard means are examined.
    public func across(
        _ x: [Float], columns: Int, places: [SnippetContrast.Place], pairs: [(first: Int, second: Int)], anchors: Range<Int>
    ) -> (loss: Double, gradient: [Float]) {
        var gradient = [Float](repeating: 0, count: x.count)
        let comparisons = pairs.flatMap { [(hard: $0.first, easy: $0.second), (hard: $0.second, easy: $0.first)] }
        let loss = x.withUnsafeBufferPointer { x in
            gradient.withUnsafeMutableBufferPointer { gradient -> Double in
                guard let x = x.baseAddress, let gradient = gradient.baseAddress else { return 0 }
                let rows = SnippetContrast.Rows(x, gradient: gradient) { places[$0] }
                return across(comparisons.filter { anchors.contains($0.hard) }, count: comparisons.count, hard: rows, easy: rows, columns: columns)
            }
        }
        return (loss, gradient)
    }

    /// - Parameters:
    ///   - comparisons: of some videos' hard means with easy snippets.
    ///   - count: comparisons of the whole mini-batch.
    ///   - hard: where the hard means stand.
    ///   - easy: where the easy snippets stand.
    ///   - columns: values of a row.
    /// - Returns: their share of `across`; the weighted gradient is added to those of the rows.
    private func across(
        _ comparisons: [(hard: Int, easy: Int)], count: Int, hard: SnippetContrast.Rows, easy: SnippetContrast.Rows, columns: Int
    ) -> Double {
        let share = 1 / Double(max(count, 1)), weight = Float(settings.contrastWeight * settings.crossVideoWeight * share)
        return share
            * comparisons.reduce(0.0) {
                $0
                    + SnippetContrast.loss(
                        hard: hard, $1.hard, easy: easy, $1.easy, columns: columns, temperature: Float(settings.temperature), weight: weight)
            }
    }
}
