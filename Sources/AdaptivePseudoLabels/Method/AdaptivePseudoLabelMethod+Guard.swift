import ActionDetection
import Checkpoints
import Collectives
import DetectionMetrics
import Detectors
import Diagnostics
import Foundation
import NeuralNetworks
import RunRecords
import Sampling
import TemporalAnnotations
import Training
import TrainingMethods

/// Weights and their running average, and what they are worth.
struct GuardedWeights: Equatable {
    /// Average mAP on the held-out recordings, 0 to 1.
    var score: Double
    var saved: SavedWeights
}

extension AdaptivePseudoLabelMethod {
    private var isGuarded: Bool { settings.pseudoLabels.guardsRounds && settings.pseudoLabels.rounds > 0 }

    /// After the burn-in and each round: the weights are kept if their average mAP on the held-out recordings is no lower than the best before;
    /// otherwise the best ones take their place. The optimizer's moments stay as they are (choice).
    ///
    /// - Throws: `Failure` when features cannot be read; `.interrupted` on all ranks when a signal asks to end.
    func guardRound(named name: String, _ run: RunContext) throws {
        guard isGuarded else { return }
        let state = run.state, score = try heldOutScore(name, run)
        var isKept = true
        if let best, score < best.score {
            isKept = false
            best.saved.putBack(into: state)
        } else {
            best = GuardedWeights(score: score, saved: SavedWeights(state))
        }
        guard run.communicator.isRoot else { return }
        let value = best?.score ?? score
        try run.observers.tell {
            try $0.recorded(GuardRecord(step: state.step, stage: name, averageMAP: score, bestAverageMAP: value, isKept: isKept))
        }
        run.say([
            "\(name): average mAP \(percent(score)) % on \(counted(heldOut.count, "held-out recording"))"
                + (isKept ? "" : ", \(percent(value)) % before: the weights before are taken back")
        ])
    }

    private func percent(_ value: Double) -> String { String(format: "%.1f", 100 * value) }

    /// Average mAP of the weights that the run will be evaluated with, over the tIoUs of `test`.
    private func heldOutScore(_ name: String, _ run: RunContext) throws -> Double {
        func detect() throws -> [(video: VideoID, detections: [Detection])]? {
            try Inference.detect(
                detector, store: store, videos: heldOut, communicator: run.communicator, title: "\(name): held-out recordings, detecting")
        }
        let found = try run.state.with(configuration.training.evaluateWeights, detect)
        let scores = found.map { found in
            let evaluation = Evaluation(
                videos: heldOut.map { store.videos[$0].annotation }, classes: store.classes, thresholds: configuration.test.tiouThresholds)
            return [evaluation.evaluate(found.flatMap(\.detections)).averageMAP]
        }
        return try run.communicator.broadcast(scores ?? [0])[0]
    }

    /// The best weights that a checkpoint holds; nil for one before the end of the burn-in.
    func guarded(_ state: [String: [UInt8]]) throws -> GuardedWeights? {
        guard isGuarded, let bytes = state["apl_guard"] else { return nil }
        let score: [Double] = StateBytes.values(bytes)
        guard score.count == 1 else { throw StateBytes.damaged("apl_guard", in: state) }
        return GuardedWeights(score: score[0], saved: try SavedWeights("apl_guard", of: state, count: MemoryPlanner.count(detector)))
    }
}
