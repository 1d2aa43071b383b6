/// Some rows of one video as float32, [rows.count, columns] row-major. Owns its memory.
public final class FeatureRows: @unchecked Sendable {
    /// The video's position in the store.
    public let video: Int
    public let rows: Range<Int>
    public let columns: Int
    public let values: UnsafeMutablePointer<Float>

    public init(video: Int, rows: Range<Int>, columns: Int) {
        self.video = video
        self.rows = rows
        self.columns = columns
        values = .allocate(capacity: max(rows.count * columns, 1))
    }

    deinit { values.deallocate() }
}
