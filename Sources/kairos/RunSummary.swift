import Checkpoints
import DetectionMetrics
import Foundation
import RunRecords

/// What `inspect` says of a run's folder.
struct RunSummary: Encodable {
    var kind = "run"
    var path: String
    /// Of the newest checkpoint; nil without any.
    var digest: String?
    /// Steps done, by the newest checkpoint; 0 without any.
    var step: Int
    /// Steps of the checkpoints there are.
    var checkpoints: [Int]
    /// The stage of the log's last line; nil without any, and in logs of version 0.1.
    var stage: String?
    /// Parts of the loss by name, of the log's last line on steps.
    var loss: [String: Double]?
    /// From the log's first line to its last, pauses among them; nil in logs of version 0.1.
    var seconds: Double?
    /// Rounds whose pseudo-labels are there.
    var rounds: [Int]
    /// Ranks whose timeline is there.
    var recorded_ranks: [Int]
    /// Of the evaluations while the run trained: steps done at the best one, and its average mAP; nil without any.
    var best_step: Int?
    var best_average_mAP: Double?
    /// After the evaluation at the run's end; nil before.
    var metrics: EvaluationResult?

    /// - Throws: `Failure` (`.badInput`) for a file of the run that cannot be read.
    init(_ run: RunFolder) throws {
        path = run.path
        let folder = run.checkpoints(keep: 1)
        checkpoints = folder.steps
        step = checkpoints.last ?? 0
        digest = try folder.newest.map { try Checkpoint(path: $0).digest }
        let log = FileManager.default.fileExists(atPath: run.log) ? try run.readLog() : []
        stage = log.last?.stage
        loss = log.lazy.compactMap { if case .steps(let record) = $0 { record.loss } else { nil } }.last
        let best = log.lazy.compactMap { if case .validation(let record) = $0 { record } else { nil } }.last
        (best_step, best_average_mAP) = (best?.bestStep, best?.bestAverageMAP)
        if let first = log.first?.time, let last = log.last?.time { seconds = last - first }
        rounds = run.rounds
        recorded_ranks = run.recordedRanks
        metrics = run.hasMetrics ? try run.readMetrics() : nil
    }

    var text: String {
        var lines = ["\(path): \(kind)", "  step        \(step)" + (stage.map { ", in \($0)" } ?? "")]
        if let metrics {
            lines.append(
                "  average mAP \(String(format: "%.2f", 100 * metrics.averageMAP)) %" + (metrics.classSource.map { ", classes from: \($0)" } ?? ""))
        }
        if let best_step, let best_average_mAP {
            lines.append("  best        \(String(format: "%.2f", 100 * best_average_mAP)) % while training, at step \(best_step)")
        }
        if let loss {
            let parts = loss.sorted { $0.key < $1.key }.map { "\($0.key) \(String(format: "%.4f", $0.value))" }
            lines.append("  loss        \(parts.joined(separator: ", "))")
        }
        func list(_ name: String, _ numbers: [Int]) {
            if !numbers.isEmpty { lines.append("  \(name) \(numbers.map(String.init).joined(separator: ", "))") }
        }
        list("checkpoints", checkpoints)
        list("rounds     ", rounds)
        list("timelines  ", recorded_ranks)
        if let digest { lines.append("  digest      \(digest)") }
        return lines.joined(separator: "\n")
    }
}
