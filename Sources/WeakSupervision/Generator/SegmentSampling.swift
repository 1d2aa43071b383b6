import Autograd
import RandomStreams

/// Which rows of a video the generator sees.
public enum SegmentSampling {
    /// A regular grid of `segments` rows, `floor(i * rows / segments)`; a video that is not longer is taken as it is.
    public static func uniform(rows: Int, segments: Int) -> [Int] {
        rows <= segments ? Array(0..<rows) : (0..<segments).map { $0 * rows / segments }
    }

    /// For training: always `segments` rows, each drawn between its grid position and the next (both included, as published; within the video).
    /// Rows of shorter videos are taken several times; a video of just so many rows is taken as it is.
    public static func perturbed(rows: Int, segments: Int, random: inout RandomStream) -> [Int] {
        if rows == segments { return Array(0..<rows) }
        return (0..<segments).map { i in
            let first = i * rows / segments, last = min((i + 1) * rows / segments, rows - 1)
            return last > first ? first + random.uniformIndex(below: last - first + 1) : first
        }
    }

    /// The chosen rows of each video, one after another.
    ///
    /// - Parameters:
    ///   - x: a constant, [rows of all videos, columns].
    ///   - rows: per video, 0 for its first.
    public static func take(_ x: PackedSequence, rows: [[Int]]) -> PackedSequence {
        var offsets = [0]
        for list in rows { offsets.append(offsets[offsets.count - 1] + list.count) }
        let y = Tensor(rows: offsets[offsets.count - 1], columns: x.columns, requiresGradient: false)
        for (b, list) in rows.enumerated() where !Rehearsal.isRunning {
            for (i, row) in list.enumerated() {
                (y.values + (offsets[b] + i) * x.columns).update(from: x.tensor.values + (x.offsets[b] + row) * x.columns, count: x.columns)
            }
        }
        return PackedSequence(y, offsets: offsets)
    }
}
