import Kernels

extension Tape {
    /// Means over groups of rows; a group of one row is that row.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - groups: rows of x, none empty; a row may be in several.
    /// - Returns: [groups, channels].
    public func rowMeans(_ x: Tensor, groups: [[Int]]) -> Tensor {
        precondition(groups.allSatisfy { !$0.isEmpty && $0.allSatisfy { (0..<x.rows).contains($0) } }, "groups of \(x.rows) rows")
        var offsets = [0]
        for group in groups { offsets.append(offsets[offsets.count - 1] + group.count) }
        return rowMeans(x, members: groups.flatMap { $0 }, offsets: offsets)
    }

    private func rowMeans(_ x: Tensor, members: [Int], offsets: [Int]) -> Tensor {
        let y = Tensor(rows: offsets.count - 1, columns: x.columns, requiresGradient: isRecording)
        computing { RowSelection.means(x.values, channels: x.columns, members: members, offsets: offsets, into: y.values) }
        guard x.requiresGradient else { return y }
        record {
            guard let dy = y.gradient else { return }
            let (dx, add) = x.gradientToWrite()
            computing { if !add { dx.update(repeating: 0, count: x.count) } }
            computing { RowSelection.meansBackward(dy, channels: x.columns, members: members, offsets: offsets, to: dx) }
        }
        return y
    }

    /// The mean of each channel's largest values along time: a video's class scores out of those of its rows.
    ///
    /// Of equal values the earlier ones are taken.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - counts: per sequence how many, from 1 to its length.
    /// - Returns: [sequences, channels].
    public func topMeans(_ x: PackedSequence, counts: [Int]) -> Tensor {
        precondition(counts.count == x.count && (0..<x.count).allSatisfy { (1...x.rows(of: $0).count).contains(counts[$0]) })
        let input = x.tensor, channels = x.columns
        let y = Tensor(rows: x.count, columns: channels, requiresGradient: isRecording)
        var chosen: [[Int]] = []
        for b in 0..<x.count where !Rehearsal.isRunning {
            for c in 0..<channels {
                let rows = RowSelection.largest(input.values, rows: x.rows(of: b), channels: channels, channel: c, count: counts[b])
                y.values[b * channels + c] = Float(rows.reduce(0.0) { $0 + Double(input.values[$1 * channels + c]) } / Double(counts[b]))
                chosen.append(rows)
            }
        }
        guard input.requiresGradient else { return y }
        record {
            guard let dy = y.gradient else { return }
            let (dx, add) = input.gradientToWrite()
            computing { if !add { dx.update(repeating: 0, count: input.count) } }
            for (i, rows) in chosen.enumerated() {
                let share = dy[i] / Float(rows.count)
                for row in rows { dx[row * channels + i % channels] += share }
            }
        }
        return y
    }
}
