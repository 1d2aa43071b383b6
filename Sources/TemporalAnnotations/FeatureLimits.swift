/// The largest accepted sizes; larger ones are typing errors, or numbers of rows that overflow.
public enum FeatureLimits {
    /// Seconds of one recording: about 115 days.
    public static let duration = 10_000_000.0
    /// Frames (or samples) per second.
    public static let fps = 1_000_000.0
    /// Frames between rows, and frames seen by one row.
    public static let frames = 0.000_001...1_000_000_000.0
    /// Values per row.
    public static let dimension = 65_536
    /// Rows of one recording.
    public static let rows = 100_000_000
    /// Recordings that are made up.
    public static let videos = 1_000_000
    /// Classes that are made up.
    public static let classes = 10_000
}
