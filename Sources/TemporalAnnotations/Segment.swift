/// An interval of a recording, in seconds.
public struct Segment: Hashable, Codable, Sendable {
    public var start: Double
    public var end: Double
    /// Seconds from the beginning of the recording.
    public init(start: Double, end: Double) {
        self.start = start
        self.end = end
    }
    /// Seconds; negative when the ends are in the wrong order.
    public var length: Double { end - start }
    public var center: Double { 0.5 * (start + end) }
    /// Temporal intersection over union with another segment, in [0, 1]; 0 when both are empty.
    public func tIoU(_ other: Segment) -> Double {
        let intersection = max(0, min(end, other.end) - max(start, other.start))
        let union = length + other.length - intersection
        return union > 0 ? intersection / union : 0
    }
}

/// An interval in units of feature rows (level-0 grid positions), not yet in seconds.
public struct GridSegment: Hashable, Sendable {
    public var start: Float
    public var end: Float
    /// Positions on the grid of rows; fractions and positions beyond the rows are allowed.
    public init(start: Float, end: Float) {
        self.start = start
        self.end = end
    }
    /// Rows; negative when the ends are in the wrong order.
    public var length: Float { end - start }
    public var center: Float { 0.5 * (start + end) }
}
