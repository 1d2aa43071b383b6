import Detectors
import Diagnostics
import FeatureStore
import TemporalAnnotations
import Training

/// Whether the generator can learn from the recordings' classes, and the student from any proposal: known before the first step. Where actions lie is
/// not looked at.
struct GeneratorReview {
    private let method: WeakSupervisionMethod
    private var store: FeatureStore { method.store }

    init(_ method: WeakSupervisionMethod) { self.method = method }

    /// - Returns: lines for people.
    /// - Throws: `Failure.badInput` when the generator or the student can learn nothing.
    func lines() throws -> [String] {
        try requireClasses()
        var lines = warningsOfClasses()
        let short = method.recordings.filter { isTooShort($0) }
        if let first = short.first {
            lines.append(
                "warning: \(short.count) of the \(method.recordings.count) recordings with classes \(short.count == 1 ? "is" : "are") too short "
                    + "for a proposal, \(short.count == 1 ? "" : "for example ")'\(store.videos[first].id.name)' of \(rows(first)); "
                    + "raise fustal.upsampling")
        }
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

    /// A proposal is a run of at least two up-sampled segments.
    private func isTooShort(_ recording: Int) -> Bool {
        min(store.videos[recording].rows, method.settings.segments) * method.settings.upsampling < 2
    }

    private func rows(_ recording: Int) -> String {
        let count = store.videos[recording].rows
        return "\(count) row\(count == 1 ? "" : "s")"
    }

    // MARK: The student

    private func studentLines() throws -> [String] {
        let lost = method.recordings.filter { !canLearn($0) }
        guard let first = lost.first else { return [] }
        let video = store.videos[first]
        func seconds(_ position: Int) -> String { LearnableActions.short(video.grid.seconds(atPosition: Double(position))) }
        let example =
            "'\(video.id.name)' of \(LearnableActions.short(video.annotation.duration)) s, whose \(rows(first)) "
            + (video.rows == 1 ? "stands at \(seconds(0)) s" : "stand at \(seconds(0)) to \(seconds(video.rows - 1)) s")
        let advice = "look at the window, stride and fps that the features were imported with, and at model.regression_range"
        guard lost.count < method.recordings.count else {
            throw Failure.badInput(
                "there is nothing to learn for the student: no proposal can ever be positive in any of the \(lost.count) recordings with classes, "
                    + "for example \(example)",
                at: .file(store.path), .key("model.regression_range"), .video(video.id.name), advice: advice)
        }
        return [
            "warning: no proposal can ever be positive in \(lost.count) of the \(method.recordings.count) recordings with classes, "
                + "\(lost.count == 1 ? "" : "for example ")\(example); \(advice)"
        ]
    }

    /// Segments of one length that are looked at in a recording.
    private static let mostSegments = 16

    /// Whether some segment within the recording can be positive: the whole, halves, quarters and so on down to a row.
    private func canLearn(_ recording: Int) -> Bool {
        let video = store.videos[recording], duration = video.annotation.duration, row = video.grid.stride / video.grid.fps
        var length = duration
        while true {
            let count = max(1, min(Self.mostSegments, Int(duration / length)))
            let segments = (0..<count).map { part -> Segment in
                let start = count > 1 ? Double(part) * (duration - length) / Double(count - 1) : 0
                return Segment(start: start, end: start + length)
            }
            let learnable = LearnableActions(
                segments.map { (recording, [ActionInstance(segment: $0, label: 0)]) }, configuration: method.configuration, store: store,
                detector: method.detector, isCropped: false)
            if learnable.learnable > 0 { return true }
            guard length > 2 * row else { return false }
            length /= 2
        }
    }
}
