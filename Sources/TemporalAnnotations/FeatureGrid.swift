/// Where feature rows stand in time: row g covers the window of `window` frames that begins at frame `g * stride`, and stands at its middle.
/// The one place that converts between seconds and grid positions (`seconds = (g * stride + 0.5 * window) / fps`).
public struct FeatureGrid: Hashable, Codable, Sendable {
    /// Frames (or samples) per second.
    public var fps: Double
    /// Frames between neighbouring rows.
    public var stride: Double
    /// Frames seen by one row.
    public var window: Double

    /// Frames per second, and frames between and under the rows; fractions are allowed, 0 is not.
    public init(fps: Double, stride: Double, window: Double) {
        self.fps = fps
        self.stride = stride
        self.window = window
    }

    /// Seconds of a position on the grid of rows.
    public func seconds(atPosition position: Double) -> Double { (position * stride + 0.5 * window) / fps }
    /// Position on the grid of rows at some seconds.
    public func position(atSeconds seconds: Double) -> Double { (seconds * fps - 0.5 * window) / stride }

    /// A segment in seconds, on the grid.
    public func gridSegment(_ segment: Segment) -> GridSegment {
        GridSegment(start: Float(position(atSeconds: segment.start)), end: Float(position(atSeconds: segment.end)))
    }
    /// A segment on the grid, in seconds.
    public func segment(_ grid: GridSegment) -> Segment {
        Segment(start: seconds(atPosition: Double(grid.start)), end: seconds(atPosition: Double(grid.end)))
    }
}
