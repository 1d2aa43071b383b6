import Detectors
import FeatureStore
import TemporalAnnotations

extension SlidingWindows {
    /// The windows of a stored recording that hold enough of an action, each with these actions, cut to it.
    ///
    /// - Parameters:
    ///   - index: position in the store.
    ///   - store: the feature store of the recording.
    ///   - instances: what is known of its actions.
    ///   - part: more than this part of an action must lie between a window's first and last row.
    public func training(_ index: Int, of store: FeatureStore, instances: [ActionInstance], part: Double) -> [TrainingVideo] {
        let video = store.videos[index], onGrid = Cropping.onGrid(instances, of: video)
        return ranges(over: video.rows).compactMap { window in
            // On the grid a row stands at its middle.
            let kept = onGrid.compactMap { instance -> GridInstance? in
                guard
                    let (start, end) = Self.kept(
                        start: Double(instance.segment.start) + 0.5, end: Double(instance.segment.end) + 0.5, in: window, part: part)
                else { return nil }
                return GridInstance(segment: GridSegment(start: Float(start - 0.5), end: Float(end - 0.5)), label: instance.label)
            }
            return kept.isEmpty ? nil : TrainingVideo(index: index, rows: window, instances: kept)
        }
    }
}
