import ArgumentParser
import Collectives
import DetectionMetrics
import Diagnostics
import Foundation
import StandardRegistry
import Training

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a detector by a configuration, alone or on many ranks, and evaluate it.",
        discussion: """
            Examples:
              mpirun -np 2 kairos train configs/sbhar_supervised.yaml --output runs/sbhar
              mpirun -np 4 kairos train configs/sbhar_supervised.yaml --output runs/sbhar --resume
              kairos train configs/demo.yaml --output runs/short --set training.iterations=50 --set data.batch_size=4

            Writes OUTPUT/config.yaml, log.jsonl, checkpoints/, predictions.json and metrics.json. The result depends on the configuration, not on the
            number of ranks. docs/configuration.md lists every key.

            --timeline writes Chrome's trace format: open the files in ui.perfetto.dev or chrome://tracing (docs/distributed.md).

            SIGTERM, SIGUSR1 or SIGINT (Ctrl-C), to any rank, ends the run after the present step with a checkpoint and exit code 75; --resume goes on
            with it. A second Ctrl-C ends it at once. While a run works in OUTPUT, another is refused.
            """)

    @Argument(help: "The configuration, a YAML file.")
    var config: String
    @Option(help: "The run's folder; made when missing.")
    var output: String
    @Flag(help: "Go on from the newest checkpoint in the run's folder; the result has the same bits as that of an uninterrupted run.")
    var resume = false
    @Option(name: .customLong("set"), parsing: .singleValue, help: ArgumentHelp("Set a key of the configuration.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: "Shorthand for --set training.seed=SEED.")
    var seed: Int?
    @Option(help: "Shorthand for --set training.gemm=LIBRARY: auto, openblas or onednn.")
    var gemm: String?
    @Flag(help: "Record what every rank does when, in OUTPUT/timeline/rank-N.json, and say how much of the communication is hidden.")
    var timeline = false
    @Option(help: "Stop after this step, leaving a checkpoint to resume from.")
    var stopAfter: Int?
    @OptionGroup var report: OutputOptions

    func validate() throws {
        if let stopAfter, stopAfter < 1 { throw ValidationError("--stop-after must be at least 1, not \(stopAfter)") }
    }

    func run() throws {
        try withRanks(mindsSignals: true) { world in
            let overrides = set + (seed.map { ["training.seed=\($0)"] } ?? []) + (gemm.map { ["training.gemm=\($0)"] } ?? [])
            let configuration = try world.throwTogether {
                RunWindow.readingInput.pass()
                return try RunConfiguration(path: config, overrides: overrides)
            }
            StallWatch.current?.hold(to: .training(configuration.training.stallSeconds))
            let run = try TrainingRun(configuration, folder: output, resume: resume, communicator: world, timeline: timeline)
            if world.isRoot { run.notes.forEach(note) }
            let said = run.notes.count
            let outcome = try run.run(stopAfter: stopAfter)
            guard world.isRoot else { return }
            run.notes.dropFirst(said).forEach(note)
            try report.report(
                TrainingReport(outcome), text: text(outcome, classes: run.classNames, isDetected: configuration.data.evaluationSubset != nil))
        }
    }

    private func text(_ outcome: TrainingRun.Outcome, classes: [String], isDetected: Bool) -> String {
        var lines: [String] = []
        if let evaluation = outcome.evaluation { lines += [evaluation.table(classOrder: classes), ""] }
        lines += [
            "step \(outcome.step) of \(outcome.iterations), \(String(format: "%.1f", outcome.secondsTraining)) s of training, "
                + "peak memory per rank \(outcome.peakMemoryMiB.map(String.init).joined(separator: ", ")) MiB",
            "checkpoint  \(outcome.checkpoint)",
            "digest      \(outcome.digest)",
        ]
        if let timeline = outcome.timeline { lines += TimelineText.lines(timeline, folder: output) }
        if outcome.step < outcome.iterations {
            lines.append("stopped early: go on with --resume")
        } else if isDetected {
            lines.append("detections  \(output)/predictions.json")
            if outcome.evaluation != nil { lines.append("metrics     \(output)/metrics.json") }
        }
        return lines.joined(separator: "\n")
    }
}

/// The outcome as one JSON object: the metrics' keys beside the run's.
private struct TrainingReport: Encodable {
    let outcome: TrainingRun.Outcome

    init(_ outcome: TrainingRun.Outcome) { self.outcome = outcome }

    enum CodingKeys: String, CodingKey {
        case step, iterations, checkpoint, digest
        case seconds = "seconds_training"
        case memory = "peak_rss_mib"
        case timeline
    }

    func encode(to encoder: any Encoder) throws {
        try outcome.evaluation?.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(outcome.step, forKey: .step)
        try container.encode(outcome.iterations, forKey: .iterations)
        try container.encode(outcome.checkpoint, forKey: .checkpoint)
        try container.encode(outcome.digest, forKey: .digest)
        try container.encode(outcome.secondsTraining, forKey: .seconds)
        try container.encode(outcome.peakMemoryMiB, forKey: .memory)
        try container.encodeIfPresent(outcome.timeline.map { $0.map(TimelineText.Encoded.init) }, forKey: .timeline)
    }
}
