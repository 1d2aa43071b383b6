/// Several sequences in one matrix, one after another, without padding.
///
/// Sequence b occupies rows `offsets[b]..<offsets[b + 1]`. Operations that look along time (convolution, pooling, attention) stop at the ends.
public struct PackedSequence {
    /// [rows of all sequences, channels].
    public let tensor: Tensor
    /// Ascending, first 0, last the number of rows.
    public let offsets: [Int]

    /// - Parameters:
    ///   - tensor: [rows of all sequences, channels].
    ///   - offsets: one more than there are sequences, ascending from 0 to the number of rows.
    public init(_ tensor: Tensor, offsets: [Int]) {
        precondition(offsets.first == 0 && offsets.last == tensor.rows, "offsets \(offsets) do not cover \(tensor.rows) rows")
        self.tensor = tensor
        self.offsets = offsets
    }

    /// Number of sequences.
    public var count: Int { offsets.count - 1 }
    /// Rows of all sequences together.
    public var rows: Int { tensor.rows }
    public var columns: Int { tensor.columns }
    /// Rows of a sequence, in the packed matrix.
    public func rows(of sequence: Int) -> Range<Int> { offsets[sequence]..<offsets[sequence + 1] }
    /// Another tensor, packed alike.
    public func with(_ tensor: Tensor) -> PackedSequence { PackedSequence(tensor, offsets: offsets) }
}

/// Offsets after every second row is kept, beginning with the first of each sequence: lengths become ceil(length / stride).
public func stridedOffsets(_ offsets: [Int], stride: Int) -> [Int] {
    var result = [0]
    for b in 0..<offsets.count - 1 { result.append(result[b] + (offsets[b + 1] - offsets[b] + stride - 1) / stride) }
    return result
}
