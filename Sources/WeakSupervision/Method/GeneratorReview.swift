import Detectors
import Diagnostics
import FeatureStore
import TrainingMethods
import TrainingReview

/// Whether the generator can learn from the recordings' classes, and the student from any proposal: known before the first step. Where actions lie is
/// not looked at.
struct GeneratorReview {
    private let method: WeakSupervisionMethod
    private var store: FeatureStore { method.store }

    init(_ method: WeakSupervisionMethod) { self.method = method }

    /// - Returns: lines for the user.
    /// - Throws: `Failure.badInput` when the generator or the student can learn nothing.
    func lines() throws -> [String] {
        try requireClasses()
        var lines = warningsOfClasses()
        lines += try linesOfShortRecordings()
        return lines + (method.settings.student ? try studentLines() : [])
    }

    // MARK: The generator

    /// The softmax over one class is 1 whatever the features are.
    private func requireClasses() throws {
        guard store.classes.count == 1 else { return }
        throw Failure.badInput(
            "there is nothing to learn: the store has one class, '\(store.classes.names[0])', whose share of the classes is 1 in every recording",
            at: .file(store.path), .key("method.name"),
            advice: "make the store from annotations of several classes, or learn from the actions with another method.name")
    }

    private func warningsOfClasses() -> [String] {
        let sets = Set(method.recordings.map(method.classes))
        guard sets.count == 1, let set = sets.first, method.recordings.count > 1 else { return [] }
        let names = set.prefix(8).map { "'\(store.classes.names[$0])'" }.joined(separator: ", ") + (set.count > 8 ? ", ..." : "")
        return [
            "warning: all \(method.recordings.count) recordings have the same classes, \(names): "
                + "the generator learns from recordings that differ in them"
        ]
    }

    private func linesOfShortRecordings() throws -> [String] {
        let short = method.recordings.filter(isTooShort), total = method.recordings.count
        guard let first = short.first else { return [] }
        let video = store.videos[first], isOne = short.count == 1
        let example = "\(isOne ? "" : "for example ")'\(video.id.name)' of \(video.rows) row\(video.rows == 1 ? "" : "s")"
        let advice = "use features of a smaller stride, or raise fustal.segments and fustal.upsampling"
        guard short.count < total else {
            throw Failure.badInput(
                "there is nothing to learn: all \(total) recordings with classes are too short for a proposal, \(example)", at: .file(store.path),
                .key("fustal.segments"), .video(video.id.name), advice: advice)
        }
        let verb = isOne ? "is" : "are"
        return ["warning: \(short.count) of the \(total) recordings with classes \(verb) too short for a proposal, \(example); \(advice)"]
    }

    /// A proposal is a run of at least two up-sampled segments above the least of the recording.
    private func isTooShort(_ recording: Int) -> Bool {
        let segments = min(store.videos[recording].rows, method.settings.segments)
        return segments == 1 || segments * method.settings.upsampling < 3
    }

    // MARK: The student

    private func studentLines() throws -> [String] {
        let barren = BarrenRecordings(
            among: method.recordings, configuration: method.configuration, store: store, detector: method.detector)
        if let first = barren.recordings.first, barren.recordings.count == barren.total {
            throw Failure(
                .badInput,
                "there is nothing to learn for the student: no proposal can ever be positive in any of the \(barren.total) recordings with classes, "
                    + "for example \(barren.example)",
                at: [.file(store.path)] + barren.keys.map(Failure.Place.key) + [.video(store.videos[first].id.name)], advice: barren.advice)
        }
        return [barren.warning("proposal", "recordings with classes")].compactMap { $0 }
    }
}
