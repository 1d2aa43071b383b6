import Diagnostics
import FeatureStore
import TemporalAnnotations
import TrainingMethods

/// Recordings whose classes are known without segments teach nothing but weakly supervised methods, and are no truth to compare with.
enum WeakLabelCheck {
    /// - Parameter recordings: the labelled ones, as positions in the store.
    /// - Throws: `Failure.badInput` when the method needs segments and a recording has none but classes.
    static func check(_ recordings: [Int], _ configuration: RunConfiguration, _ store: FeatureStore) throws {
        guard type(of: configuration.method).needsSegments else { return }
        let weak = recordings.filter { store.videos[$0].annotation.isWeaklyLabelled }
        guard let first = weak.first else { return }
        throw Failure.badInput(
            "\(weak.count) of the \(recordings.count) labelled recordings have weak labels only (classes without segments), "
                + "the method '\(configuration.methodName)' learns from segments",
            at: .file(store.path), .key("method.name"), .video(store.videos[first].id.name),
            advice: "set method.name to \(configuration.registry.weaklySupervisedMethods), or choose recordings with segments by data.labeled_order")
    }

    /// - Parameter truth: of the recordings that are evaluated.
    /// - Throws: `Failure.badInput` when some have segments and others classes alone; where all have classes alone, nothing is compared.
    static func check(truth: [VideoAnnotation], path: String) throws {
        let weak = truth.filter(\.isWeaklyLabelled)
        guard let first = weak.first, truth.contains(where: { !$0.instances.isEmpty }) else { return }
        throw Failure.badInput(
            "\(weak.count) of the \(truth.count) recordings to evaluate have weak labels only (classes without segments): there is nothing to compare "
                + "their detections with",
            at: .file(path), .key("data.evaluation_subset"), .video(first.id.name),
            advice: "give data.annotations with segments, or set data.evaluation_subset to null")
    }
}
