import ActionDetection
import Detectors
import Diagnostics
import FeatureStore
import PostProcessing
import TemporalAnnotations
import TrainingMethods

/// What a run is evaluated on, found and read before the training.
struct EvaluatedRecordings {
    var subset: String
    /// Positions in the store.
    var videos: [Int]
    /// What the detections are compared with.
    var truth: [VideoAnnotation]
    /// Of `test.class_scores`.
    let classScores: ClassScores?
    private let isClassAgnostic: Bool
    private let classSource: ClassSource
    /// The classes that `data.annotations` knows; nil: the store's annotations are compared with.
    private var annotatedClasses: Set<String>?
    /// What the user should know of `data.annotations`, one sentence each.
    var notes: [String] = []

    /// - Parameters:
    ///   - subset: nil: nothing is evaluated.
    ///   - key: that names the subset.
    ///   - annotations: a file whose annotations replace the store's.
    ///   - configuration: of the run.
    ///   - store: the feature store of the run.
    ///   - readsAnnotations: on the rank that evaluates; the others keep the store's annotations, unused.
    /// - Returns: nil without a subset.
    /// - Throws: `Failure.badInput` for a subset that does not exist, for recordings with weak labels beside others with segments, and for
    ///   `data.annotations` that cannot be read, lack the subset or a recording of it, or whose segments cannot be in seconds.
    private init?(
        subset: String?, key: String, annotations: String?, _ configuration: RunConfiguration, _ store: FeatureStore, readsAnnotations: Bool
    ) throws {
        guard let subset else { return nil }
        self.subset = subset
        classScores = try ClassScores(configuration, classes: store.classes)
        isClassAgnostic = configuration.data.classAgnostic
        classSource = configuration.classSource
        videos = try store.videos(inSubset: subset, key: key)
        truth = videos.map { store.videos[$0].annotation }
        if let annotations {
            if readsAnnotations { try read(annotations, store) }
        } else {
            try WeakLabelCheck.check(truth: truth, path: store.path)
        }
    }

    /// The recordings that the run is evaluated on at its end.
    static func atTheEnd(_ configuration: RunConfiguration, _ store: FeatureStore, readsAnnotations: Bool) throws -> EvaluatedRecordings? {
        let data = configuration.data
        return try EvaluatedRecordings(
            subset: data.evaluationSubset, key: "data.evaluation_subset", annotations: data.annotations, configuration, store,
            readsAnnotations: readsAnnotations)
    }

    /// The recordings that a run which evaluates while it trains is evaluated on: by `data.annotations` only where these are the same ones.
    ///
    /// - Parameter evaluated: those of the end.
    static func whileTraining(
        _ configuration: RunConfiguration, _ store: FeatureStore, evaluated: EvaluatedRecordings?, readsAnnotations: Bool
    ) throws -> EvaluatedRecordings? {
        guard configuration.training.evaluateEvery != nil else { return nil }
        guard let own = configuration.data.validationSubset else { return evaluated }
        return try EvaluatedRecordings(
            subset: own, key: "data.validation_subset", annotations: nil, configuration, store, readsAnnotations: readsAnnotations)
    }

    private mutating func read(_ path: String, _ store: FeatureStore) throws {
        let (set, passedOver) = try Self.annotations(path, classes: store.classes, isClassAgnostic: isClassAgnostic)
        notes += passedOver
        do {
            truth = set.videos(in: try set.subset(named: subset))
        } catch var failure as Failure {
            failure.places = [.file(path), .key("data.evaluation_subset")]
            throw failure
        }
        annotatedClasses = Set(set.videos.flatMap { $0.knownClasses.map { set.classes.names[$0] } })
        let known = Set(set.videos.map(\.id))
        if let unknown = videos.first(where: { !known.contains(store.videos[$0].id) }) {
            throw Failure.badInput(
                "the annotations do not know the video", at: .file(path), .key("data.annotations"), .video(store.videos[unknown].id.name),
                advice: "name the annotations that the store was made from, or leave data.annotations out")
        }
        try WeakLabelCheck.check(truth: truth, path: path)
        notes += set.notes + (try SegmentScale(truth).verdict(of: "annotated segments", at: [.file(path), .key("data.annotations")]))
        let detected = Set(videos.map { store.videos[$0].id }), absent = truth.filter { !detected.contains($0.id) }
        if let first = absent.first {
            notes.append(
                "the store lacks \(absent.count) of the \(truth.count) videos that '\(path)' has of subset '\(subset)', the first is '\(first.id)': "
                    + "their actions count as missed")
        }
    }

    /// The annotations with the classes of the store, and a sentence on actions of classes that the store lacks (it may have been made with some classes
    /// alone), which count as background.
    ///
    /// - Throws: `Failure.badInput` for a class that is likely one of the store's, misspelt, and when no class is the store's.
    private static func annotations(_ path: String, classes: ClassMap, isClassAgnostic: Bool) throws -> (AnnotationSet, notes: [String]) {
        let all = try AnnotationSet(readingJSON: path, segments: .asWritten)
        if isClassAgnostic { return (all.withOneClass, []) }
        let unknown = all.classes.names.filter { classes.index(of: $0) == nil }
        let unnamed = classes.names.filter { all.classes.index(of: $0) == nil }
        guard !unknown.isEmpty, unknown.count < all.classes.count, !unknown.contains(where: { nearestName(to: $0, among: unnamed) != nil }) else {
            return (try AnnotationSet(readingJSON: path, classes: classes, segments: .asWritten), [])
        }
        var selection = try ClassSelection(all.classes.names.filter { classes.index(of: $0) != nil }, among: all.classes)
        var set = selection.select(all)
        let places = set.classes.names.compactMap { classes.index(of: $0) }
        for video in set.videos.indices {
            set.videos[video].instances = set.videos[video].instances.map { ActionInstance(segment: $0.segment, label: places[$0.label]) }
            set.videos[video].weakLabels = set.videos[video].weakLabels.map { places[$0] }.sorted()
        }
        set.classes = classes
        let names = unknown.prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (unknown.count > 5 ? " and \(unknown.count - 5) more" : "")
        let actions = counted(selection.backgroundInstances, "action")
        return (set, ["\(actions) in '\(path)' are of classes that the store lacks, and count as background: \(names)"])
    }

    /// The detections with the classes of the classifier, where there is one, or with those known of their recordings.
    func classified(_ found: [(video: VideoID, detections: [Detection])]) throws -> [(video: VideoID, detections: [Detection])] {
        if classSource == .known {
            let known = Dictionary(truth.map { ($0.id, $0.knownClasses) }, uniquingKeysWith: { first, _ in first })
            return found.map { ($0.video, ClassScoreFusion.known($0.detections, classes: known[$0.video] ?? [])) }
        }
        guard let classScores else { return found }
        return try found.map { ($0.video, try classScores($0.detections, of: $0.video)) }
    }

    /// The detections as they are compared with `truth`: of one class where classes do not count.
    func compared(_ found: [(video: VideoID, detections: [Detection])]) -> [Detection] {
        found.flatMap(\.detections).map { detection in
            var result = detection
            if isClassAgnostic { result.label = 0 }
            return result
        }
    }

    /// Sentences on detections of classes that `data.annotations` lacks, which the evaluation passes over.
    func passedOver(_ detections: [Detection], classes: ClassMap) -> [String] {
        guard let annotatedClasses else { return [] }
        var counts: [String: Int] = [:]
        for detection in detections where !annotatedClasses.contains(classes.names[detection.label]) {
            counts[classes.names[detection.label], default: 0] += 1
        }
        return passedOverNotes(counts, of: detections.count, known: annotatedClasses.sorted())
    }
}
