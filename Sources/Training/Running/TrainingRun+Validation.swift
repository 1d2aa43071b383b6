import ActionDetection
import Autograd
import Checkpoints
import DetectionMetrics
import Detectors
import Diagnostics
import Foundation
import NeuralNetworks
import RunRecords
import TemporalAnnotations
import TrainingMethods

/// Evaluation while the run trains, and with the weights of its best moment.
extension TrainingRun {
    /// The detections on rank 0, nil on the others, with the weights that the configuration names (current ones or their average).
    func detections(on recordings: EvaluatedRecordings, title: String) throws -> [(video: VideoID, detections: [Detection])]? {
        // Buffers of the training's sizes would lie beside those of whole recordings.
        BufferPool.shared.releaseFree()
        func detect() throws -> [(video: VideoID, detections: [Detection])]? {
            try Inference.detect(
                trainer.method.localizer(detector), store: store, videos: recordings.videos, communicator: communicator, title: title)
        }
        let found = try trainer.state.with(configuration.training.evaluateWeights, detect)
        return try communicator.throwTogether { try found.map(recordings.classified) }
    }

    /// The detections of the evaluation at the end. Where the last evaluation of the training has seen the same recordings with the same weights, they
    /// are its own.
    func detectionsAtTheEnd(on recordings: EvaluatedRecordings) throws -> [(video: VideoID, detections: [Detection])]? {
        let step = trainer.state.step, choosesBest = configuration.training.evaluateCheckpoint == .best && trainer.validated.best >= 0
        if let last = lastDetected, last.step == step, last.videos == recordings.videos, !choosesBest || trainer.validated.bestStep == step {
            return last.found
        }
        return try withEvaluatedWeights { try detections(on: recordings, title: "detecting") }
    }

    /// Has the trainer evaluate on these recordings; says so where the choice of the best weights favours the final evaluation.
    func validate(on recordings: EvaluatedRecordings?) throws {
        guard let every = configuration.training.evaluateEvery, let recordings else { return }
        guard recordings.truth.contains(where: { !$0.instances.isEmpty }) else {
            throw Failure.badInput(
                "subset '\(recordings.subset)' has no annotated action to evaluate on", at: .file(store.path), .key("training.evaluate_every"),
                advice: "name another data.validation_subset, or set training.evaluate_every to null")
        }
        trainer.validation = Validation(every: every, patience: configuration.training.patience) { [self] in
            let found = try detections(on: recordings, title: "validating")
            lastDetected = (trainer.state.step, recordings.videos, found)
            return try communicator.throwTogether {
                guard let found else { return nil }
                try tell(found, isAtEnd: false)
                return result(found, on: recordings)
            }
        }
        let chooses = configuration.training.patience != nil || configuration.training.evaluateCheckpoint == .best
        if chooses, configuration.data.validationSubset == nil || configuration.data.validationSubset == configuration.data.evaluationSubset {
            notes.append(
                "warning: the best weights are chosen on subset '\(recordings.subset)', on which the run is evaluated too: its figures are too good; "
                    + "name another data.validation_subset")
        }
    }

    /// Tells the observers the scores of an evaluation's detections.
    func tell(_ found: [(video: VideoID, detections: [Detection])], isAtEnd: Bool) throws {
        let scores = DetectionScores(step: trainer.state.step, isAtEnd: isAtEnd, scores: found.flatMap { $0.detections.map(\.score) })
        try trainer.observers.tell { try $0.detected(scores) }
    }

    func result(_ found: [(video: VideoID, detections: [Detection])], on recordings: EvaluatedRecordings) -> EvaluationResult {
        var result = Evaluation(videos: recordings.truth, classes: store.classes, thresholds: configuration.test.tiouThresholds)
            .evaluate(recordings.compared(found))
        let source = configuration.classSource
        if source != .detector { result.classSource = source.rawValue }
        return result
    }

    /// Runs with the weights of the best evaluation in the place of the last ones, if the configuration wants that and there was one.
    func withEvaluatedWeights<Result>(_ body: () throws -> Result) throws -> Result {
        guard configuration.training.evaluateCheckpoint == .best, trainer.validated.best >= 0 else { return try body() }
        let state = trainer.state, arena = state.arena, path = trainer.checkpoints.best
        let last = SavedWeights(state)
        defer { last.putBack(into: state) }
        try communicator.throwTogether {
            let checkpoint = try Checkpoint(path: path)
            guard checkpoint.header.step == trainer.validated.bestStep else {
                throw Failure.badInput(
                    "it is of step \(checkpoint.header.step), the best evaluation was at step \(trainer.validated.bestStep)", at: .file(path),
                    advice: "set training.evaluate_checkpoint to last, or train the run again")
            }
            try checkpoint.loadWeights(.ema, into: arena)
            for i in 0..<arena.count { state.average.values[i] = arena.values[i] }
            try checkpoint.loadWeights(.current, into: arena)
            PreparedWeights.forget()
        }
        return try body()
    }

    /// Why the run ended before its last step.
    var earlyEnd: String {
        let found = trainer.validated
        return "ended at step \(trainer.state.step) of \(trainer.iterations): \(counted(found.since, "evaluation")) without a gain over the average "
            + "mAP of \(String(format: "%.2f", 100 * found.best)) % at step \(found.bestStep)"
    }
}
