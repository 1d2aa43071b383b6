/// A long recording cut into overlapping pieces, so that memory is needed for one of them.
///
/// Every piece but the first and the last has an eighth of its length as context on either side of its core; cores follow one another without a gap.
/// A detection belongs to the piece in whose core its middle lies.
package struct RecordingPieces: Equatable {
    package struct Piece: Equatable {
        /// Rows of the recording.
        package var rows: Range<Int>
        /// Where middles of detections lie, in rows of the recording; unbounded at the ends of the recording.
        package var core: Range<Double>
    }

    /// Lengths are multiples of this, so that every piece begins where points of all levels of a pyramid (up to 8 of them) lie in the whole.
    package static let unit = 1024

    package let pieces: [Piece]

    /// - Parameters:
    ///   - rows: of the recording; at least 1.
    ///   - length: of a piece, a multiple of `unit`; a recording that is not longer is one piece.
    package init(rows: Int, length: Int) {
        var pieces: [Piece] = []
        var first = 0
        let step = length / 4 * 3, margin = length / 8
        while true {
            let end = min(rows, first + length), isLast = end == rows
            pieces.append(
                Piece(
                    rows: first..<end,
                    core: (first == 0 ? -Double.infinity : Double(first + margin))..<(isLast ? .infinity : Double(first + length - margin))))
            if isLast { break }
            first += step
        }
        self.pieces = pieces
    }
}
