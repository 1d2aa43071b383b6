import Diagnostics

/// Reads the entries of `database` one by one.
struct AnnotationReader {
    let path: String
    let classes: ClassMap
    let policy: AnnotationSet.SegmentPolicy
    /// What was done to single segments.
    private(set) var notes: [String] = []
    /// Entries without the key `annotations`, and subsets in which some video has it.
    private var withoutAnnotations: [(id: String, subset: Subset, line: JSONLine)] = []
    private var annotatedSubsets = Set<Subset>()
    private var losses = SegmentLosses()

    init(path: String, classes: ClassMap, policy: AnnotationSet.SegmentPolicy) {
        self.path = path
        self.classes = classes
        self.policy = policy
    }

    /// Whether an entry names its classes by `labels` and has no annotations beside them.
    static func hasLabelsAlone(_ entry: JSONNode) -> Bool { entry["labels"] != nil && entry["annotations"]?.array?.isEmpty ?? true }

    func failure(_ what: String, _ line: JSONLine, _ video: String, advice: String) -> Failure {
        .badInput(what, at: .file(path), .line(line), .video(video), advice: advice)
    }

    mutating func video(_ id: String, _ node: JSONNode) throws -> VideoAnnotation {
        guard node.members != nil else {
            throw failure("the video's entry is \(node.kind), not an object", node.line, id, advice: AnnotationSet.formAdvice)
        }
        guard !id.isEmpty else { throw failure("a video has an empty name", node.line, id, advice: "give every video a name") }
        if let repeated = node.repeatedName {
            throw failure("the key '\(repeated.name)' stands twice in the video's entry", repeated.line, id, advice: "keep one of the two")
        }
        if let fault = node.fault(of: "subset", owner: "the video", expected: "a string", { $0.string?.isEmpty == false }) {
            throw failure(fault, node.line(of: "subset"), id, advice: "add the subset's name, such as \"Validation\" or \"Test\"")
        }
        let duration = try duration(node, id), fps = try framesPerSecond(node["fps"], id)
        var video = VideoAnnotation(
            id: VideoID(id), subset: Subset(rawValue: node["subset"]?.string ?? ""), duration: duration, fps: fps, instances: [])
        if let annotationsNode = node["annotations"] {
            annotatedSubsets.insert(video.subset)
            guard let annotations = annotationsNode.array else {
                throw failure("'annotations' is \(annotationsNode.described), not a list", annotationsNode.line, id, advice: AnnotationSet.formAdvice)
            }
            try add(annotations, to: &video)
        } else if node["labels"] == nil {
            try requireNoLikelyAnnotations(node, id)
            withoutAnnotations.append((id, video.subset, node.line))
        }
        if Self.hasLabelsAlone(node), let labels = node["labels"] {
            video.weakLabels = try weakLabels(labels, id)
            annotatedSubsets.insert(video.subset)
        }
        return video
    }

    /// What can be said when all videos are read.
    ///
    /// - Returns: counted warnings.
    /// - Throws: `Failure` (`.badInput`) when videos lack annotations where others of their subset have them, and when too many segments are lost.
    func finish(_ videos: [VideoAnnotation]) throws -> [String] {
        if let first = withoutAnnotations.first(where: { annotatedSubsets.contains($0.subset) }) {
            let count = withoutAnnotations.count { $0.subset == first.subset }
            throw failure(
                "\(count) of \(counted(videos.count { $0.subset == first.subset }, "video")) of subset '\(first.subset)' have no 'annotations', "
                    + "the first is '\(first.id)'",
                first.line, first.id, advice: "add the annotations, or \"annotations\": [] for a video without actions")
        }
        let silent = withoutAnnotations.map(\.subset)
        var seen = Set<Subset>()
        let missing = silent.filter { seen.insert($0).inserted }.map { subset in
            "\(counted(silent.count { $0 == subset }, "video")) of subset '\(subset)' without 'annotations': taken as without any action"
        }
        return missing + (try losses.finish(classes: classes, places: [.file(path)], advice: "correct the annotations"))
    }

    private func duration(_ node: JSONNode, _ id: String) throws -> Double {
        if let fault = node.fault(of: "duration", owner: "the video", expected: "a number", { $0.number != nil }) {
            throw failure(fault, node.line(of: "duration"), id, advice: "add the duration in seconds, as a number")
        }
        let duration = node["duration"]?.number ?? 0, line = node.line(of: "duration")
        guard duration.isFinite, duration > 0 else {
            throw failure("the duration is \(text(duration)), not a positive number of seconds", line, id, advice: "correct the duration")
        }
        guard duration <= FeatureLimits.duration else {
            throw failure(
                "the duration is \(text(duration)) s, more than \(text(FeatureLimits.duration))", line, id,
                advice: "correct the duration; it is in seconds")
        }
        return duration
    }

    /// nil when the key is absent or null.
    private func framesPerSecond(_ node: JSONNode?, _ id: String) throws -> Double? {
        guard let node else { return nil }
        if node.isNull { return nil }
        guard let number = node.number, number.isFinite, number > 0 else {
            let found =
                node.number.map { "the fps are \(text($0)), not a positive number" } ?? "'fps' of the video is \(node.described), not a number"
            throw failure(found, node.line, id, advice: "correct the frames per second or leave the key out")
        }
        guard number <= FeatureLimits.fps else {
            throw failure(
                "the fps are \(text(number)), more than \(text(FeatureLimits.fps))", node.line, id,
                advice: "correct the frames per second or leave the key out")
        }
        return number
    }

    /// A member with another name that seems to hold the annotations is refused.
    private func requireNoLikelyAnnotations(_ node: JSONNode, _ id: String) throws {
        let list = (node.members ?? []).first { $0.node.array?.contains { $0.members != nil || $0.array != nil } ?? false }?.name
        guard let name = node.nameMeant(for: "annotations") ?? list ?? (node["label"] == nil ? nil : "label") else { return }
        throw failure(
            "the video has no 'annotations'; is '\(name)' meant?", node[name]?.line ?? node.line, id,
            advice: "name them annotations; for a video without actions add \"annotations\": [], "
                + "and for classes without segments \"labels\": [CLASS, ...]")
    }

    // MARK: Annotations

    private mutating func add(_ annotations: [JSONNode], to video: inout VideoAnnotation) throws {
        let id = video.id.name
        if let stranger = annotations.first(where: { $0.members == nil }) {
            throw failure(
                "an annotation is \(stranger.described), not an object", stranger.line, id,
                advice: stranger.string == nil ? AnnotationSet.formAdvice : "name classes without segments by \"labels\": [CLASS, ...]")
        }
        for annotation in annotations {
            if let repeated = annotation.repeatedName {
                throw failure("the key '\(repeated.name)' stands twice in an annotation", repeated.line, id, advice: "keep one of the two")
            }
        }
        let weak = annotations.filter { $0["segment"] == nil }
        for annotation in weak {
            let label = try label(annotation, id)
            // A time under another name is no weak label.
            let times = (annotation.members ?? []).first { member in
                let name = foldedName(member.name)
                return ["start", "end", "time", "frame", "begin", "stop"].contains { name.contains($0) }
            }?.name
            if let name = annotation.nameMeant(for: "segment") ?? times {
                throw failure(
                    "an annotation has no 'segment'; is '\(name)' meant?", annotation[name]?.line ?? annotation.line, id,
                    advice: "write the segment as [start, end] in seconds")
            }
            guard weak.count == annotations.count else {
                throw failure(
                    "\(weak.count) of \(annotations.count) annotations of the video have no 'segment'; the first is of class "
                        + "'\(classes.names[label])'", annotation.line, id,
                    advice: "write the segment as [start, end] in seconds; a video with weak labels (classes without segments) has no segment at all")
            }
            video.weakLabels.append(label)
        }
        video.weakLabels = Set(video.weakLabels).sorted()
        guard weak.isEmpty else { return }
        for annotation in annotations {
            if let instance = try instance(annotation, video) { video.instances.append(instance) }
        }
    }

    private func weakLabels(_ node: JSONNode, _ id: String) throws -> [Int] {
        let advice = "write the classes that occur in the video as \"labels\": [CLASS, ...], or its actions as \"annotations\""
        guard let labels = node.array else {
            throw failure("'labels' of the video is \(node.described), not a list", node.line, id, advice: advice)
        }
        return Set(
            try labels.map { label in
                guard let name = label.string, !name.isEmpty else {
                    throw failure("one of the video's 'labels' is \(label.described), not a string", label.line, id, advice: advice)
                }
                return try index(of: name, label.line, id)
            }
        ).sorted()
    }

    private func label(_ node: JSONNode, _ id: String) throws -> Int {
        if let fault = node.fault(of: "label", owner: "an annotation", expected: "a string", { $0.string?.isEmpty == false }) {
            throw failure(fault, node.line(of: "label"), id, advice: "add the class's name as a string")
        }
        return try index(of: node["label"]?.string ?? "", node.line, id)
    }

    private func index(of label: String, _ line: JSONLine, _ id: String) throws -> Int {
        guard let index = classes.index(of: label) else {
            throw failure(
                "class '\(label)' is unknown" + (nearestName(to: label, among: classes.names).map { "; did you mean '\($0)'?" } ?? ""), line, id,
                advice: "use one of the \(classes.count) known classes")
        }
        return index
    }

    /// nil when the policy leaves the instance out.
    private mutating func instance(_ node: JSONNode, _ owner: VideoAnnotation) throws -> ActionInstance? {
        let id = owner.id.name, duration = owner.duration, index = try label(node, id), label = classes.names[index]
        let segment = try node.segment(owner: "an annotation") { failure($0, node.line(of: "segment"), id, advice: $1) }
        let (start, end) = (segment.start, segment.end)
        let written = "[\(text(start)), \(text(end))]"
        func refusal(_ what: String, _ advice: String) -> Failure { failure(what, node.line, id, advice: advice) }
        guard start.isFinite, end.isFinite else {
            throw refusal("the segment \(written) of class '\(label)' is not finite", "correct the segment")
        }
        guard start <= end else {
            throw refusal("the segment \(written) of class '\(label)' is reversed", "write the segment as [start, end] in seconds")
        }
        let video = "the video of \(text(duration)) s"
        let kept: Segment
        switch policy {
        case .asWritten:
            kept = segment
        case .strict:
            guard start < end else {
                throw refusal("the segment \(written) of class '\(label)' has no length", "correct or remove the annotation")
            }
            kept = Segment(start: max(0, start), end: min(duration, end))
            guard start >= -AnnotationSet.tolerance, end <= duration + AnnotationSet.tolerance, kept.start < kept.end else {
                throw refusal(
                    "the segment \(written) of class '\(label)' lies outside \(video)",
                    "check that the segment is in seconds and that the duration is right")
            }
        case .lenient:
            kept = Segment(start: max(0, start), end: min(duration, end))
            losses.add(segment, label: index, of: owner)
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

extension JSONNode {
    /// The member `segment` of an annotation or a detection, whose ends may be any numbers.
    ///
    /// - Parameter failure: makes the error from what is wrong and what to do.
    func segment(owner: String, _ failure: (_ what: String, _ advice: String) -> Failure) throws -> Segment {
        let advice = "write the segment as [start, end] in seconds"
        if let fault = fault(of: "segment", owner: owner, expected: "a list of two numbers", { $0.array != nil }) { throw failure(fault, advice) }
        let ends = self["segment"]?.array ?? []
        for (place, end) in ends.enumerated() where end.number == nil {
            throw failure("number \(place + 1) in 'segment' of \(owner) is \(end.described), not a number", advice)
        }
        guard ends.count == 2, let start = ends[0].number, let end = ends[1].number else {
            throw failure("'segment' of \(owner) is a list of \(ends.count), not of two numbers", advice)
        }
        return Segment(start: start, end: end)
    }
}

/// A number as a person would write it: 12 rather than 12.0.
package func text(_ number: Double) -> String {
    if number.isNaN { return "NaN" }
    if let whole = Int(exactly: number) { return "\(whole)" }
    return "\(number)"
}
