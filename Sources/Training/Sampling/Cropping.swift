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

    public init(maximumRows: Int?, keptPart: Double, ratio: [Double]?) {
        self.maximumRows = maximumRows
        self.keptPart = keptPart
        self.ratio = ratio
    }

    /// Draws a crop.
    ///
    /// - Parameters:
    ///   - rows: length of the recording.
    ///   - halfWindow: half of what a row sees, in rows: actions may reach so far beyond the crop's ends.
    /// - Returns: the rows kept, and the actions that remain, counted from the first of them. After `trials` tries without an action the last crop
    ///   is taken.
    public func crop(rows: Int, instances: [GridInstance], halfWindow: Float, random: inout RandomStream) -> (
        rows: Range<Int>, instances: [GridInstance]
    ) {
        guard let length = length(rows, &random), length < rows else { return (0..<rows, instances) }
        var result = (rows: 0..<length, instances: [GridInstance]())
        for _ in 0..<Self.trials {
            let start = random.uniformIndex(below: rows - length + 1)
            result = (start..<start + length, [])
            for instance in instances {
                let left = max(Float(start) - halfWindow, instance.segment.start)
                let right = min(Float(start + length) + halfWindow, instance.segment.end)
                let inside = max(0, right - left) / abs(instance.segment.end - instance.segment.start)
                guard Double(inside) >= keptPart else { continue }
                var kept = instance
                kept.segment.start = left - Float(start)
                kept.segment.end = right - Float(start)
                result.instances.append(kept)
            }
            if !result.instances.isEmpty { break }
        }
        return result
    }

    /// nil: the whole recording.
    private func length(_ rows: Int, _ random: inout RandomStream) -> Int? {
        if let maximumRows, rows > maximumRows { return maximumRows }
        guard let ratio else { return nil }
        let low = max(Int((ratio[0] * Double(rows)).rounded(.toNearestOrEven)), 1)
        let high = min(Int((ratio[1] * Double(rows)).rounded(.toNearestOrEven)), rows)
        return low + random.uniformIndex(below: max(high - low, 0) + 1)
    }
}

extension Cropping {
    /// Crops a stored recording whose actions are these.
    public func crop(_ index: Int, of store: FeatureStore, instances: [ActionInstance], random: inout RandomStream) -> TrainingVideo {
        let video = store.videos[index]
        let onGrid = instances.map { GridInstance(segment: video.grid.gridSegment($0.segment), label: $0.label) }
        let halfWindow = Float(0.5 * video.grid.window / video.grid.stride)
        let crop = crop(rows: video.rows, instances: onGrid, halfWindow: halfWindow, random: &random)
        return TrainingVideo(index: index, rows: crop.rows, instances: crop.instances)
    }
}
