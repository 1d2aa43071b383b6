import Autograd

extension PackedBatch {
    /// The batch in `count` parts of neighbouring recordings, as even as can be; the rows are copied. Its actions and weights go with the recordings.
    ///
    /// - Parameter count: at least 1; parts are empty where there are fewer recordings.
    package func parts(_ count: Int) -> [PackedBatch] {
        guard count > 1 else { return [self] }
        let videos = features.count
        return (0..<count).map { part(videos * $0 / count..<videos * ($0 + 1) / count) }
    }

    private func part(_ range: Range<Int>) -> PackedBatch {
        let first = features.offsets[range.lowerBound], columns = features.columns
        let offsets = features.offsets[range.lowerBound...range.upperBound].map { $0 - first }
        let rows = Tensor(rows: offsets[offsets.count - 1], columns: columns, requiresGradient: false)
        rows.values.update(from: features.tensor.values + first * columns, count: rows.count)
        var result = PackedBatch(
            features: PackedSequence(rows, offsets: offsets), videos: Array(videos[range]), instances: Array(instances[range]),
            weights: weights.map { LabelWeights(instances: Array($0.instances[range]), ignored: Array($0.ignored[range])) })
        result.classes = classes.part(range)
        return result
    }
}
