import TemporalAnnotations

/// The input of a new store: the videos are known before the first row is read, so that every rank can place its own.
///
/// Every rank makes its own source from the same input and must find the same videos in the same order.
public protocol FeatureSource {
    var classes: ClassMap { get }
    /// Values per row.
    var dimension: Int { get }
    var videos: [VideoPlan] { get }
    /// Fills `target` with all rows of a video, [rows, dimension] row-major.
    func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws
}

/// A video about to be written.
public struct VideoPlan: Sendable {
    /// Rows that the store will hold.
    public var rows: Int
    public var grid: FeatureGrid
    public var annotation: VideoAnnotation
    /// The file the rows come from, for messages.
    public var file: String?

    /// `rows` is what `readRows` will fill; the grid says where they stand in time.
    public init(rows: Int, grid: FeatureGrid, annotation: VideoAnnotation, file: String? = nil) {
        self.rows = rows
        self.grid = grid
        self.annotation = annotation
        self.file = file
    }
}
