import Diagnostics
import Foundation

/// Detections in ActivityNet's results form:
/// `{"version": ..., "results": {VIDEO: [{"label", "segment": [start, end], "score"}]}, "external_data": {}}`.
public enum DetectionFile {
    /// Reads detections in the order of the file.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - classes: labels must be among these.
    ///   - videos: when given, every video must be among these.
    /// - Throws: `Failure` (`.badInput`) for whatever is not as the form wants it, naming file, line and video.
    public static func read(_ path: String, classes: ClassMap, videos: Set<VideoID>? = nil) throws -> [Detection] {
        var detections: [Detection] = []
        for entry in try entries(of: try JSONNode.read(path), path: path) {
            let video = VideoID(entry.name)
            if let videos, !videos.contains(video) {
                throw Failure.badInput(
                    "the annotations do not know the video", at: .file(path), .line(entry.line), .video(entry.name),
                    advice: "check that detections and annotations belong to the same data set")
            }
            for node in entry.list { detections.append(try detection(node, of: video, classes: classes, path: path)) }
        }
        return detections
    }

    /// The videos of a file in the form, with the line of their lists.
    package static func entries(of root: JSONNode, path: String) throws -> [(name: String, line: JSONLine, list: [JSONNode])] {
        guard let results = root["results"] else {
            let isAnnotations = root["database"] != nil
            throw Failure.badInput(
                "the file is JSON, but not ActivityNet's results: "
                    + (root.members == nil ? "its root is \(root.kind), not an object" : "it has no key 'results'"), at: .file(path),
                advice: isAnnotations ? "this looks like a file of annotations; give the file of detections here" : formAdvice)
        }
        if let repeated = root.repeatedName {
            throw Failure.badInput(
                "the key '\(repeated.name)' stands twice in the file", at: .file(path), .line(repeated.line), advice: "keep one of the two")
        }
        guard let entries = results.members else {
            throw Failure.badInput("'results' is \(results.kind), not an object of videos", at: .file(path), .line(results.line), advice: formAdvice)
        }
        if let repeated = results.repeatedName {
            throw Failure.badInput(
                "the video stands twice in the file", at: .file(path), .line(repeated.line), .video(repeated.name),
                advice: "keep one of the two entries")
        }
        return try entries.map { entry in
            guard let list = entry.node.array else {
                throw Failure.badInput(
                    "the video's detections are \(entry.node.kind), not a list", at: .file(path), .line(entry.node.line), .video(entry.name),
                    advice: formAdvice)
            }
            return (entry.name, entry.node.line, list)
        }
    }

    /// The names of classes that a file in the form has, in alphabetical order.
    package static func classNames(of root: JSONNode, path: String) throws -> [String] {
        var names = Set<String>()
        for entry in try entries(of: root, path: path) {
            for node in entry.list {
                names.insert(try label(of: node) { .badInput($0, at: .file(path), .line(node.line), .video(entry.name), advice: $1) })
            }
        }
        return names.sorted()
    }

    /// The detections of a file in the form, in its order.
    package static func detections(of root: JSONNode, classes: ClassMap, path: String) throws -> [Detection] {
        try entries(of: root, path: path).flatMap { entry in
            try entry.list.map { try detection($0, of: VideoID(entry.name), classes: classes, path: path) }
        }
    }

    static let formAdvice = "the form is {\"results\": {VIDEO: [{\"label\", \"segment\": [start, end], \"score\"}]}}"

    /// - Parameter given: a class to take in place of the one that is written, which may then be any.
    package static func detection(
        _ node: JSONNode, of video: VideoID, classes: ClassMap, path: String, as given: Int? = nil
    ) throws -> Detection {
        func failure(_ what: String, _ advice: String) -> Failure {
            .badInput(what, at: .file(path), .line(node.line), .video(video.name), advice: advice)
        }
        let label = try label(of: node, failure)
        guard let index = given ?? classes.index(of: label) else {
            throw failure(
                "class '\(label)' is unknown" + (nearestName(to: label, among: classes.names).map { "; did you mean '\($0)'?" } ?? ""),
                "use one of the \(classes.count) classes of the annotations")
        }
        let segment = try node.segment(owner: "a detection", failure)
        let (start, end) = (segment.start, segment.end)
        guard start.isFinite, end.isFinite else {
            throw failure("the segment [\(text(start)), \(text(end))] of class '\(label)' is not finite", "check what wrote the detections")
        }
        guard start <= end else {
            throw failure(
                "the segment [\(text(start)), \(text(end))] of class '\(label)' is reversed", "write the segment as [start, end] in seconds")
        }
        if let fault = node.fault(of: "score", owner: "a detection", expected: "a number", { $0.number != nil }) {
            throw failure(fault, "add the score as a number")
        }
        let score = node["score"]?.number ?? .nan
        guard score.isFinite else {
            throw failure("the score of class '\(label)' in [\(text(start)), \(text(end))] is \(text(score))", "check what wrote the detections")
        }
        return Detection(video: video, segment: segment, label: index, score: score)
    }

    /// - Parameter failure: makes the error from what is wrong and what to do.
    static func label(of node: JSONNode, _ failure: (_ what: String, _ advice: String) -> Failure) throws -> String {
        guard node.members != nil else { throw failure("a detection is \(node.described), not an object", formAdvice) }
        if let fault = node.fault(of: "label", owner: "a detection", expected: "a string", { $0.string?.isEmpty == false }) {
            throw failure(fault, "add the class's name as a string")
        }
        return node["label"]?.string ?? ""
    }

    /// Detections as JSON, videos in the order given (those without detections as empty lists), detections in theirs.
    ///
    /// - Throws: `Failure` (`.failed`) for a number that is not finite.
    public static func json(_ detections: [(video: VideoID, detections: [Detection])], classes: ClassMap) throws -> Data {
        let lines = try detections.map { try entry($0.video, $0.detections, classes) }
        return Data("\(jsonBegin)\(lines.joined(separator: ",\n"))\(jsonEnd)".utf8)
    }

    static let jsonBegin = "{\"version\": \"1.0\", \"results\": {\n", jsonEnd = "\n}, \"external_data\": {}}\n"

    /// A video's member of `results`.
    static func entry(_ video: VideoID, _ detections: [Detection], _ classes: ClassMap) throws -> String {
        let list = try detections.map { detection in
            "{\"label\": \(try quoted(classes.names[detection.label])), "
                + "\"segment\": [\(try number(detection.segment.start, video)), \(try number(detection.segment.end, video))], "
                + "\"score\": \(try number(detection.score, video))}"
        }
        return "\(try quoted(video.name)): [\(list.joined(separator: ", "))]"
    }
}
