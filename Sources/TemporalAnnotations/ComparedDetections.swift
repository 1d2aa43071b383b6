import Diagnostics

/// The detections of a file as they are compared with annotations, class by class name.
public struct ComparedDetections: Sendable {
    /// Those of classes that the annotations have, in the order of the file.
    public private(set) var detections: [Detection] = []
    /// What the user should know, one sentence each.
    public private(set) var notes: [String] = []

    /// Reads detections. Those of classes that the annotations lack are ignored: they change no number of the evaluation.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - set: every video of the file must be among its videos.
    ///   - subset: the one that is evaluated.
    ///   - ignoresClasses: every detection is of the set's only class, whatever its own (`AnnotationSet.withOneClass`).
    /// - Throws: `Failure` (`.badInput`) for whatever is not as the form wants it; when the file has nothing for the subset; when a class is that of
    ///   the annotations in another spelling, or none is one of theirs; when most segments lie outside their videos.
    public init(readingJSON path: String, annotations set: AnnotationSet, subset: Subset, ignoresClasses: Bool = false) throws {
        let entries = try DetectionFile.entries(of: try JSONNode.read(path), path: path)
        var passedOver = PassedOverClasses(known: set.classes), scale = SegmentScale()
        let videos = Dictionary(set.videos.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for entry in entries {
            guard let video = videos[VideoID(entry.name)] else {
                throw Failure.badInput(
                    "the annotations do not know the video", at: .file(path), .line(entry.line), .video(entry.name),
                    advice: "check that detections and annotations belong to the same data set")
            }
            for node in entry.list {
                let label = try DetectionFile.label(of: node) {
                    Failure.badInput($0, at: .file(path), .line(node.line), .video(entry.name), advice: $1)
                }
                guard ignoresClasses || set.classes.index(of: label) != nil else {
                    try passedOver.add(label, at: [.file(path), .line(node.line), .video(entry.name)])
                    continue
                }
                let detection = try DetectionFile.detection(
                    node, of: video.id, classes: set.classes, path: path, as: ignoresClasses ? 0 : nil)
                scale.add(detection.segment, of: video)
                detections.append(detection)
            }
        }
        try requireSome(entries.map { VideoID($0.name) }, passedOver.count, set, subset, path)
        try passedOver.requireKnown(detections, path: path)
        notes += passedOver.notes(total: detections.count + passedOver.count)
        notes += try scale.verdict(of: "detections", at: [.file(path)])
    }

    private mutating func requireSome(_ listed: [VideoID], _ passedOver: Int, _ set: AnnotationSet, _ subset: Subset, _ path: String) throws {
        let evaluated = set.videos(in: subset), there = Set(listed), name = "subset '\(subset)'"
        guard !listed.isEmpty else {
            throw Failure.badInput(
                "the file names no video: 'results' is empty", at: .file(path), advice: "check what wrote the detections, or detect again")
        }
        let absent = evaluated.filter { !there.contains($0.id) }
        guard absent.count < evaluated.count else {
            let other = Set(set.videos.filter { there.contains($0.id) }.map(\.subset.rawValue)).sorted()
            throw Failure.badInput(
                "the file names none of the \(counted(evaluated.count, "video")) of \(name); its \(counted(listed.count, "video")) "
                    + (listed.count == 1 ? "is of " : "are of ") + TemporalAnnotations.listed(other), at: .file(path),
                advice: "evaluate the subset of the detections, or detect in this one")
        }
        if let first = absent.first {
            notes.append(
                "the file does not name \(absent.count) of the \(evaluated.count) videos of \(name), the first is '\(first.id)': "
                    + "their actions count as missed")
        }
        let wanted = Set(evaluated.map(\.id)), outside = detections.reduce(0) { $0 + (wanted.contains($1.video) ? 0 : 1) }
        if outside > 0 {
            notes.append("\(outside) of \(detections.count) detections lie in videos outside \(name) and count as false positives")
        }
        if detections.count + passedOver == 0 { notes.append("the file holds no detection: every action counts as missed") }
        if outside == detections.count, outside > 0 { notes.append("no detection lies in a video of \(name): every action counts as missed") }
    }
}

/// Classes of detections that the annotations lack.
private struct PassedOverClasses {
    let known: ClassMap
    private var counts: [String: Int] = [:]
    private(set) var count = 0
    private let folded: [String: String]

    init(known: ClassMap) {
        self.known = known
        folded = Dictionary(known.names.map { (foldedName($0), $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// - Throws: `Failure` when the class is a known one in another spelling.
    mutating func add(_ label: String, at places: [Failure.Place]) throws {
        if let same = folded[foldedName(label)] {
            throw Failure(
                .badInput, "class '\(label)' is unknown; did you mean '\(same)'?", at: places,
                advice: "spell classes as the annotations do: case, spaces, underscores and hyphens count")
        }
        counts[label, default: 0] += 1
        count += 1
    }

    func requireKnown(_ detections: [Detection], path: String) throws {
        guard detections.isEmpty, count > 0 else { return }
        throw Failure.badInput(
            "none of the detections' classes is one of the annotations': they are \(listed(counts.keys.sorted())), the annotations' "
                + (known.count == 0 ? "are none" : "are \(listed(known.names))"), at: .file(path),
            advice: "check that detections and annotations belong to the same data set, and that classes are named, not numbered")
    }

    func notes(total: Int) -> [String] { passedOverNotes(counts, of: total, known: known.names) }
}

/// What is said of detections whose classes the annotations lack.
///
/// - Parameters:
///   - counts: detections passed over, by their class.
///   - total: all detections of the file.
///   - known: the annotations' classes.
package func passedOverNotes(_ counts: [String: Int], of total: Int, known: [String]) -> [String] {
    let count = counts.values.reduce(0, +)
    guard count > 0 else { return [] }
    let names = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    let near = names.compactMap { name in
        known.first { editDistance(name.lowercased(), $0.lowercased()) == 1 }.map { "'\(name)' is close to '\($0)'" }
    }
    return [
        "\(count) of \(total) detections are of \(counts.count == 1 ? "a class" : "\(counts.count) classes") that the annotations lack and are "
            + "passed over: \(listed(names))" + near.prefix(3).map { "; \($0)" }.joined()
    ]
}

extension SegmentScale {
    /// - Parameters:
    ///   - kind: of what the segments are, such as `detections`.
    ///   - places: where, for messages.
    /// - Returns: counted warnings.
    /// - Throws: `Failure` (`.badInput`) when most segments lie outside their videos.
    public func verdict(of kind: String, at places: [Failure.Place]) throws -> [String] {
        guard isSuspicious else { return warning(of: kind).map { [$0] } ?? [] }
        let what = "\(outside) of \(count) \(kind) lie outside their videos, or more than half of each does" + (guess.map { "; \($0)" } ?? "")
        guard isWrong else { return [what] }
        throw Failure(.badInput, what, at: places, advice: "write segments as [start, end] in seconds, and check the annotated durations")
    }
}
