import Foundation

/// The rate of the feature rows of some videos: the time from row to row. A detector expects the rate that it was trained on: at another rate actions
/// have other lengths in rows.
public struct FeatureRate: Codable, Equatable, Sendable {
    /// A time over videos, in seconds.
    public struct Spread: Codable, Equatable, Sendable {
        public var least: Double
        public var median: Double
        public var greatest: Double

        public init(least: Double, median: Double, greatest: Double) {
            self.least = least
            self.median = median
            self.greatest = greatest
        }

        /// The least, the middle and the greatest of some times.
        ///
        /// - Precondition: there is a value.
        package init(_ values: [Double]) {
            let sorted = values.sorted()
            self.init(least: sorted[0], median: sorted[sorted.count / 2], greatest: sorted[sorted.count - 1])
        }

        /// The ratio, at least 1, by which `seconds` lies below the least or above the greatest.
        public func excess(of seconds: Double) -> Double { max(1, seconds / greatest, least / seconds) }

        /// "0.5 s", or "0.13 to 0.17 s" where the shortest and the longest differ.
        public var text: String {
            let ends = [least, greatest].map(FeatureRate.text)
            return ends[0] == ends[1] ? "\(ends[0]) s" : "\(ends[0]) to \(ends[1]) s"
        }

        fileprivate var isPossible: Bool { least > 0 && least <= median && median <= greatest && greatest.isFinite }
    }

    /// From one row to the next.
    public var secondsPerRow: Spread
    /// Seen by one row.
    public var secondsPerWindow: Spread
    /// Rows of every video, where they span the video whatever its length (features rescaled to a fixed number of rows); nil: rows stand at a rate.
    public var rowsPerVideo: Int?
    /// Frames from one row to the next, and frames seen by one row, where they are the same in every video; nil: they differ, or nobody recorded them.
    public var framesPerRow: Double?
    public var framesPerWindow: Double?

    enum CodingKeys: String, CodingKey {
        case secondsPerRow = "seconds_per_row"
        case secondsPerWindow = "seconds_per_window"
        case rowsPerVideo = "rows_per_video"
        case framesPerRow = "frames_per_row"
        case framesPerWindow = "frames_per_window"
    }

    public init(
        secondsPerRow: Spread, secondsPerWindow: Spread, rowsPerVideo: Int? = nil, framesPerRow: Double? = nil, framesPerWindow: Double? = nil
    ) {
        self.secondsPerRow = secondsPerRow
        self.secondsPerWindow = secondsPerWindow
        self.rowsPerVideo = rowsPerVideo
        self.framesPerRow = framesPerRow
        self.framesPerWindow = framesPerWindow
    }

    /// A number of seconds with four significant digits.
    public static func text(_ seconds: Double) -> String { String(format: "%.4g", seconds) }

    // MARK: In files

    /// JSON with sorted keys, as checkpoints and weight files hold it.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// nil when the text is not such JSON, or the numbers are impossible.
    public init?(json: String) {
        guard let found = try? JSONDecoder().decode(FeatureRate.self, from: Data(json.utf8)), found.secondsPerRow.isPossible,
            found.secondsPerWindow.isPossible, (found.rowsPerVideo ?? 1) > 0,
            [found.framesPerRow, found.framesPerWindow].allSatisfy({ $0.map { FeatureLimits.frames ~= $0 } ?? true })
        else { return nil }
        self = found
    }
}
