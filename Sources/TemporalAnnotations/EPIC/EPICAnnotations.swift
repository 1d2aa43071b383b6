import Diagnostics

/// The annotations of EPIC-KITCHENS-100 (`EPIC_100_train.csv`, `EPIC_100_validation.csv`): segments with a verb and a noun.
public struct EPICAnnotations: Sendable {
    /// What of a segment is its class.
    public enum Task: String, CaseIterable, Sendable {
        case verb, noun, action
    }

    public struct Instance: Equatable, Sendable {
        public var video: VideoID
        public var segment: Segment
        public var verb: Int
        public var noun: Int

        /// `verb` and `noun` are the numbers of the published classes.
        public init(video: VideoID, segment: Segment, verb: Int, noun: Int) {
            (self.video, self.segment, self.verb, self.noun) = (video, segment, verb, noun)
        }

        /// "3", or "3,12" for an action: the classes of the published files.
        public func label(_ task: Task) -> String {
            switch task {
            case .verb: "\(verb)"
            case .noun: "\(noun)"
            case .action: "\(verb),\(noun)"
            }
        }
    }

    /// In the order of the file.
    public let instances: [Instance]
    public let path: String

    /// - Throws: `Failure` (`.badInput`) for whatever is not as in the published files, with file and line.
    public init(readingCSV path: String) throws {
        let table = try CSVTable(path: path)
        self.path = path
        let columns = try ["video_id", "start_timestamp", "stop_timestamp", "verb_class", "noun_class"].map { try table.column($0) }
        instances = try table.rows.map { row in
            func failure(_ what: String) -> Failure {
                .badInput(what, at: .file(path), .line(row.line), advice: "use the published CSV file; its times are HOURS:MINUTES:SECONDS")
            }
            func time(_ column: Int) throws -> Double {
                guard let seconds = Self.seconds(row.fields[column]) else {
                    throw failure("'\(row.fields[column])' in column '\(table.names[column])' is no time")
                }
                return seconds
            }
            func number(_ column: Int) throws -> Int {
                guard let number = Int(row.fields[column]), 0..<1_000_000 ~= number else {
                    throw failure("'\(row.fields[column])' in column '\(table.names[column])' is no class number")
                }
                return number
            }
            let segment = Segment(start: try time(columns[1]), end: try time(columns[2]))
            guard segment.start <= segment.end else { throw failure("the segment ends at \(segment.end) s, before it begins at \(segment.start) s") }
            guard !row.fields[columns[0]].isEmpty else { throw failure("the video has no name") }
            return Instance(
                video: VideoID(row.fields[columns[0]]), segment: segment, verb: try number(columns[3]), noun: try number(columns[4]))
        }
    }

    /// Of HOURS:MINUTES:SECONDS, summed as the published code does.
    static func seconds(_ text: String) -> Double? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Double($0) }
        guard parts.count == 3, let hours = parts[0], let minutes = parts[1], let seconds = parts[2],
            [hours, minutes, seconds].allSatisfy({ $0 >= 0 && $0 < 1e6 })
        else { return nil }
        return hours * 3600 + minutes * 60 + seconds
    }

    /// The classes that occur, by number (actions by verb, then noun).
    public static func classes(_ instances: [Instance], _ task: Task) -> ClassMap {
        let numbers = Set(instances.map { [task == .noun ? 0 : $0.verb, task == .verb ? 0 : $0.noun] })
        let sorted = numbers.sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }
        return ClassMap(names: sorted.map { task == .verb ? "\($0[0])" : task == .noun ? "\($0[1])" : "\($0[0]),\($0[1])" })
    }

    /// Annotations in ActivityNet's form of some files, each a subset.
    ///
    /// - Parameters:
    ///   - subsets: the files with the names of their subsets.
    ///   - task: what the classes are.
    ///   - videos: durations and frames per second by name, where they are known; elsewhere a video ends with its last segment.
    /// - Throws: `Failure` (`.badInput`) for a video of two subsets.
    public static func annotationSet(
        _ subsets: [(name: Subset, annotations: EPICAnnotations)], task: Task, videos: [VideoID: (duration: Double, fps: Double)] = [:]
    ) throws -> AnnotationSet {
        let classes = classes(subsets.flatMap(\.annotations.instances), task)
        var result: [VideoAnnotation] = [], places: [VideoID: Int] = [:]
        for (name, annotations) in subsets {
            for instance in annotations.instances {
                let place = places[instance.video] ?? result.count
                if place == result.count {
                    let known = videos[instance.video]
                    places[instance.video] = place
                    result.append(VideoAnnotation(id: instance.video, subset: name, duration: known?.duration ?? 0, fps: known?.fps, instances: []))
                }
                guard result[place].subset == name else {
                    throw Failure.badInput(
                        "the video is in two files", at: .file(annotations.path), .video(instance.video.name), advice: "give each file once")
                }
                if videos[instance.video] == nil { result[place].duration = max(result[place].duration, instance.segment.end) }
                result[place].instances.append(ActionInstance(segment: instance.segment, label: classes.index(of: instance.label(task)) ?? 0))
            }
        }
        return AnnotationSet(version: "EPIC-KITCHENS-100 \(task.rawValue)", classes: classes, videos: result)
    }

    /// Durations and frames per second of `EPIC_100_video_info.csv`.
    ///
    /// - Throws: `Failure` (`.badInput`) for whatever is not as in the published file.
    public static func videoInfo(readingCSV path: String) throws -> [VideoID: (duration: Double, fps: Double)] {
        let table = try CSVTable(path: path)
        let columns = try ["video_id", "duration", "fps"].map { try table.column($0) }
        return Dictionary(
            try table.rows.map { row in
                let numbers = columns[1...].map { Double(row.fields[$0]) ?? .nan }
                guard numbers.allSatisfy({ $0 > 0 && $0.isFinite }) else {
                    throw Failure.badInput(
                        "the duration or the frames per second are no numbers above 0", at: .file(path), .line(row.line),
                        advice: "use the published CSV file")
                }
                return (VideoID(row.fields[columns[0]]), (numbers[0], numbers[1]))
            }, uniquingKeysWith: { first, _ in first })
    }
}

/// Detections in the form of EPIC-KITCHENS' challenge: `{"results": {VIDEO: [{"verb", "noun", "action": "VERB,NOUN", "score", "segment"}]}}`.
public struct EPICDetections: Sendable {
    /// Verb, noun, and the two numbers of the action, which count for themselves.
    public let entries: [(video: VideoID, segment: Segment, score: Double, labels: [EPICAnnotations.Task: String])]

    /// - Throws: `Failure` (`.badInput`) for whatever is not as the form wants it, naming file, line and video.
    public init(readingJSON path: String) throws {
        entries = try DetectionFile.entries(of: try JSONNode.read(path), path: path).flatMap { entry in
            try entry.list.map { node in
                func failure(_ what: String, _ advice: String) -> Failure {
                    .badInput(what, at: .file(path), .line(node.line), .video(entry.name), advice: advice)
                }
                guard let verbClass = Self.number(node["verb"]) else { throw failure("'verb' is no class number", Self.advice) }
                guard let nounClass = Self.number(node["noun"]) else { throw failure("'noun' is no class number", Self.advice) }
                let action = (node["action"]?.string ?? "").split(separator: ",").map { Int($0.trimmingCharacters(in: .whitespaces)) }
                guard action.count == 2, let verb = action[0], let noun = action[1] else {
                    throw failure("'action' is not \"VERB,NOUN\"", Self.advice)
                }
                guard let score = node["score"]?.number, score.isFinite else { throw failure("'score' is no number", Self.advice) }
                let segment = try node.segment(owner: "a detection", failure)
                guard segment.start.isFinite, segment.end.isFinite else { throw failure("the segment is not finite", Self.advice) }
                return (
                    VideoID(entry.name), segment, score,
                    [.verb: "\(verbClass)", .noun: "\(nounClass)", .action: "\(verb),\(noun)"]
                )
            }
        }
    }

    /// The published code takes numbers and their texts.
    private static func number(_ node: JSONNode?) -> Int? {
        var found: Int?
        if let text = node?.string { found = Int(text) }
        if let number = node?.number { found = Int(exactly: number) }
        guard let found, found >= 0 else { return nil }
        return found
    }

    private static let advice = "the form is {\"verb\": 3, \"noun\": 12, \"action\": \"3,12\", \"score\": 0.5, \"segment\": [start, end]}"

    /// Those of a task whose class is among some.
    public func detections(_ task: EPICAnnotations.Task, classes: ClassMap) -> [Detection] {
        entries.compactMap { entry in
            (entry.labels[task].flatMap { classes.index(of: $0) }).map {
                Detection(video: entry.video, segment: entry.segment, label: $0, score: entry.score)
            }
        }
    }
}
