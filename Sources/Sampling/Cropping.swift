import Detectors
import FeatureStore
import RandomStreams
import TemporalAnnotations

/// Random crops of long recordings in training, as the published `truncate_feats` draws them.
public struct Cropping: Equatable, Sendable {
    /// Longer recordings are cut to this; nil: none are.
    public var maximumRows: Int?
    /// The part of an action that must lie in the crop for the action to be kept.
    public var keptPart: Double
    /// [low, high]: recordings that are not too long are cut to a part of their length drawn between these.
    public var ratio: [Double]?
    /// Tries to find a crop with an action in it.
    public static let trials = 200

    /// `maximumRows` nil: nothing is too long. `keptPart` is in [0, 1]; `ratio` [low, high] with 0 < low <= high <= 1, nil: no shorter crops.
    public init(maximumRows: Int?, keptPart: Double, ratio: [Double]?) {
        self.maximumRows = maximumRows
        self.keptPart = keptPart
        self.ratio = ratio
    }

    /// Draws a crop.
    ///
    /// - Parameters:
    ///   - rows: length of the recording.
    ///   - instances: on the grid of the recording.
    ///   - halfWindow: half of what a row sees, in rows: actions may reach so far beyond the crop's ends.
    ///   - random: draws the crop.
    /// - Returns: the rows kept, and the actions that remain, counted from the first of them. After `trials` tries without an action the last crop
    ///   is taken.
    public func crop(
        rows: Int, instances: [GridInstance], halfWindow: Float, random: inout RandomStream
    ) -> (
        rows: Range<Int>, instances: [GridInstance]
    ) {
        let (rows, kept) = draw(rows: rows, instances: instances, halfWindow: halfWindow, random: &random)
        return (rows, kept.map(\.instance))
    }

    /// Like `crop`, with the actions' places in the list.
    private func draw(
        rows: Int, instances: [GridInstance], halfWindow: Float, random: inout RandomStream
    ) -> (rows: Range<Int>, kept: [(index: Int, instance: GridInstance)]) {
        guard let length = length(rows, &random), length < rows else { return (0..<rows, instances.enumerated().map { ($0, $1) }) }
        var result = (rows: 0..<length, kept: [(index: Int, instance: GridInstance)]())
        for _ in 0..<Self.trials {
            let start = random.uniformIndex(below: rows - length + 1)
            result.rows = start..<start + length
            result.kept = kept(instances, in: result.rows, halfWindow: halfWindow)
            if !result.kept.isEmpty { break }
        }
        return result
    }

    /// The actions of which enough lies in a crop, cut to it and counted from its first row, with their places in the list.
    package func kept(_ instances: [GridInstance], in rows: Range<Int>, halfWindow: Float) -> [(index: Int, instance: GridInstance)] {
        instances.enumerated().compactMap { index, instance in
            let left = max(Float(rows.lowerBound) - halfWindow, instance.segment.start)
            let right = min(Float(rows.upperBound) + halfWindow, instance.segment.end)
            let inside = max(0, right - left) / abs(instance.segment.end - instance.segment.start)
            guard Double(inside) >= keptPart else { return nil }
            var kept = instance
            kept.segment.start = left - Float(rows.lowerBound)
            kept.segment.end = right - Float(rows.lowerBound)
            return (index, kept)
        }
    }

    /// nil: the whole recording.
    private func length(_ rows: Int, _ random: inout RandomStream) -> Int? {
        if let maximumRows, rows > maximumRows { return maximumRows }
        guard let (low, high) = lengthsByRatio(rows) else { return nil }
        return low + random.uniformIndex(below: max(high - low, 0) + 1)
    }

    private func lengthsByRatio(_ rows: Int) -> (low: Int, high: Int)? {
        guard let ratio else { return nil }
        let low = max(Int((ratio[0] * Double(rows)).rounded(.toNearestOrEven)), 1)
        return (low, min(Int((ratio[1] * Double(rows)).rounded(.toNearestOrEven)), rows))
    }

    /// Lengths that a recording may be cropped to: all of it where it is not cropped.
    package func lengths(_ rows: Int) -> ClosedRange<Int> {
        if let maximumRows, rows > maximumRows { return maximumRows...maximumRows }
        guard let (low, high) = lengthsByRatio(rows) else { return rows...rows }
        return min(low, rows)...max(min(low, rows), high)
    }
}

extension Cropping {
    /// Crops a stored recording whose actions are these.
    ///
    /// - Parameters:
    ///   - index: position in the store.
    ///   - store: the feature store of the recording.
    ///   - instances: what is known of its actions.
    ///   - weights: how much each of them counts; nil: all 1.
    ///   - ignored: stretches of which nothing is known.
    ///   - random: draws the crop.
    public func crop(
        _ index: Int, of store: FeatureStore, instances: [ActionInstance], weights: [Float]? = nil, ignored: [Segment] = [],
        random: inout RandomStream
    ) -> TrainingVideo {
        let video = store.videos[index], half = Self.halfWindow(video.grid)
        let crop = draw(rows: video.rows, instances: Self.onGrid(instances, of: video), halfWindow: half, random: &random)
        var result = TrainingVideo(
            index: index, rows: crop.rows, instances: crop.kept.map(\.instance),
            weights: weights.map { weights in crop.kept.map { weights[$0.index] } })
        let first = Float(crop.rows.lowerBound), low = -half, high = Float(crop.rows.count) + half
        result.ignored = ignored.compactMap { segment in
            let onGrid = video.grid.gridSegment(segment), start = max(low, onGrid.start - first), end = min(high, onGrid.end - first)
            return end > start ? GridSegment(start: start, end: end) : nil
        }
        return result
    }
    package static func onGrid(_ instances: [ActionInstance], of video: StoredVideo) -> [GridInstance] {
        instances.map { GridInstance(segment: video.grid.gridSegment($0.segment), label: $0.label) }
    }

    /// Half of what a row sees, in rows.
    package static func halfWindow(_ grid: FeatureGrid) -> Float { Float(0.5 * grid.window / grid.stride) }
}
