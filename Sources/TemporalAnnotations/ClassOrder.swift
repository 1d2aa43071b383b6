import Diagnostics

/// Collects the classes of an annotation file and finds their order: that of their `label_id`, where the file has these, or else the alphabet's.
struct ClassOrder {
    let path: String
    /// What the user should know of the order.
    private(set) var notes: [String] = []
    private var names = Set<String>()
    private var ids: [String: Int] = [:]
    private var labels: [Int: String] = [:]
    private var annotations = 0
    private var lacking: (count: Int, first: (node: JSONNode, video: String, label: String)?) = (0, nil)
    private var faulty: (count: Int, first: (node: JSONNode, video: String)?) = (0, nil)
    /// Another name that annotations without a `label_id` have for a whole number.
    private var otherName: String?

    init(path: String) {
        self.path = path
    }

    private static let advice = "give every class one label_id, or leave label_id out everywhere: the classes are in alphabetical order then"

    /// - Throws: `Failure` (`.badInput`) when a class has two ids or an id two classes.
    mutating func add(_ annotation: JSONNode, video: String) throws {
        guard let label = annotation["label"]?.string, !label.isEmpty else { return }
        names.insert(label)
        annotations += 1
        guard let node = annotation["label_id"], !node.isNull else {
            addLacking(annotation, video: video, label: label)
            return
        }
        guard let number = node.number, let id = Int(exactly: number) else {
            if faulty.first == nil { faulty.first = (node, video) }
            faulty.count += 1
            return
        }
        func contradiction(_ what: String) -> Failure {
            .badInput(
                what, at: .file(path), .line(annotation.line), .video(video),
                advice: "give every class one label_id, or leave label_id out everywhere")
        }
        if let earlier = ids[label], earlier != id { throw contradiction("class '\(label)' has label_id \(id) here and \(earlier) earlier") }
        if let earlier = labels[id], earlier != label { throw contradiction("label_id \(id) means '\(label)' here and '\(earlier)' earlier") }
        ids[label] = id
        labels[id] = label
    }

    private mutating func addLacking(_ annotation: JSONNode, video: String, label: String) {
        if lacking.first == nil {
            lacking.first = (annotation, video, label)
            if let name = annotation.nameMeant(for: "label_id"), let number = annotation[name]?.number, Int(exactly: number) != nil {
                otherName = name
            }
        }
        lacking.count += 1
    }

    /// Adds a class that is named without an annotation of its own.
    mutating func add(label: String) { names.insert(label) }

    /// - Throws: `Failure` (`.badInput`) when some annotations have an id, but not for every class, or when an id is no whole number.
    mutating func classes() throws -> ClassMap {
        noteNamesAlike()
        if let first = faulty.first {
            throw Failure.badInput(
                "\(faulty.count) of \(counted(annotations, "annotation")) have a 'label_id' that is no whole number; "
                    + "the first is \(first.node.described)",
                at: .file(path), .line(first.node.line), .video(first.video), advice: Self.advice)
        }
        let withoutId = names.filter { ids[$0] == nil }.sorted()
        if withoutId.isEmpty {
            if let first = lacking.first {
                notes.append(
                    "\(lacking.count) of \(annotations) annotations have no 'label_id', the first in video '\(first.video)': "
                        + "it is taken from the other annotations of their classes")
            }
            return ClassMap(names: labels.keys.sorted().compactMap { labels[$0] })
        }
        if !ids.isEmpty {
            let places: [Failure.Place] = lacking.first.map { [.line($0.node.line), .video($0.video)] } ?? []
            throw Failure(
                .badInput,
                (lacking.count > 0 ? "\(lacking.count) of \(annotations) annotations have no 'label_id'; " : "")
                    + (withoutId.count == 1 ? "1 class never has one: " : "\(withoutId.count) classes never have one: ") + listed(withoutId),
                at: [.file(path)] + places, advice: Self.advice)
        }
        if let first = lacking.first, let otherName {
            guard editDistance(foldedName(otherName), "labelid") > 2 else {
                throw Failure.badInput(
                    "\(lacking.count) of \(annotations) annotations have no 'label_id'; is '\(otherName)' meant?", at: .file(path),
                    .line(first.node.line), .video(first.video),
                    advice: "name it label_id, or leave it out: the classes are in alphabetical order then")
            }
            notes.append("the classes are in alphabetical order: the annotations have no 'label_id', and '\(otherName)' is not read")
        }
        return ClassMap(names: names.sorted())
    }

    private mutating func noteNamesAlike() {
        let groups = Dictionary(grouping: names, by: foldedName).values.filter { $0.count > 1 }.map { $0.sorted() }
        for group in groups.sorted(by: { $0[0] < $1[0] }) {
            notes.append("the classes \(listed(group)) differ in case, spaces, underscores or hyphens alone, and count as \(group.count) classes")
        }
    }
}
