import Checkpoints
import Collectives
import DetectionMetrics
import Diagnostics
import Foundation
import RunRecords
import TrainingMethods

/// What the evaluations of a run that trains have found so far; part of the checkpoint.
struct ValidationState: Equatable {
    /// The highest average mAP, 0 to 1, and the steps done when it was found; -1 and 0 before the first evaluation.
    var best = -1.0
    var bestStep = 0
    /// Evaluations since then.
    var since = 0

    static let key = "validation"

    /// nil for a checkpoint without evaluations.
    ///
    /// - Throws: `Failure.badInput` for a state that is damaged.
    init?(_ state: [String: [UInt8]]) throws {
        guard let bytes = state[Self.key] else { return nil }
        let numbers: [Double] = StateBytes.values(bytes)
        guard bytes.count == 24, let step = Int(exactly: numbers[1]), let since = Int(exactly: numbers[2]) else {
            throw StateBytes.damaged(Self.key, in: state)
        }
        (best, bestStep, self.since) = (numbers[0], step, since)
    }

    init() {}

    var bytes: [UInt8] { StateBytes.bytes([best, Double(bestStep), Double(since)]) }

    /// Takes the average mAP of the weights after `step` steps; of equal ones the earlier stays.
    ///
    /// - Returns: whether it is the best.
    mutating func take(_ score: Double, step: Int) -> Bool {
        guard score > best else {
            since += 1
            return false
        }
        (best, bestStep, since) = (score, step, 0)
        return true
    }
}

/// Evaluations while a run trains.
struct Validation {
    /// Steps between evaluations.
    let every: Int
    /// Evaluations in a row without a gain after which the run ends; nil: it never ends early.
    let patience: Int?
    /// Detects with the present weights and evaluates; on rank 0 the result, nil on the others. All ranks call it together.
    let evaluate: () throws -> EvaluationResult?
}

extension Trainer {
    /// Whether evaluations without a gain have ended the run: in its last stage alone.
    var hasEndedEarly: Bool {
        guard let patience = validation?.patience, let last = stageSteps.last, state.step > last.lowerBound else { return false }
        return validated.since >= patience
    }

    /// Whether the weights are evaluated after this step. Stages that train no detector have nothing to evaluate.
    func isToBeValidated(stage: Int) -> Bool {
        guard let validation, stages[stage].trainsDetector else { return false }
        return state.step % validation.every == 0 || state.step == iterations
    }

    /// Evaluates the present weights, keeps the best in a checkpoint of their own, and puts the result on record.
    ///
    /// - Throws: `Failure` on all ranks when rank 0 cannot write, or features cannot be read; `.interrupted` when a signal asks to end.
    func validate(stage: Int) throws {
        guard let validation else { return }
        let result = try validation.evaluate()
        let score = try communicator.broadcast(result?.averageMAP ?? 0)
        let isBest = validated.take(score, step: state.step)
        try communicator.throwTogether {
            guard communicator.isRoot, let result else { return }
            if isBest { _ = try Activity.during(.writingFile) { try Checkpoint.write(state, header: header, to: checkpoints.best) } }
            let record = ValidationRecord(
                step: state.step, stage: stages[stage].name, tiouThresholds: result.tiouThresholds, mAP: result.mAP, averageMAP: result.averageMAP,
                bestAverageMAP: validated.best, bestStep: validated.bestStep)
            try observers.tell { try $0.recorded(record) }
        }
    }
}
