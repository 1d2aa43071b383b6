/// One labelled action: when, and which class (an index into the `ClassMap`).
public struct ActionInstance: Hashable, Sendable {
    public var segment: Segment
    /// Index into the `ClassMap`.
    public var label: Int
    /// `segment` in seconds, `label` as an index into the `ClassMap`.
    public init(segment: Segment, label: Int) {
        self.segment = segment
        self.label = label
    }
}

/// A named part of a data set ("Validation", "Test", "training", ...), spelt as the annotation file spells it.
public struct Subset: RawRepresentable, Hashable, Codable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    public let rawValue: String
    /// The name as the annotation file spells it; subsets that differ in case are not equal.
    public init(rawValue: String) { self.rawValue = rawValue }
    /// As `init(rawValue:)`.
    public init(stringLiteral value: String) { rawValue = value }
    public var description: String { rawValue }
}

/// What is known of one recording.
public struct VideoAnnotation: Hashable, Sendable {
    public var id: VideoID
    public var subset: Subset
    /// Seconds.
    public var duration: Double
    /// Frames per second, when the annotation file says so.
    public var fps: Double?
    /// In the order of the file; empty for recordings without labels or with weak ones.
    public var instances: [ActionInstance]
    /// Classes that are known to occur in the recording while nothing is known of when: ascending, distinct. A recording has either these or
    /// instances (or nothing).
    public var weakLabels: [Int]
    /// `duration` in seconds, `fps` nil where the file does not say; `weakLabels` are sorted, and repeated ones left out.
    public init(id: VideoID, subset: Subset, duration: Double, fps: Double?, instances: [ActionInstance], weakLabels: [Int] = []) {
        self.id = id
        self.subset = subset
        self.duration = duration
        self.fps = fps
        self.instances = instances
        self.weakLabels = Set(weakLabels).sorted()
    }

    /// Whether classes are known without segments.
    public var isWeaklyLabelled: Bool { !weakLabels.isEmpty }
    /// The classes known of the recording, with segments or without: ascending, distinct.
    public var knownClasses: [Int] { Set(instances.map(\.label) + weakLabels).sorted() }
}

/// Class names and their indices: the one order in which logits, annotations and detections count classes.
public struct ClassMap: Hashable, Sendable {
    /// By index.
    public let names: [String]
    private let indices: [String: Int]
    /// - Precondition: names are distinct.
    public init(names: [String]) {
        self.names = names
        indices = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    }
    public var count: Int { names.count }
    /// The number of a class; nil: there is none of this name.
    public func index(of name: String) -> Int? { indices[name] }
}

/// One predicted action of one recording.
public struct Detection: Hashable, Sendable {
    public var video: VideoID
    public var segment: Segment
    /// Index into the `ClassMap`.
    public var label: Int
    /// Confidence in [0, 1].
    public var score: Double
    /// `segment` in seconds, `score` in [0, 1], `label` as an index into the `ClassMap`.
    public init(video: VideoID, segment: Segment, label: Int, score: Double) {
        self.video = video
        self.segment = segment
        self.label = label
        self.score = score
    }
}
