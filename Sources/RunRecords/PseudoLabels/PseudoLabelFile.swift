import Diagnostics
import Foundation
import TemporalAnnotations

/// What decided the fates of a round.
public struct PseudoLabelThresholds: Equatable, Sendable {
    /// From which score predictions are positive; nil when there were none to compute it from, or when each class has its own.
    public var theta: Double?
    /// The same by class name; empty when one theta serves all.
    public var thetaPerClass: [String: Double]
    /// Positives of lower similarity were removed; nil: none were.
    public var removedBelow: Double?
    /// Predictions of at least this similarity were promoted; nil: none were.
    public var promotedFrom: Double?

    public init(theta: Double?, thetaPerClass: [String: Double] = [:], removedBelow: Double? = nil, promotedFrom: Double? = nil) {
        self.theta = theta
        self.thetaPerClass = thetaPerClass
        self.removedBelow = removedBelow
        self.promotedFrom = promotedFrom
    }
}

/// A round's pseudo-labels as people read them: ActivityNet's results JSON, which `kairos evaluate` reads too. Beside label, segment and score an
/// entry has `P_cls`, `P_tiou`, `P_tnd`, `similarity` (null where there is none) and `fate`; `external_data` has `round`, `theta`,
/// `theta_per_class`, `removed_below`, `promoted_from`, `labels` (how many are learnt from), `quality` and `previous_quality` (null when not
/// measured), and, when measured, `reliability`.
public struct PseudoLabelFile: Equatable, Sendable {
    public var round: Int
    /// Those of a recording stand together.
    public var labels: [PseudoLabel]
    /// All recordings that were examined, in the order of the file.
    public var videos: [VideoID]
    public var thresholds: PseudoLabelThresholds
    /// nil when the truth is unknown.
    public var quality: PseudoLabelQuality?
    /// Of the round before.
    public var previousQuality: PseudoLabelQuality?
    /// nil when the truth is unknown.
    public var reliability: PseudoLabelReliability?

    /// - Parameters:
    ///   - round: number of the round, from 1.
    ///   - labels: all predictions that were examined.
    ///   - videos: recordings to be listed even without predictions; those of the labels are added in order of appearance.
    ///   - thresholds: those that selected.
    ///   - quality: measured, where the truth is known.
    ///   - previousQuality: of the round before.
    ///   - reliability: measured, where the truth is known.
    public init(
        round: Int, labels: [PseudoLabel], videos: [VideoID] = [], thresholds: PseudoLabelThresholds, quality: PseudoLabelQuality? = nil,
        previousQuality: PseudoLabelQuality? = nil, reliability: PseudoLabelReliability? = nil
    ) {
        self.round = round
        self.labels = labels
        var seen = Set<VideoID>()
        self.videos = videos.filter { seen.insert($0).inserted }
        // Labels of a recording stand together: one look-up per recording.
        var last: VideoID?
        for label in labels where label.video != last {
            last = label.video
            if seen.insert(label.video).inserted { self.videos.append(label.video) }
        }
        self.thresholds = thresholds
        self.quality = quality
        self.previousQuality = previousQuality
        self.reliability = reliability
    }

    // MARK: Writing

    /// - Throws: `Failure` (`.failed`) for a number that JSON lacks or a label that is not among `classes`.
    public func json(classes: ClassMap) throws -> Data {
        var data = Data()
        try render(classes) { data.append(contentsOf: $0.utf8) }
        return data
    }

    /// Writes `json` so that no reader sees half of it, with memory for a recording at a time.
    public func write(classes: ClassMap, to path: String) throws {
        try replaceFile(at: path) { part in
            do {
                try Data().write(to: URL(fileURLWithPath: part))
                let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: part))
                var waiting = Data()
                try render(classes) {
                    waiting.append(contentsOf: $0.utf8)
                    guard waiting.count >= 1 << 20 else { return }
                    try handle.write(contentsOf: waiting)
                    waiting.removeAll(keepingCapacity: true)
                }
                try handle.write(contentsOf: waiting)
                try handle.close()
            } catch let failure as Failure {
                throw failure
            } catch {
                throw Failure.failed(
                    "the file could not be written: \(error.localizedDescription)", at: .file(path),
                    advice: "check the folder's permissions and free space")
            }
        }
    }

    private func render(_ classes: ClassMap, emit: (String) throws -> Void) throws {
        let names = try classes.names.map(quoted)
        var runs: [VideoID: [Range<Int>]] = [:]
        var first = 0
        while first < labels.count {
            var end = first + 1
            while end < labels.count, labels[end].video == labels[first].video { end += 1 }
            runs[labels[first].video, default: []].append(first..<end)
            first = end
        }
        try emit("{\"version\": \"1.0\", \"results\": {\n")
        for (i, video) in videos.enumerated() {
            var text = "\(i > 0 ? ",\n" : "")\(try quoted(video.name)): ["
            var isFirst = true
            for run in runs[video] ?? [] {
                for label in labels[run] {
                    if !isFirst { text += ",\n  " }
                    isFirst = false
                    text += try entry(label, names)
                }
            }
            try emit(text + "]")
        }
        let perClass = try thresholds.thetaPerClass.sorted { $0.key < $1.key }.map { "\(try quoted($0.key)): \(try decimal($0.value))" }
        let external =
            [
                "\"round\": \(round)", "\"theta\": \(try decimal(thresholds.theta))", "\"theta_per_class\": {\(perClass.joined(separator: ", "))}",
                "\"removed_below\": \(try decimal(thresholds.removedBelow))", "\"promoted_from\": \(try decimal(thresholds.promotedFrom))",
                "\"labels\": \(labels.reduce(0) { $0 + ($1.fate.isLabel ? 1 : 0) })", "\"quality\": \(try json(quality))",
                "\"previous_quality\": \(try json(previousQuality))",
            ] + (try reliability.map { ["\"reliability\": \(try $0.json(decimal))"] } ?? [])
        try emit("\n}, \"external_data\": {\(external.joined(separator: ", "))}}\n")
    }

    private func entry(_ label: PseudoLabel, _ names: [String]) throws -> String {
        guard names.indices.contains(label.label) else {
            throw Failure.failed(
                "a pseudo-label has class \(label.label), there are \(names.count) classes", at: .video(label.video.name),
                advice: "write pseudo-labels with the classes of the feature store they were made on")
        }
        func text(_ value: Double?) throws -> String { try value.map { try number($0, label.video) } ?? "null" }
        return "{\"label\": \(names[label.label]), "
            + "\"segment\": [\(try text(label.segment.start)), \(try text(label.segment.end))], \"score\": \(try text(label.score)), "
            + "\"P_cls\": \(try text(label.classScore)), \"P_tiou\": \(try text(label.tIoU)), \"P_tnd\": \(try text(label.tND)), "
            + "\"similarity\": \(try text(label.similarity)), \"fate\": \"\(label.fate.rawValue)\"}"
    }

    private func decimal(_ value: Double?) throws -> String {
        guard let value else { return "null" }
        guard value.isFinite else {
            throw Failure.failed(
                "the threshold \(text(value)) cannot be written to JSON", advice: "check what computed it: only finite numbers are expected")
        }
        return "\(value)"
    }

    private func json(_ quality: PseudoLabelQuality?) throws -> String {
        guard let quality else { return "null" }
        return "{\"class_accuracy\": \(try decimal(quality.classAccuracy)), \"average_tIoU\": \(try decimal(quality.averageTIoU)), "
            + "\"positive_accuracy\": \(try decimal(quality.positiveAccuracy)), \"count\": \(quality.count)"
            + (try quality.recall.map { ", \"recall\": \(try decimal($0))" } ?? "") + "}"
    }
}
