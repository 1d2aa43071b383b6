import TemporalAnnotations

extension FeatureRate {
    /// Of some videos of a store; nil when there are none.
    public init?(_ videos: [StoredVideo]) {
        guard let first = videos.first else { return nil }
        self.init(
            secondsPerRow: Spread(videos.map(\.secondsPerRow)), secondsPerWindow: Spread(videos.map { $0.grid.window / $0.grid.fps }))
        if videos.allSatisfy({ $0.grid.stride == first.grid.stride && $0.grid.window == first.grid.window }) {
            framesPerRow = first.grid.stride
            framesPerWindow = first.grid.window
        }
        // As many rows in every video, whose strides, also in frames, differ with the videos' lengths.
        let strides = Spread(videos.map(\.grid.stride))
        let isSpanned = strides.greatest > 1.01 * strides.least && secondsPerRow.greatest > 1.01 * secondsPerRow.least
        if isSpanned, videos.allSatisfy({ $0.rows == first.rows }) { rowsPerVideo = first.rows }
    }
}

extension StoredVideo {
    /// Seconds from one row to the next.
    public var secondsPerRow: Double { grid.stride / grid.fps }
}

extension FeatureStore {
    /// Of all videos; nil for a store without videos.
    public var rate: FeatureRate? { FeatureRate(videos) }
}
