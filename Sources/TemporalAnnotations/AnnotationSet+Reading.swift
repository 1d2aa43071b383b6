import Diagnostics
import Foundation

extension AnnotationSet {
    /// Reads ActivityNet-style JSON.
    ///
    /// Classes: the given map; or else, when every instance has a `label_id`, the names in order of their ids (ids may have gaps: the first
    /// name gets index 0 and so on); or else the names in alphabetical order.
    /// - Throws: `Failure` (`.badInput`) for whatever is not as the form wants it, naming file, line and video.
    public init(readingJSON path: String, classes given: ClassMap? = nil, segments policy: SegmentPolicy = .strict) throws {
        let root = try JSONNode.read(path)
        guard root.members != nil else {
            throw Failure.badInput(
                "the file is JSON, but not ActivityNet's: its root is \(root.kind), not an object", at: .file(path),
                advice: Self.formAdvice)
        }
        guard let database = root["database"] else {
            let names = (root.members ?? []).prefix(5).map { "'\($0.name)'" }.joined(separator: ", ")
            throw Failure.badInput(
                "the file is JSON, but not ActivityNet's: it has no key 'database'" + (names.isEmpty ? "" : "; its keys are \(names)"),
                at: .file(path),
                advice: root["results"] == nil ? Self.formAdvice : "this looks like a file of detections; give the annotation file here")
        }
        guard let entries = database.members else {
            throw Failure.badInput(
                "'database' is \(database.kind), not an object of videos", at: .file(path), .line(database.line), advice: Self.formAdvice)
        }
        if let repeated = database.repeatedName {
            throw Failure.badInput(
                "the video stands twice in the file", at: .file(path), .line(repeated.line), .video(repeated.name),
                advice: "keep one of the two entries")
        }
        let names: ClassMap
        if let given { names = given } else { names = try Self.collectClasses(entries, path: path) }
        var reader = AnnotationReader(path: path, classes: names, policy: policy)
        let videos = try entries.map { try reader.video($0.name, $0.node) }
        self.init(version: root["version"]?.string ?? "", classes: names, videos: videos, notes: reader.notes)
    }

    static let formAdvice = "the form is {\"database\": {VIDEO: {\"subset\", \"duration\", \"annotations\": [{\"label\", \"segment\"}]}}}"

    /// Class order from the labels (and label ids) of all instances.
    static func collectClasses(_ entries: [(name: String, node: JSONNode)], path: String) throws -> ClassMap {
        var ids: [String: Int] = [:], labels: [Int: String] = [:], names = Set<String>(), complete = true
        for entry in entries {
            for annotation in entry.node["annotations"]?.array ?? [] {
                guard let label = annotation["label"]?.string else { continue }
                names.insert(label)
                guard let number = annotation["label_id"]?.number, let id = Int(exactly: number) else {
                    complete = false
                    continue
                }
                if let earlier = ids[label], earlier != id {
                    throw Failure.badInput(
                        "class '\(label)' has label_id \(id) here and \(earlier) earlier",
                        at: .file(path), .line(annotation.line), .video(entry.name),
                        advice: "give every class one label_id, or leave label_id out everywhere")
                }
                if let earlier = labels[id], earlier != label {
                    throw Failure.badInput(
                        "label_id \(id) means '\(label)' here and '\(earlier)' earlier", at: .file(path), .line(annotation.line), .video(entry.name),
                        advice: "give every class one label_id, or leave label_id out everywhere")
                }
                ids[label] = id
                labels[id] = label
            }
        }
        return ClassMap(names: complete ? labels.keys.sorted().compactMap { labels[$0] } : names.sorted())
    }
}

/// Reads the entries of `database` one by one.
private struct AnnotationReader {
    let path: String
    let classes: ClassMap
    let policy: AnnotationSet.SegmentPolicy
    var notes: [String] = []

    func failure(_ what: String, _ node: JSONNode, _ video: String, advice: String) -> Failure {
        .badInput(what, at: .file(path), .line(node.line), .video(video), advice: advice)
    }

    mutating func video(_ id: String, _ node: JSONNode) throws -> VideoAnnotation {
        guard node.members != nil else {
            throw failure("the video's entry is \(node.kind), not an object", node, id, advice: AnnotationSet.formAdvice)
        }
        guard !id.isEmpty else { throw failure("a video has an empty name", node, id, advice: "give every video a name") }
        if let repeated = node.repeatedName {
            throw Failure.badInput(
                "the key '\(repeated.name)' stands twice in the video's entry", at: .file(path), .line(repeated.line), .video(id),
                advice: "keep one of the two")
        }
        guard let subset = node["subset"]?.string, !subset.isEmpty else {
            throw failure(
                "the video has no 'subset'", node["subset"] ?? node, id, advice: "add the subset's name, such as \"Validation\" or \"Test\"")
        }
        guard let durationNode = node["duration"], let duration = durationNode.number else {
            throw failure("the video has no 'duration'", node["duration"] ?? node, id, advice: "add the duration in seconds, as a number")
        }
        guard duration.isFinite, duration > 0 else {
            throw failure("the duration is \(text(duration)), not a positive number of seconds", durationNode, id, advice: "correct the duration")
        }
        guard duration <= FeatureLimits.duration else {
            throw failure(
                "the duration is \(text(duration)) s, more than \(text(FeatureLimits.duration))", durationNode, id,
                advice: "correct the duration; it is in seconds")
        }
        let fps = try framesPerSecond(node["fps"], id)
        let annotationsNode = node["annotations"] ?? JSONNode(value: .array([]), line: node.line)
        guard let annotations = annotationsNode.array else {
            throw failure("'annotations' is \(annotationsNode.kind), not a list", annotationsNode, id, advice: AnnotationSet.formAdvice)
        }
        var instances: [ActionInstance] = []
        for annotation in annotations {
            if let instance = try instance(annotation, id, duration: duration) { instances.append(instance) }
        }
        return VideoAnnotation(id: VideoID(id), subset: Subset(rawValue: subset), duration: duration, fps: fps, instances: instances)
    }

    /// nil when the key is absent or null.
    private func framesPerSecond(_ node: JSONNode?, _ id: String) throws -> Double? {
        guard let node else { return nil }
        if case .null = node.value { return nil }
        guard let number = node.number, number.isFinite, number > 0 else {
            let found = node.number.map { text($0) } ?? node.kind
            throw failure("the fps are \(found), not a positive number", node, id, advice: "correct the frames per second or leave the key out")
        }
        guard number <= FeatureLimits.fps else {
            throw failure(
                "the fps are \(text(number)), more than \(text(FeatureLimits.fps))", node, id,
                advice: "correct the frames per second or leave the key out")
        }
        return number
    }

    /// nil when the policy leaves the instance out.
    private mutating func instance(_ node: JSONNode, _ id: String, duration: Double) throws -> ActionInstance? {
        guard let label = node["label"]?.string, !label.isEmpty else {
            throw failure("an annotation has no 'label'", node, id, advice: "add the class's name as a string")
        }
        guard let index = classes.index(of: label) else {
            throw failure(
                "class '\(label)' is unknown" + (nearestName(to: label, among: classes.names).map { "; did you mean '\($0)'?" } ?? ""), node, id,
                advice: "use one of the \(classes.count) known classes")
        }
        guard let pair = node["segment"]?.array, pair.count == 2, let start = pair[0].number, let end = pair[1].number else {
            throw failure(
                "an annotation has no 'segment' of two numbers", node["segment"] ?? node, id,
                advice: "write the segment as [start, end] in seconds")
        }
        let written = "[\(text(start)), \(text(end))]"
        guard start.isFinite, end.isFinite else {
            throw failure("the segment \(written) of class '\(label)' is not finite", node, id, advice: "correct the segment")
        }
        guard start <= end else {
            throw failure("the segment \(written) of class '\(label)' is reversed", node, id, advice: "write the segment as [start, end] in seconds")
        }
        let video = "the video of \(text(duration)) s"
        let kept: Segment
        switch policy {
        case .asWritten:
            kept = Segment(start: start, end: end)
        case .strict:
            guard start < end else {
                throw failure("the segment \(written) of class '\(label)' has no length", node, id, advice: "correct or remove the annotation")
            }
            kept = Segment(start: max(0, start), end: min(duration, end))
            guard start >= -AnnotationSet.tolerance, end <= duration + AnnotationSet.tolerance, kept.start < kept.end else {
                throw failure(
                    "the segment \(written) of class '\(label)' lies outside \(video)", node, id,
                    advice: "check that the segment is in seconds and that the duration is right")
            }
        case .lenient:
            kept = Segment(start: max(0, start), end: min(duration, end))
            guard kept.start < kept.end else {
                notes.append(
                    "video '\(id)': the segment \(written) of class '\(label)' was left out: "
                        + (start < end ? "it lies outside \(video)" : "it has no length"))
                return nil
            }
        }
        if kept.start != start || kept.end != end {
            notes.append("video '\(id)': the segment \(written) of class '\(label)' was cut to \(video)")
        }
        return ActionInstance(segment: kept, label: index)
    }
}

/// A number as a person would write it: 12 rather than 12.0.
package func text(_ number: Double) -> String {
    if number.isNaN { return "NaN" }
    if let whole = Int(exactly: number) { return "\(whole)" }
    return "\(number)"
}
