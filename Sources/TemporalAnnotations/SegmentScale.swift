/// Whether segments can be in seconds: how many lie outside their videos, and which unit would explain it.
public struct SegmentScale: Sendable {
    /// Segments examined.
    public private(set) var count = 0
    /// Those of which less than half lies in the video, or that have no length within it.
    public private(set) var outside = 0
    /// Videos that have such.
    public private(set) var videosOutside: [VideoID] = []
    private var durations = 0.0
    private var largestEnd = 0.0
    private var units: [(unit: Unit, fitting: Int, filled: Double)] = Unit.allCases.map { ($0, 0, 0) }

    private enum Unit: CaseIterable {
        case frames, rows, milliseconds, percent

        var words: String {
            switch self {
            case .frames: "they look like numbers of frames: divide them by the frames per second"
            case .rows: "they look like numbers of feature rows: turn them into seconds"
            case .milliseconds: "they look like milliseconds: divide them by 1000"
            case .percent: "they look like per cent of the video: multiply them by its duration and divide by 100"
            }
        }
    }

    /// Nothing examined yet.
    public init() {}

    /// Examines all segments of these videos.
    public init(_ videos: [VideoAnnotation]) {
        for video in videos { for instance in video.instances { add(instance.segment, of: video) } }
    }

    /// Examines a segment; those of one video come one after another.
    ///
    /// - Parameters:
    ///   - segment: in seconds.
    ///   - video: the one it belongs to.
    ///   - rowsPerSecond: of the video's features, where these are known.
    public mutating func add(_ segment: Segment, of video: VideoAnnotation, rowsPerSecond: Double? = nil) {
        let inside = min(video.duration, segment.end) - max(0, segment.start)
        count += 1
        durations += video.duration
        largestEnd = max(largestEnd, segment.end)
        if inside < 0.5 * segment.length || inside <= 0 && segment.start >= video.duration {
            outside += 1
            if videosOutside.last != video.id { videosOutside.append(video.id) }
        }
        for index in units.indices {
            let length: Double
            switch units[index].unit {
            case .frames: length = video.duration * (video.fps ?? 0)
            case .rows: length = video.duration * (rowsPerSecond ?? 0)
            case .milliseconds: length = video.duration * 1000
            case .percent: length = 100
            }
            guard length > 0, segment.start >= 0, segment.end <= 1.02 * length + 1 else { continue }
            units[index].fitting += 1
            units[index].filled += segment.end / length
        }
    }

    /// The share of segments outside their videos from which something is wrong with all of them, not with some: the published THUMOS14
    /// annotations have 0.5 %, and 5 % of one class.
    public static let largestShare = 0.1

    /// More than `largestShare`, and more than one.
    public var isSuspicious: Bool { outside > max(1, Int(Self.largestShare * Double(count))) || count > 0 && outside == count }
    /// More than half.
    public var isWrong: Bool { 2 * outside > count }

    /// What would explain the segments outside, as the end of a sentence; nil when nothing does. A wrong unit puts many outside, not some.
    public var guess: String? {
        guard outside > 0, 4 * outside >= count else { return nil }
        // Of the units into which nearly all fit the one that is filled best; ends within a small part of the videos speak for no unit.
        let fitting = units.filter {
            Double($0.fitting) >= 0.95 * Double(count) && $0.filled >= 0.1 * Double(count) && ($0.unit != .percent || largestEnd > 50)
        }
        return fitting.max { $0.filled < $1.filled }?.unit.words
    }

    /// What is suspicious of segments that all lie in their videos; nil when nothing is.
    public var warning: String? { warning(of: "segments") }

    /// - Parameter kind: of what the segments are, such as `detections`.
    func warning(of kind: String) -> String? {
        guard count > 2, largestEnd > 0, outside == 0 else { return nil }
        let mean = durations / Double(count)
        if largestEnd <= 1, mean >= 10 {
            return "all \(count) \(kind) lie in the first second of their videos, which last \(text(mean.rounded())) s in the mean: they look like "
                + "fractions of the video; segments are in seconds"
        }
        if largestEnd <= 100, largestEnd > 50, count >= 10, mean >= 200 {
            return "all \(count) \(kind) lie in the first 100 s of their videos, which last \(text(mean.rounded())) s in the mean: they look like "
                + "per cent of the video; segments are in seconds"
        }
        return nil
    }
}
