/// Means over chosen rows, and of the largest values along time.
public enum RowSelection {
    /// y [groups, channels]: group i is the mean of the rows `members[ends[i - 1]..<ends[i]]` of x; a group of one row is that row.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - channels: values of a row.
    ///   - members: the rows of all groups, one group after another; no group is empty.
    ///   - offsets: places in `members` at which the groups end, first 0.
    ///   - y: receives [groups, channels].
    public static func means(
        _ x: UnsafePointer<Float>, channels: Int, members: [Int], offsets: [Int], into y: UnsafeMutablePointer<Float>
    ) {
        let groups = offsets.count - 1
        KernelCounter.count(.reduction, operations: members.count * channels, bytes: 4 * (members.count + groups) * channels) {
            Threads.overRanges(groups, grain: 16) { range in
                for group in range {
                    let y = y + group * channels, places = offsets[group]..<offsets[group + 1]
                    let share = 1 / Float(places.count)
                    y.update(from: x + members[places.lowerBound] * channels, count: channels)
                    for place in places.dropFirst() {
                        let x = x + members[place] * channels
                        forEachPiece(0..<channels) { c, n in store(y + c, load(y + c, n) + load(x + c, n), n) }
                    }
                    guard places.count > 1 else { continue }
                    forEachPiece(0..<channels) { c, n in store(y + c, load(y + c, n) * share, n) }
                }
            }
        }
    }

    /// Adds dy / group size to the rows of dx that `means` took, group by group; a row may be in several groups.
    public static func meansBackward(
        _ dy: UnsafePointer<Float>, channels: Int, members: [Int], offsets: [Int], to dx: UnsafeMutablePointer<Float>
    ) {
        KernelCounter.count(.reduction, operations: 2 * members.count * channels, bytes: 12 * members.count * channels) {
            // Groups share rows: threads divide the channels.
            Threads.overBlocks(channels, block: 16, parts: members.count * channels < 1 << 15 ? 1 : ComputeContext.current.threads) { range in
                for group in 0..<offsets.count - 1 {
                    let places = offsets[group]..<offsets[group + 1]
                    let share = 1 / Float(places.count), dy = dy + group * channels
                    for place in places {
                        let dx = dx + members[place] * channels
                        forEachPiece(range) { c, n in store(dx + c, load(dx + c, n) + load(dy + c, n) * share, n) }
                    }
                }
            }
        }
    }

    /// The `count` rows of the largest values of a column, largest first; of equal values the earlier row first.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - rows: those looked at.
    ///   - channels: values of a row.
    ///   - channel: the column.
    ///   - count: at most the rows.
    public static func largest(_ x: UnsafePointer<Float>, rows: Range<Int>, channels: Int, channel: Int, count: Int) -> [Int] {
        let values = rows.map { (value: x[$0 * channels + channel], row: $0) }
        return values.sorted { $0.value != $1.value ? $0.value > $1.value : $0.row < $1.row }.prefix(count).map(\.row)
    }
}
