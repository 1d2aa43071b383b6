import Diagnostics
import Foundation

extension AnnotationSet {
    /// Reads ActivityNet-style JSON.
    ///
    /// Classes: the given map; or else, when the file has `label_id`, the names in order of their ids (ids may have gaps: the first
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
        if let repeated = root.repeatedName {
            throw Failure.badInput(
                "the key '\(repeated.name)' stands twice in the file", at: .file(path), .line(repeated.line), advice: "keep one of the two")
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
        var notes: [String] = []
        let names: ClassMap
        if let given {
            names = given
        } else {
            var order = ClassOrder(path: path)
            for entry in entries { try order.add(entry.node, named: entry.name) }
            names = try order.classes()
            notes += order.notes
        }
        var reader = AnnotationReader(path: path, classes: names, policy: policy)
        let videos = try entries.map { try reader.video($0.name, $0.node) }
        notes += try reader.finish(videos)
        self.init(version: Self.version(root["version"], &notes), classes: names, videos: videos, notes: notes)
        notes += subsetNotes + weakLabelNotes
        self.notes = notes + reader.notes
    }

    static let formAdvice = "the form is {\"database\": {VIDEO: {\"subset\", \"duration\", \"annotations\": [{\"label\", \"segment\"}]}}}"

    private static func version(_ node: JSONNode?, _ notes: inout [String]) -> String {
        guard let node else { return "" }
        switch node.value {
        case .string(let string): return string
        case .null: return ""
        case .number(let number):
            notes.append("'version' is \(node.described), not a string; it is kept as \"\(text(number))\"")
            return text(number)
        default:
            notes.append("'version' is \(node.described), not a string; it is passed over")
            return ""
        }
    }

    private var subsetNotes: [String] {
        subsetsAlike.map { "the subsets \(listed($0.map(\.rawValue))) differ in case, spaces, underscores or hyphens alone, and count as different" }
    }

    private var weakLabelNotes: [String] {
        let weak = videos.filter(\.isWeaklyLabelled)
        guard let first = weak.first else { return [] }
        return [
            "\(weak.count) of \(counted(videos.count, "video")) have weak labels only (classes without segments), the first is '\(first.id)': "
                + "the method fustal alone learns from them"
        ]
    }
}

extension ClassOrder {
    /// Adds what a video's entry says of classes.
    mutating func add(_ entry: JSONNode, named video: String) throws {
        for annotation in entry["annotations"]?.array ?? [] { try add(annotation, video: video) }
        if AnnotationReader.hasLabelsAlone(entry) {
            for label in entry["labels"]?.array ?? [] { if let name = label.string { add(label: name) } }
        }
    }
}
