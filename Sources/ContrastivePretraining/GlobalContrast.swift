import DataParallel
import Kernels
import RandomStreams

/// Contrast over the global mini-batch: each rank's rows are clustered, and contrasted with rows drawn from all virtual shards; gradients return to the
/// shards whose rows they belong to.
///
/// What a rank computes, holds and sends depends on its own rows, the rows drawn and the clusters, not on the number of ranks. With no more rows than
/// are drawn the contrast is that of all rows with all rows. Labels, loss and gradients have the same bits for every number of ranks. All ranks call
/// each function together.
public struct GlobalContrast {
    private let shards: VirtualShards
    private let ranks: any RankExchange
    private let rows: GlobalRows
    /// Rows at which the shards end in the global mini-batch, first 0.
    public let offsets: [Int]
    /// Numbers in the global mini-batch of the rows that all are contrasted with, ascending.
    public let drawn: [Int]
    /// The drawn rows at which the shards end, first 0.
    private let drawnOffsets: [Int]

    /// Iterations of k-means over all rows, where these are no more than are drawn.
    public static let iterations = 50
    /// Iterations of k-means over more rows: each costs two rounds of messages.
    public static let iterationsOfMany = 12

    /// - Parameters:
    ///   - owned: rows of each shard of this rank; a shard may have none.
    ///   - most: rows that all are contrasted with: one of each of so many equal parts of the global mini-batch; nil: all.
    ///   - shards: of the run.
    ///   - ranks: each with its part of `shards`.
    ///   - random: draws the rows; the same on all ranks.
    /// - Throws: `Failure` when the exchange between ranks fails.
    public init(_ owned: [Int], most: Int?, shards: VirtualShards, ranks: any RankExchange, random: inout RandomStream) throws {
        self.shards = shards
        self.ranks = ranks
        rows = GlobalRows(shards: shards, ranks: ranks)
        offsets = try rows.offsets(owned)
        let total = offsets[shards.count]
        drawn = FrameSampling.frames(rows: total, parts: most ?? total, random: &random)
        var ends = [0], next = 0
        for shard in 0..<shards.count {
            while next < drawn.count, drawn[next] < offsets[shard + 1] { next += 1 }
            ends.append(next)
        }
        drawnOffsets = ends
    }

    /// The values of the drawn ones of a shard's rows.
    private func drawn<T>(of shard: Int, _ values: [T], columns: Int) -> [T] {
        let places = drawn[drawnOffsets[shard]..<drawnOffsets[shard + 1]]
        if places.count * columns == values.count { return values }
        return places.flatMap { values[($0 - offsets[shard]) * columns..<($0 - offsets[shard] + 1) * columns] }
    }

    /// Fine-grained classes of this rank's rows, by k-means over the rows of all shards.
    ///
    /// - Parameters:
    ///   - inputs: for each shard of this rank the input features of its sampled frames, [rows, columns].
    ///   - columns: values of a row.
    ///   - clusters: the most clusters.
    ///   - endsWhenSettled: whether the iterations end when no row changes its cluster; false for measurements, which run as many as many rows may take.
    ///   - random: draws the first centers; the same on all ranks.
    /// - Returns: for each shard of this rank, one per row.
    /// - Throws: `Failure` when the exchange between ranks fails.
    public func cluster(
        _ inputs: [[Float]], columns: Int, clusters: Int, endsWhenSettled: Bool = true, random: inout RandomStream
    ) throws -> [[Int]] {
        let own = zip(shards.owned, inputs).map { drawn(of: $0, $1, columns: columns) }
        let isFew = drawn.count == offsets[shards.count] && endsWhenSettled
        return try SharedKMeans(
            inputs, offsets: offsets, drawn: try rows.gather(own, columns: columns, offsets: drawnOffsets), clusters: clusters,
            bounds: .init(iterations: isFew ? Self.iterations : Self.iterationsOfMany, endsWhenSettled: endsWhenSettled), shards: shards,
            ranks: ranks, random: &random
        ).labels
    }

    /// InfoNCE of all rows as anchors, against the drawn ones.
    ///
    /// - Parameters:
    ///   - embeddings: for each shard of this rank those of its sampled frames, [rows, columns].
    ///   - columns: values of an embedding.
    ///   - labels: for each shard of this rank, one per row; rows of negative label take no part.
    ///   - temperature: what similarities are divided by.
    /// - Returns: the whole loss, and for each shard of this rank the gradient with respect to its rows, of the same size as they.
    /// - Throws: `Failure` when the exchange between ranks fails.
    public func infoNCE(
        _ embeddings: [[Float]], columns: Int, labels: [[Int]], temperature: Float = 0.1
    ) throws -> (loss: Double, gradients: [[Float]]) {
        precondition(zip(embeddings, labels).allSatisfy { $0.count == $1.count * columns })
        var units = embeddings, norms = labels.map { [Float](repeating: 0, count: $0.count) }
        for i in units.indices {
            ContrastiveLoss.normalize(embeddings[i], rows: labels[i].count, columns: columns, into: &units[i], norms: &norms[i])
        }
        let own = zip(shards.owned, units).map { drawn(of: $0, $1, columns: columns) }
        let compared = try rows.gather(own, columns: columns, offsets: drawnOffsets)
        let classes = try rows.classes(zip(shards.owned, labels).map { drawn(of: $0, $1, columns: 1) }, offsets: drawnOffsets)
        let sum = DeterministicSum(shards: shards, communicator: ranks), places = zip(shards.owned, labels).map { self.places(of: $0, $1.count) }
        let count = try sum.counts([
            labels.indices.reduce(0) { $0 + InfoNCE.anchorsWithPositives(labels[$1], places: places[$1], among: classes) }
        ])[0]
        var losses: [Double] = [], gradients = embeddings.map { [Float](repeating: 0, count: $0.count) }
        let returned = try rows.returned(compared) { shard, array in
            let i = shard - shards.owned.lowerBound
            losses.append(
                units[i].withUnsafeBufferPointer { values in
                    guard let values = values.baseAddress, count > 0 else { return 0 }
                    let anchors = InfoNCE.Anchors(values: values, labels: labels[i], places: places[i], count: count)
                    return gradients[i].withUnsafeMutableBufferPointer { gradient in
                        guard let gradient = gradient.baseAddress else { return 0 }
                        return InfoNCE.contrast(
                            anchors, rows: compared.values, labels: classes, columns: columns, temperature: temperature, rowGradient: array,
                            anchorGradient: gradient)
                    }
                })
        }
        for (i, shard) in shards.owned.enumerated() {
            gradients[i].withUnsafeMutableBufferPointer { gradient in
                returned[i].withUnsafeBufferPointer { returned in
                    guard let gradient = gradient.baseAddress, let returned = returned.baseAddress else { return }
                    for (number, place) in drawn[drawnOffsets[shard]..<drawnOffsets[shard + 1]].enumerated() {
                        let into = gradient + (place - offsets[shard]) * columns, from = returned + number * columns
                        for c in 0..<columns { into[c] += from[c] }
                    }
                }
            }
            ContrastiveLoss.normalizeBackward(&gradients[i], units[i], norms: norms[i], rows: labels[i].count, columns: columns)
        }
        return (try sum(losses), gradients)
    }

    /// Of each row of a shard its place among the drawn ones, -1 for others.
    private func places(of shard: Int, _ count: Int) -> [Int] {
        var places = [Int](repeating: -1, count: count)
        for number in drawnOffsets[shard]..<drawnOffsets[shard + 1] { places[drawn[number] - offsets[shard]] = number }
        return places
    }
}
