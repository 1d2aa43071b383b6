import Diagnostics

/// The contents of an annotation file: classes in a fixed order, and videos in the order of the file.
///
/// The JSON form is ActivityNet's: `{"version": ..., "database": {VIDEO: {"subset", "duration", "fps", "annotations": [{"label", "label_id",
/// "segment": [start, end]}]}}}`, times in seconds; `fps` and `label_id` may be missing. Weak labels are annotations without `segment`, or `"labels":
/// [...]` at the video. Other members ("url", "segment(frames)", "taxonomy", ...) are ignored.
public struct AnnotationSet: Sendable {
    public var version: String
    public var classes: ClassMap
    public var videos: [VideoAnnotation]
    /// What was changed or left out on reading (see `SegmentPolicy`), one sentence each, for the user to see.
    public var notes: [String]

    /// Labels of `videos` are indices into `classes`; nothing is checked here, unlike on reading.
    public init(version: String, classes: ClassMap, videos: [VideoAnnotation], notes: [String] = []) {
        self.version = version
        self.classes = classes
        self.videos = videos
        self.notes = notes
    }

    /// What to do with segments that do not lie in their video. The published files hold such: in thumos14.json 30 instances of 5 videos
    /// (the durations of some are wrong), in activitynet13.json 208 that end up to 0.85 s late and 12 of no length.
    public enum SegmentPolicy: Sendable {
        /// Up to `tolerance` seconds outside: cut to the video, with a note. Further outside, or without length: refused.
        case strict
        /// Cut to the video whatever of a segment lies in it, leave out what has no length then; each with a note.
        case lenient
        /// Keep every segment as written, as evaluation against published numbers needs it; lengths of zero as well.
        case asWritten
    }

    /// Seconds by which a segment may stand outside its video and is still cut in silence of all but a note: late ends up to 0.85 s are
    /// rounding in the published ActivityNet annotations.
    public static let tolerance = 1.0

    /// The subsets that occur, in order of first appearance.
    public var subsets: [Subset] {
        var seen = Set<Subset>()
        return videos.map(\.subset).filter { seen.insert($0).inserted }
    }

    /// Groups of subsets whose names differ in case, spaces, underscores or hyphens alone, in order of first appearance.
    public var subsetsAlike: [[Subset]] {
        let groups = Dictionary(grouping: subsets) { foldedName($0.rawValue) }
        return subsets.compactMap { subset in groups[foldedName(subset.rawValue)].flatMap { $0.count > 1 && $0[0] == subset ? $0 : nil } }
    }

    /// The videos of a subset, in the order of the file.
    public func videos(in subset: Subset) -> [VideoAnnotation] { videos.filter { $0.subset == subset } }

    /// The subset a user named: as spelt, or else the one that differs in case alone.
    ///
    /// - Throws: `Failure` (`.wrongUsage`) naming the subsets there are.
    public func subset(named name: String) throws -> Subset {
        let known = subsets
        if let exact = known.first(where: { $0.rawValue == name }) { return exact }
        let folded = known.filter { $0.rawValue.lowercased() == name.lowercased() }
        if folded.count == 1 { return folded[0] }
        guard folded.isEmpty else {
            let names = folded.map { "'\($0)' (\(videos(in: $0).count) videos)" }.joined(separator: ", ")
            throw Failure.wrongUsage(
                "the subset '\(name)' may be any of \(names), which differ in case alone", advice: "write the name as one of them is spelt")
        }
        let list = known.map { "'\($0)'" }.joined(separator: ", ")
        throw Failure.wrongUsage(
            "the annotations hold no video of subset '\(name)'; they hold \(known.isEmpty ? "no subset at all" : list)",
            advice: nearestName(to: name, among: known.map(\.rawValue)).map { "did you mean '\($0)'?" } ?? "choose one of the subsets there are")
    }
}
