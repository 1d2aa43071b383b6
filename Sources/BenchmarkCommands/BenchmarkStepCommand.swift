import ActionDetection
import ArgumentParser
import Benchmarks
import Collectives
import CommandSupport
import Diagnostics
import Foundation
import Kernels
import StandardRegistry
import TemporalAnnotations
import Training
import TrainingMethods

struct BenchmarkStepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "Training or inference steps: time, operations and bytes of every family of kernels, against the peak of matrix products.",
        discussion: """
            Examples:
              kairos benchmark step
              kairos benchmark step --lengths thumos14 --annotations thumos14.json --precision bfloat16 --json
              mpirun -np 2 kairos benchmark step --threads 1
              kairos benchmark step --phase infer --lengths thumos14 --annotations thumos14.json

            Features are random; weights are initial weights. `dense`: every recording has data.max_rows rows. `thumos14`: the recordings of an
            annotation file; in training those of the first steps of a run, with its crops. A training step covers everything from packing to the moving
            average of the weights. Inference covers everything from packing to the detections, one recording after another.
            """)

    enum Lengths: String, ExpressibleByArgument { case dense, thumos14 }

    @Option(help: "The configuration whose model, batch and cropping are measured.")
    var model = "configs/thumos14_i3d_supervised.yaml"
    @Option(help: "dense or thumos14.")
    var lengths = Lengths.dense
    @Option(help: "For thumos14: ActivityNet JSON with the durations of the recordings.")
    var annotations: String?
    @Option(help: "Frames between feature rows and frames seen by one, for thumos14.")
    var featureStride = 4.0
    @Option(help: "Frames seen by one feature row, for thumos14.")
    var window = 16.0
    @Option(help: "For dense: rows of a recording; data.max_rows otherwise.")
    var rows: Int?
    @Option(help: "train or infer.")
    var phase = StepBenchmark.Phase.train
    @Option(help: "Recordings per step over all ranks; shorthand for --set data.batch_size=BATCH.")
    var batch: Int?
    @Option(help: "float32 or bfloat16; shorthand for --set training.precision=PRECISION.")
    var precision: String?
    @Option(help: "by_shape, onednn, openblas or auto; shorthand for --set training.gemm=LIBRARY.")
    var gemm: String?
    @Option(help: "Per rank; shorthand for --set training.threads=THREADS.")
    var threads: Int?
    @Option(name: .customLong("set"), parsing: .singleValue, help: ArgumentHelp("Set a key of the configuration.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: "Classes, for dense; thumos14: those of the annotations.")
    var classes = 20
    @Option(help: "Steps of a repetition: 1, with thumos14 8.")
    var steps: Int?
    @Option(help: "Number of measurements, after one that is not counted.")
    var repetitions = 5
    @OptionGroup var output: OutputOptions

    func validate() throws {
        for (name, value) in [("rows", rows), ("steps", steps), ("classes", classes), ("repetitions", repetitions)] {
            if let value, value < 1 { throw ValidationError("--\(name) must be at least 1, not \(value)") }
            if let value, value > 10_000_000 { throw ValidationError("--\(name) must be at most 10000000, not \(value)") }
        }
        if lengths == .thumos14, annotations == nil { throw ValidationError("--lengths thumos14 needs --annotations FILE") }
        if lengths == .dense, annotations != nil { throw ValidationError("--annotations goes with --lengths thumos14") }
        for (name, value) in [("feature-stride", featureStride), ("window", window)] where !(value > 0 && value.isFinite) {
            throw ValidationError("--\(name) must be above 0, not \(value)")
        }
    }

    private var overrides: [String] {
        let shorthands: [(String, String?)] = [
            ("data.batch_size", batch.map(String.init)), ("training.precision", precision), ("training.gemm", gemm),
            ("training.threads", threads.map(String.init)),
        ]
        return set + shorthands.compactMap { key, value in value.map { "\(key)=\($0)" } }
    }

    func run() throws {
        try withRanks { world in
            let (configuration, recordings, classes) = try world.throwTogether { try work() }
            let threads = try ComputeThreads.set(configuration.training.threads, communicator: world)
            let products = try ProductChoice.set(configuration.training, recorded: nil, communicator: world)
            let benchmark = try world.throwTogether {
                try StepBenchmark(
                    configuration, phase: phase, dimension: configuration.model.expectedDimension ?? 2048, classes: classes, steps: recordings,
                    communicator: world)
            }
            try world.barrier()
            let speed = PeakProducts.measured()
            let peak = try world.allReduce([speed.perSecond, speed.perProcessorSecond / Double(world.size)], .sum)
            Activity.begin(stage: "measuring")
            RunWindow.measuring.pass()
            try world.throwTogether { try benchmark.repetition() }
            var report = StepReport(
                phase: phase.rawValue, lengths: lengths.rawValue, ranks: world.size, threads: threads, products: products,
                parameters: benchmark.parameters, videos: benchmark.videos, rows: recordings.map { $0.joined().map(\.rows) },
                peak: peak[0], processorPeak: peak[1])
            var counts: WorkCounts?
            let (_, totals) = try KernelCounter.counting {
                for _ in 0..<repetitions {
                    try world.barrier()
                    let began = StepReport.now(), processorBegan = KernelCounter.processorSeconds()
                    try world.throwTogether {
                        let mark = WorkCounts.Mark(world)
                        try benchmark.repetition()
                        counts = WorkCounts(since: mark, world)
                    }
                    report.seconds.append(try world.allReduce(StepReport.now() - began, .max))
                    report.processorSeconds.append(try world.allReduce(KernelCounter.processorSeconds() - processorBegan, .sum))
                }
            }
            try report.add(totals, communicator: world)
            report.counts = try counts?.overRanks(world)
            report.peakResidentMiB = try world.allGather(ComputeThreads.peakResidentMiB)
            guard world.isRoot else { return }
            try output.report(report, text: report.text)
        }
    }

    private func work() throws -> (RunConfiguration, [[[StepBenchmark.Recording]]], classes: Int) {
        let configuration = try RunConfiguration(path: model, overrides: overrides)
        guard let annotations else {
            let rows = rows ?? configuration.data.maxRows ?? configuration.model.usualRows
            return (
                configuration, StepBenchmark.dense(rows: rows, classes: classes, steps: steps ?? 1, configuration.data), classes
            )
        }
        let annotated = try AnnotationSet(readingJSON: annotations, segments: .lenient)
        let recordings = try StepBenchmark.annotated(
            annotated, phase: phase, steps: steps ?? 8, stride: featureStride, window: window, configuration)
        return (configuration, recordings, annotated.classes.count)
    }
}

extension StepBenchmark.Phase: ExpressibleByArgument {}
