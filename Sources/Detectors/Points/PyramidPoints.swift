/// The points of a feature pyramid over packed videos: level by level, finest first; within a level video by video.
/// Point i of level l stands at grid position `i * 2^l`; level l of a video has `ceil(T_{l-1} / 2)` points, level 0 one per feature row.
public struct PyramidPoints: Hashable, Sendable {
    public let levels: Int
    public let videos: Int
    /// `offsets[level][video] ..< offsets[level][video + 1]` are the indices, among all points, of one video's points on one level.
    public let offsets: [[Int]]

    /// - Parameters:
    ///   - rows: feature rows per video.
    ///   - levels: of the pyramid.
    public init(rows: [Int], levels: Int) {
        self.levels = levels
        videos = rows.count
        var offsets: [[Int]] = [], next = 0, lengths = rows
        for level in 0..<levels {
            if level > 0 { lengths = lengths.map(Self.coarser) }
            var ends = [next]
            for length in lengths {
                next += length
                ends.append(next)
            }
            offsets.append(ends)
        }
        self.offsets = offsets
    }

    /// Points of the next level.
    static func coarser(_ length: Int) -> Int { (length + 1) / 2 }
    /// Points of all levels and videos.
    public var count: Int { offsets.last?.last ?? 0 }
    /// Points of all videos on one level.
    public func range(level: Int) -> Range<Int> { offsets[level][0]..<offsets[level][videos] }
    /// Points of one video on one level.
    public func range(level: Int, video: Int) -> Range<Int> { offsets[level][video]..<offsets[level][video + 1] }
    /// Grid positions between neighbouring points of a level.
    public func stride(level: Int) -> Int { 1 << level }
    /// One video's points on all levels, finest first.
    public func indices(video: Int) -> [Int] { (0..<levels).flatMap { range(level: $0, video: video) } }
}
