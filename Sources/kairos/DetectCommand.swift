import ArgumentParser
import Collectives
import CommandSupport
import Diagnostics
import FeatureStore
import Foundation
import StandardRegistry
import TemporalAnnotations
import Training
import TrainingMethods

extension TrainingConfiguration.Weights: ExpressibleByArgument {}

struct DetectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detect",
        abstract: "Detect actions with a trained checkpoint; write ActivityNet results JSON.",
        discussion: """
            Example:
              mpirun -np 2 kairos detect --checkpoint runs/sbhar/checkpoints/step-00000600.h5 --store sbhar.h5 --subset Test --output predictions.json

            Classes come from the checkpoint, by name: the store may have others, fewer or none (new videos).
            The time between rows must be that of the training store; --resample resamples rows to it.
            """)

    @Option(help: "A checkpoint of 'kairos train' or 'kairos import weights'.")
    var checkpoint: String
    @Option(help: "The feature store.")
    var store: String
    @Option(help: "Only the recordings of this subset (default: all).")
    var subset: String?
    @Option(help: "The detections to write.")
    var output: String
    @Option(help: "current or ema; default: as in the checkpoint's configuration.")
    var weights: TrainingConfiguration.Weights?
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Set a key of the checkpoint's configuration.", valueName: "key.path=value"))
    var set: [String] = []
    @Flag(help: "Resample rows at another rate to that of the training, by linear interpolation in time.")
    var resample = false
    @OptionGroup var report: OutputOptions

    struct Summary: Encodable {
        var videos: Int
        var detections: Int
        var seconds: Double
        var output: String
        /// Videos whose rows were brought to another rate; with --resample alone.
        var resampled: Int?
    }

    func run() throws {
        try withRanks(mindsSignals: true) { world in
            try world.throwTogether {
                if world.isRoot { try requireWritablePlace(of: output, apartFrom: [checkpoint, store]) }
            }
            let lock = try world.lock(.file(output))
            defer { lock.release() }
            lock.warning.map(note)
            let loaded = try world.throwTogether {
                RunWindow.readingInput.pass()
                return try TrainedDetector(checkpoint: checkpoint, store: store, weights: weights, overrides: set, registry: .standard)
            }
            try loaded.agree(world)
            try world.agree(on: weights?.rawValue ?? "those of the configuration", name: "--weights")
            try world.agree(on: subset ?? "all", name: "--subset")
            try world.agree(on: resample ? "on" : "off", name: "--resample")
            StallWatch.current?.hold(to: .detection(loaded.configuration.training.stallSeconds))
            _ = try ComputeThreads.set(loaded.configuration.training.threads, communicator: world)
            let videos = try world.throwTogether {
                try subset.map { try loaded.store.videos(inSubset: $0, key: "--subset") } ?? Array(loaded.store.videos.indices)
            }
            let resampled = try world.throwTogether { try loaded.fitRate(videos: videos, resampling: resample) }
            if world.isRoot { loaded.notes.forEach(note) }
            let began = Date()
            let found = try loaded.detect(videos: videos, communicator: world, note: note)
            try world.throwTogether {
                guard let found else { return }
                RunWindow.writingDetections.pass()
                try DetectionFile.write(found, classes: loaded.classes, to: output)
            }
            guard let found else { return }
            let summary = Summary(
                videos: videos.count, detections: found.reduce(0) { $0 + $1.detections.count }, seconds: Date().timeIntervalSince(began),
                output: output, resampled: resample ? resampled : nil)
            try report.report(
                summary, text: "\(output): \(summary.detections) detections in \(summary.videos) videos, \(String(format: "%.1f", summary.seconds)) s"
            )
        }
    }
}
