import ArgumentParser
import Benchmarks
import Collectives
import CommandSupport
import DetectionMetrics
import Diagnostics
import Foundation
import Kernels
import RunRecords
import StandardRegistry
import Training
import TrainingMethods

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a detector as a configuration describes, on one or several ranks, and evaluate it.",
        discussion: """
            Examples:
              mpirun -np 2 kairos train configs/sbhar_supervised.yaml --output runs/sbhar
              mpirun -np 4 kairos train configs/sbhar_supervised.yaml --output runs/sbhar --resume
              kairos train configs/demo.yaml --output runs/short --set training.iterations=50 --set data.batch_size=4
              kairos train configs/demo.yaml --output runs/short --set method.name=supervised --resume --extend 480
              mpirun -np 2 kairos train configs/demo.yaml --check

            Writes OUTPUT/config.yaml, log.jsonl, checkpoints/, predictions.json and metrics.json; with --set training.tensorboard=true
            also event files for `tensorboard --logdir OUTPUT`. The result depends on the configuration, not on the
            number of ranks. docs/configuration.md lists every key.

            --check reads and checks everything, measures a few steps of every stage, prints the plan with memory per rank and time on these ranks, and
            ends. It writes nothing and needs no --output.

            --timeline writes Chrome's trace format: open the files in ui.perfetto.dev or chrome://tracing (docs/distributed.md).

            SIGTERM, SIGUSR1 or SIGINT (Ctrl-C) to any rank ends the run after the current step with a checkpoint and exit code 75; --resume continues
            it. A second Ctrl-C ends it immediately. While a run writes to OUTPUT, another one is refused.
            """)

    @Argument(help: "The configuration, a YAML file.")
    var config: String
    @Option(help: "The run's folder; created if missing. (not with --check)")
    var output: String?
    @Flag(help: "Check configuration and data, say stages, memory and time, and end without training.")
    var check = false
    @Flag(help: "Continue from the newest checkpoint in the run's folder. The result has the same bits as that of an uninterrupted run.")
    var resume = false
    @Option(
        help: ArgumentHelp(
            "With --resume: train on up to this length, in iterations, or in epochs where the run is measured in them.", valueName: "iterations"))
    var extend: Int?
    @Option(name: .customLong("set"), parsing: .singleValue, help: ArgumentHelp("Set a key of the configuration.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: "Shorthand for --set training.seed=SEED.")
    var seed: Int?
    @Option(help: "Shorthand for --set training.gemm=LIBRARY: by_shape, onednn, openblas or auto.")
    var gemm: String?
    @Flag(help: "Record the activity of every rank in OUTPUT/timeline/rank-N.json, and print how much of the communication is hidden.")
    var timeline = false
    @Flag(help: "Count the run's operations, bytes, buffers, allocations and messages, which do not depend on the clock, and print them.")
    var counts = false
    @Option(help: "Stop after this step, leaving a checkpoint to resume from.")
    var stopAfter: Int?
    @OptionGroup var report: OutputOptions

    func validate() throws {
        if check {
            let others = [
                ("--output", output != nil), ("--resume", resume), ("--extend", extend != nil), ("--timeline", timeline), ("--counts", counts),
                ("--stop-after", stopAfter != nil),
            ]
            if let other = others.first(where: \.1) { throw ValidationError("--check trains nothing: leave out \(other.0)") }
        } else if output == nil {
            throw ValidationError("Missing expected argument '--output <output>'")
        }
        if let extend {
            guard resume else { throw ValidationError("--extend goes on with a run: add --resume") }
            guard extend > 0 else { throw ValidationError("--extend must be at least 1, not \(extend)") }
        }
        if let stopAfter, stopAfter < 1 { throw ValidationError("--stop-after must be at least 1, not \(stopAfter)") }
    }

    func run() throws {
        try withRanks(mindsSignals: true) { world in
            let overrides = set + (seed.map { ["training.seed=\($0)"] } ?? []) + (gemm.map { ["training.gemm=\($0)"] } ?? [])
            let configuration = try world.throwTogether {
                RunWindow.readingInput.pass()
                let read = try RunConfiguration(path: config, overrides: overrides)
                guard let extend else { return read }
                let key = read.training.epochs != nil ? "epochs" : "iterations"
                return try RunConfiguration(path: config, overrides: overrides + ["training.\(key)=\(extend)"])
            }
            StallWatch.current?.hold(to: .training(configuration.training.stallSeconds))
            guard let output else {
                let plan = try TrainingPlan(configuration, world, say: note)
                return world.isRoot ? try report.report(plan, text: plan.text) : ()
            }
            let run = try TrainingRun(
                configuration, folder: output, resume: resume, extends: extend != nil, communicator: world, timeline: timeline,
                observers: makeObservers(configuration))
            if world.isRoot { run.notes.forEach(note) }
            let said = run.notes.count
            let (outcome, counted) = try counting(world) { try run.run(stopAfter: stopAfter) }
            guard world.isRoot else { return }
            run.notes.dropFirst(said).forEach(note)
            try report.report(
                TrainingReport(outcome, counted),
                text: ([text(outcome, folder: output, classes: run.classNames, isDetected: configuration.data.evaluationSubset != nil)]
                    + [counted?.text].compactMap { $0 })
                    .joined(separator: "\n"))
        }
    }

    /// Runs `body`; with `--counts` also says what it did on all ranks.
    private func counting<Result>(_ world: Communicator, _ body: () throws -> Result) throws -> (Result, WorkCounts?) {
        guard counts else { return (try body(), nil) }
        let mark = WorkCounts.Mark(world)
        let (result, totals) = try KernelCounter.counting(body)
        var counted = WorkCounts(since: mark, world)
        counted.add(totals)
        return (result, try counted.overRanks(world))
    }

    private func text(_ outcome: TrainingRun.Outcome, folder output: String, classes: [String], isDetected: Bool) -> String {
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
            let folder = RunFolder(output)
            lines.append("detections  \(folder.predictions)")
            if outcome.evaluation != nil { lines.append("metrics     \(folder.metrics)") }
        }
        return lines.joined(separator: "\n")
    }
}

/// The outcome as one JSON object: the metrics' keys beside the run's.
private struct TrainingReport: Encodable {
    let outcome: TrainingRun.Outcome
    let counts: WorkCounts?

    init(_ outcome: TrainingRun.Outcome, _ counts: WorkCounts?) {
        self.outcome = outcome
        self.counts = counts
    }

    enum CodingKeys: String, CodingKey {
        case step, iterations, checkpoint, digest, counts
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
        try container.encodeIfPresent(counts, forKey: .counts)
    }
}
