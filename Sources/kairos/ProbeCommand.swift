import ActionDetection
import AdaptivePseudoLabels
import ArgumentParser
import Collectives
import CommandSupport
import ContrastivePretraining
import Diagnostics
import Foundation
import StandardRegistry
import Training
import TrainingMethods

extension RepresentationProbe.Representation: ExpressibleByArgument {}

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Measure a checkpoint's representation of frames by a linear classifier.",
        discussion: """
            Example:
              kairos probe --checkpoint runs/sbhar/checkpoints/step-00000300.h5 --store sbhar.h5

            The detector is frozen. Its representation of a frame is all levels of its pyramid at that frame, as APL's contrastive pre-training has it; a
            checkpoint of the pre-training will do. A logistic regression is fitted to frames of the labelled training recordings, and counted on
            frames of the evaluation recordings. --representation input measures the features themselves, to compare with.
            """)

    enum Labels: String, ExpressibleByArgument, CaseIterable { case labelled, all }

    @Option(help: "A checkpoint of 'kairos train' or 'kairos import weights'.")
    var checkpoint: String
    @Option(help: "The feature store; its annotations give the frames their classes.")
    var store: String
    @Option(help: "The subset to fit the classifier to (default: data.training_subset of the checkpoint's configuration).")
    var trainingSubset: String?
    @Option(help: "The subset to count on (default: data.evaluation_subset of the checkpoint's configuration).")
    var evaluationSubset: String?
    @Option(help: "Whose labels the classifier may use: those of the recordings that are labelled in the run, or of all of the subset.")
    var labels = Labels.labelled
    @Option(help: "Frames of each recording, the most: the middles of so many equal parts.")
    var frames = 64
    @Option(help: "pyramid or input: what is classified.")
    var representation = RepresentationProbe.Representation.pyramid
    @Option(help: "Factor of half the squared weights, beside the mean loss of a frame.")
    var l2 = LinearProbe.Settings().l2
    @Option(help: "current or ema; default: as in the checkpoint's configuration.")
    var weights: TrainingConfiguration.Weights?
    @Flag(help: "Resample rows at another rate to that of the training, by linear interpolation in time.")
    var resample = false
    @OptionGroup var report: OutputOptions

    struct Summary: Encodable {
        var accuracy: Double
        var mean_class_accuracy: Double
        var action_accuracy: Double
        /// Accuracy of always saying the most frequent class of the training frames.
        var majority_accuracy: Double
        var training: RepresentationProbe.Counts
        var evaluation: RepresentationProbe.Counts
        var classes: Int
        var columns: Int
        var representation: String
        var iterations: Int
        var converged: Bool
        /// The largest element of the gradient at the end.
        var gradient: Double
        var seconds: Double
    }

    func run() throws {
        try withRanks(mindsSignals: true) { world in
            guard l2 > 0, l2.isFinite else {
                throw Failure.wrongUsage("--l2 is \(l2)", advice: "give a number above 0; without the term the weights have no end")
            }
            let loaded = try world.throwTogether {
                RunWindow.readingInput.pass()
                return try TrainedDetector(checkpoint: checkpoint, store: store, weights: weights, registry: .standard)
            }
            try loaded.agree(world)
            let options = "\(labels) \(frames) \(representation) \(l2) \(resample) \(weights?.rawValue ?? "as configured")"
            try world.agree(on: options, name: "the options")
            try world.agree(on: trainingSubset ?? "as configured", name: "--training-subset")
            try world.agree(on: evaluationSubset ?? "as configured", name: "--evaluation-subset")
            StallWatch.current?.hold(to: .detection(loaded.configuration.training.stallSeconds))
            _ = try ComputeThreads.set(loaded.configuration.training.threads, communicator: world)
            let (training, evaluation, probe) = try world.throwTogether { () throws -> ([Int], [Int], RepresentationProbe) in
                let (training, evaluation) = try recordings(loaded)
                return (training, evaluation, try RepresentationProbe(loaded, representation: representation, frames: frames))
            }
            _ = try world.throwTogether { try loaded.fitRate(videos: training + evaluation, resampling: resample) }
            if world.isRoot { loaded.notes.forEach(note) }
            let began = Date()
            var settings = LinearProbe.Settings()
            settings.l2 = l2
            guard
                let outcome = try probe.run(training: training, evaluation: evaluation, settings: settings, communicator: world, note: note)
            else { return }
            try say(outcome, seconds: Date().timeIntervalSince(began))
        }
    }

    /// Positions in the store: to fit to, and to count on.
    private func recordings(_ loaded: TrainedDetector) throws -> (training: [Int], evaluation: [Int]) {
        var configuration = loaded.configuration
        if let trainingSubset {
            _ = try loaded.store.videos(inSubset: trainingSubset, key: "--training-subset")
            configuration.data.trainingSubset = trainingSubset
        }
        guard let evaluationSubset = evaluationSubset ?? configuration.data.evaluationSubset else {
            throw Failure.wrongUsage(
                "the checkpoint's configuration has no evaluation subset", at: .file(checkpoint), .key("data.evaluation_subset"),
                advice: "name one with --evaluation-subset")
        }
        let evaluation = try loaded.store.videos(
            inSubset: evaluationSubset, key: self.evaluationSubset == nil ? "data.evaluation_subset" : "--evaluation-subset")
        guard labels == .labelled else {
            return (try loaded.store.videos(inSubset: configuration.data.trainingSubset, key: "--training-subset"), evaluation)
        }
        return (try TrainingRun.recordings(configuration, loaded.store).labeled.sorted(), evaluation)
    }

    private func say(_ outcome: RepresentationProbe.Outcome, seconds: Double) throws {
        let probe = outcome.probe, accuracy = outcome.accuracy
        if !probe.isConverged {
            note(
                "warning: the classifier's gradient is \(String(format: "%.1e", probe.largestGradient)) after \(probe.iterations) iterations, not yet "
                    + "\(LinearProbe.Settings().tolerance): raise --l2")
        }
        let summary = Summary(
            accuracy: accuracy.accuracy, mean_class_accuracy: accuracy.meanClassAccuracy, action_accuracy: accuracy.actionAccuracy,
            majority_accuracy: outcome.majority, training: outcome.training, evaluation: outcome.evaluation, classes: outcome.classes,
            columns: outcome.columns, representation: representation.rawValue, iterations: probe.iterations, converged: probe.isConverged,
            gradient: probe.largestGradient, seconds: seconds)
        func percent(_ share: Double) -> String { String(format: "%5.1f %%", 100 * share) }
        func counted(_ counts: RepresentationProbe.Counts) -> String {
            "\(counts.frames) frames of \(counts.recordings) recordings, \(counts.action_frames) in an action"
        }
        try report.report(
            summary,
            text: """
                linear probe on the \(representation.rawValue): \(outcome.columns) columns, \(outcome.classes) classes with the background
                  accuracy               \(percent(accuracy.accuracy)) (always the most frequent class: \(percent(outcome.majority)))
                  mean class accuracy    \(percent(accuracy.meanClassAccuracy))
                  action or background   \(percent(accuracy.actionAccuracy))
                  fitted to              \(counted(outcome.training)); \(probe.iterations) iterations
                  counted on             \(counted(outcome.evaluation))
                """)
    }
}
