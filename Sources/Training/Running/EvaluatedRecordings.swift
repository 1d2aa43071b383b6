import Diagnostics
import FeatureStore
import TemporalAnnotations

/// What a run is evaluated on, found and read before the training.
struct EvaluatedRecordings {
    var subset: String
    /// Positions in the store.
    var videos: [Int]
    /// What the detections are compared with.
    var truth: [VideoAnnotation]
    /// The classes that `data.annotations` knows; nil: the store's annotations are compared with.
    private var annotatedClasses: Set<String>?
    /// What the user should know of `data.annotations`, one sentence each.
    var notes: [String] = []

    /// - Parameter readsAnnotations: on the rank that evaluates; the others keep the store's annotations, unused.
    /// - Returns: nil when the configuration names no subset.
    /// - Throws: `Failure.badInput` for a subset that does not exist, for recordings with weak labels beside others with segments, and for
    ///   `data.annotations` that cannot be read, lack the subset or a recording of it, or whose segments cannot be in seconds.
    init?(_ configuration: RunConfiguration, _ store: FeatureStore, readsAnnotations: Bool) throws {
        guard let subset = configuration.data.evaluationSubset else { return nil }
        self.subset = subset
        videos = try TrainingRun.videos(in: subset, key: "data.evaluation_subset", store)
        truth = videos.map { store.videos[$0].annotation }
        if let path = configuration.data.annotations {
            if readsAnnotations { try read(path, store) }
        } else {
            try WeakLabelCheck.check(truth: truth, path: store.path)
        }
    }

    private mutating func read(_ path: String, _ store: FeatureStore) throws {
        let set = try AnnotationSet(readingJSON: path, classes: store.classes, segments: .asWritten)
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
        notes = set.notes + (try SegmentScale(truth).verdict(of: "annotated segments", at: [.file(path), .key("data.annotations")]))
        let detected = Set(videos.map { store.videos[$0].id }), absent = truth.filter { !detected.contains($0.id) }
        if let first = absent.first {
            notes.append(
                "the store lacks \(absent.count) of the \(truth.count) videos that '\(path)' has of subset '\(subset)', the first is '\(first.id)': "
                    + "their actions count as missed")
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
