import Foundation
import TemporalAnnotations

/// The figures of some recordings that decide how a detector for them is shaped: lengths in rows, overlaps, background, classes.
///
/// Reads annotations and lengths alone, no features.
public struct StoreStatistics: Codable, Equatable, Sendable {
    /// The figures of a class.
    public struct Class: Codable, Equatable, Sendable {
        public var name: String
        public var actions: Int
        /// In which the class is known to occur, with segments or without.
        public var recordings: Int
        /// Lengths of its actions in rows; nil without any.
        public var actionRows: ValueSpread?

        enum CodingKeys: String, CodingKey {
            case name, actions, recordings
            case actionRows = "action_rows"
        }
    }

    /// nil: all recordings of the store.
    public var subset: String?
    public var recordings: Int
    /// Recordings with segments.
    public var labelledRecordings: Int
    /// Recordings whose classes alone are known.
    public var weaklyLabelledRecordings: Int
    /// Values per row.
    public var dimension: Int
    /// Rows of all recordings together.
    public var rows: Int
    /// Lengths of recordings in rows; nil without any.
    public var recordingRows: ValueSpread?
    public var recordingHistogram: PowerHistogram
    public var actions: Int
    /// Lengths of actions in rows: seconds times rows per second of their recording; nil without any.
    public var actionRows: ValueSpread?
    public var actionHistogram: PowerHistogram
    /// The length of the shortest action in seconds; nil without any.
    public var shortestActionSeconds: Double?
    /// Over the recordings with segments; nil without any.
    public var actionsPerRecording: ValueSpread?
    /// The share of the seconds of the recordings with segments that no action covers; nil without any.
    public var background: Double?
    /// The share of actions that overlap another of their class in their recording; 0 without actions.
    public var sameClassOverlap: Double
    /// The share of actions that overlap one of another class in their recording; 0 without actions.
    public var otherClassOverlap: Double
    /// In the store's order.
    public var classes: [Class]

    enum CodingKeys: String, CodingKey {
        case subset, recordings, dimension, rows, actions, background, classes
        case labelledRecordings = "labelled_recordings"
        case weaklyLabelledRecordings = "weakly_labelled_recordings"
        case recordingRows = "recording_rows"
        case recordingHistogram = "recording_rows_histogram"
        case actionRows = "action_rows"
        case actionHistogram = "action_rows_histogram"
        case shortestActionSeconds = "shortest_action_seconds"
        case actionsPerRecording = "actions_per_recording"
        case sameClassOverlap = "same_class_overlap"
        case otherClassOverlap = "other_class_overlap"
    }

    /// - Parameters:
    ///   - videos: the recordings, with annotations that number classes as `classes` does.
    ///   - classes: of the store.
    ///   - dimension: values per row.
    ///   - subset: what the recordings are, for the reader; nil: all of the store.
    public init(_ videos: [StoredVideo], classes: ClassMap, dimension: Int, subset: String? = nil) {
        self.subset = subset
        self.dimension = dimension
        recordings = videos.count
        let labelled = videos.filter { !$0.annotation.instances.isEmpty }
        labelledRecordings = labelled.count
        weaklyLabelledRecordings = videos.count { $0.annotation.isWeaklyLabelled }
        let lengths = videos.map { Double($0.rows) }
        rows = videos.reduce(0) { $0 + $1.rows }
        recordingRows = ValueSpread(lengths)
        recordingHistogram = PowerHistogram(lengths)
        var ofClass = [[Double]](repeating: [], count: classes.count), known = [Int](repeating: 0, count: classes.count)
        for video in videos {
            for label in video.annotation.knownClasses { known[label] += 1 }
            for instance in video.annotation.instances { ofClass[instance.label].append(Self.rows(instance, of: video)) }
        }
        let all = ofClass.flatMap { $0 }
        actions = all.count
        actionRows = ValueSpread(all)
        actionHistogram = PowerHistogram(all)
        shortestActionSeconds = labelled.flatMap { $0.annotation.instances.map { max(0, $0.segment.length) } }.min()
        actionsPerRecording = ValueSpread(labelled.map { Double($0.annotation.instances.count) })
        let seconds = labelled.reduce(0) { $0 + $1.annotation.duration }
        background = seconds > 0 ? 1 - labelled.reduce(0) { $0 + Self.covered($1.annotation) } / seconds : nil
        let overlaps = labelled.map { Self.overlapping($0.annotation.instances) }
        sameClassOverlap = Double(overlaps.reduce(0) { $0 + $1.same }) / Double(max(actions, 1))
        otherClassOverlap = Double(overlaps.reduce(0) { $0 + $1.other }) / Double(max(actions, 1))
        self.classes = classes.names.indices.map {
            Class(name: classes.names[$0], actions: ofClass[$0].count, recordings: known[$0], actionRows: ValueSpread(ofClass[$0]))
        }
    }

    /// The length of an action in rows.
    private static func rows(_ instance: ActionInstance, of video: StoredVideo) -> Double {
        max(0, instance.segment.length) * video.grid.fps / video.grid.stride
    }

    /// Seconds of a recording that some action covers.
    private static func covered(_ annotation: VideoAnnotation) -> Double {
        var total = 0.0, reached = 0.0
        for segment in annotation.instances.map(\.segment).sorted(by: { $0.start < $1.start }) {
            let start = max(segment.start, reached), end = min(segment.end, annotation.duration)
            if end > start { total += end - start }
            reached = max(reached, end)
        }
        return total
    }

    /// How many actions of a recording overlap another of their class, and one of another class; actions that only touch do not overlap.
    private static func overlapping(_ instances: [ActionInstance]) -> (same: Int, other: Int) {
        let sorted = instances.sorted { $0.segment.start < $1.segment.start }
        var same = [Bool](repeating: false, count: sorted.count), other = same
        for (i, one) in sorted.enumerated() {
            for j in sorted.indices.dropFirst(i + 1) {
                guard sorted[j].segment.start < one.segment.end else { break }
                guard sorted[j].segment.end > one.segment.start else { continue }
                if sorted[j].label == one.label { (same[i], same[j]) = (true, true) } else { (other[i], other[j]) = (true, true) }
            }
        }
        return (same.count { $0 }, other.count { $0 })
    }
}

extension FeatureStore {
    /// Of all recordings (first), and of each subset where there are several.
    public var statistics: [StoreStatistics] {
        let subsets = statisticsOfSubsets
        return [StoreStatistics(videos, classes: classes, dimension: dimension)] + (subsets.count > 1 ? subsets : [])
    }

    /// Of each subset, in alphabetical order.
    public var statisticsOfSubsets: [StoreStatistics] {
        Set(videos.map(\.annotation.subset.rawValue)).sorted().map { statistics(inSubset: $0) }
    }

    /// Of the recordings of one subset, by its exact name.
    public func statistics(inSubset name: String) -> StoreStatistics {
        StoreStatistics(
            videos.filter { $0.annotation.subset.rawValue == name }, classes: classes, dimension: dimension, subset: name)
    }
}
