import ArgumentParser
import Benchmarks
import CommandSupport
import Diagnostics
import FeatureStore
import Foundation
import ScalingPlans
import StandardRegistry
import TemporalAnnotations
import Training
import TrainingMethods

package struct PlanCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "How long a run would take on a cluster: time per epoch and efficiency by ranks and recordings per rank.",
        discussion: """
            Examples:
              kairos plan configs/thumos14_i3d_supervised.yaml --annotations thumos14.json --ranks 1,8,64,1024 --network 2e-6,0.8e-9
              kairos plan emg.yaml --ranks 1,2,4,8 --recordings 1,2,4 --json

            Measures steps of one rank here, and adds what is counted: rows of the fullest rank, messages, labelling between rounds, checkpoints. Every
            rank is taken to have cores of its own. Efficiency is that of weak scaling: each rank has as many recordings however many ranks there are.
            The time per epoch is that of the recordings there are. Recordings are those of the store, or of --annotations. See docs/distributed.md.
            """)

    @Argument(help: "The configuration.")
    var file: String
    @Option(help: "ActivityNet JSON that says how long recordings are, in place of data.store.")
    var annotations: String?
    @Option(help: "Frames between feature rows, for --annotations.")
    var featureStride = 4.0
    @Option(help: "Frames seen by one feature row, for --annotations.")
    var window = 16.0
    @Option(help: "Numbers of ranks, with commas between them.")
    var ranks = "1,2,4,8,16,32,64,128,256,512,1024"
    @Option(help: "Recordings per rank and step, with commas between them.")
    var recordings = "1,2,4"
    @Option(help: "Between hosts: seconds per message, seconds per byte. 2 us and 10 Gbit/s: 2e-6,0.8e-9.")
    var network = "2e-6,0.8e-9"
    @Option(help: "Within a host: seconds per message, seconds per byte.")
    var within = "5e-7,1.25e-10"
    @Option(help: "Ranks of a host.")
    var ranksPerHost = 8
    @Option(help: "Bytes of a checkpoint that are written per second.")
    var disk = 5e8
    @Option(help: "The best row is the shortest epoch with at least this efficiency, from 0 to 1.")
    var leastEfficiency = 0.8
    @Option(name: .customLong("set"), parsing: .singleValue, help: ArgumentHelp("Set a key of the configuration.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: "Number of measurements, after one that is not counted.")
    var repetitions = 3
    @OptionGroup var output: OutputOptions

    package init() {}

    package func validate() throws {
        if repetitions < 1 { throw ValidationError("--repetitions must be at least 1, not \(repetitions)") }
        if !(1...4_096).contains(ranksPerHost) { throw ValidationError("--ranks-per-host must be from 1 to 4096, not \(ranksPerHost)") }
        for (name, value) in [("feature-stride", featureStride), ("window", window), ("disk", disk)] where !(value > 0 && value.isFinite) {
            throw ValidationError("--\(name) must be above 0, not \(value)")
        }
        if !(0...1).contains(leastEfficiency) { throw ValidationError("--least-efficiency must be from 0 to 1, not \(leastEfficiency)") }
        _ = try Self.counts(ranks, "--ranks", most: 16_384)
        _ = try Self.counts(recordings, "--recordings", most: 1_024)
        _ = try Self.link(network, "--network")
        _ = try Self.link(within, "--within")
    }

    package func run() throws {
        try requireOneRank("plan")
        try withRanks { world in
            let asked = try RunConfiguration(path: file, overrides: set)
            // A step of one recording is measured, whatever the batch.
            let alone = try RunConfiguration(path: file, overrides: set + Self.oneRecording)
            let (lengths, classes, dimension) = try recordings(asked)
            _ = try ComputeThreads.set(asked.training.threads, communicator: world)
            _ = try ProductChoice.set(asked.training, recorded: nil, communicator: world)
            let cropped = lengths.map { min($0, asked.data.maxRows ?? .max) }
            let measured = try PlanMeasurement(
                alone, dimension: dimension, classes: classes, longest: cropped.max() ?? 1, repetitions: repetitions, world)
            let counts = RecordingCounts(training: lengths.count, fraction: asked.data.labeledFraction)
            let stages = asked.method.outline(asked, counts)
            guard !stages.isEmpty else {
                throw Failure.badInput("the configuration trains no detector", at: .file(file), advice: "plan a run that does")
            }
            var costs = measured.costs(asked, checkpointRate: disk)
            var rows: [ScalingPlan.Row] = []
            for perRank in try Self.counts(recordings, "--recordings", most: 1_024) {
                let contrast =
                    stages.contains(where: \.contrasts)
                    ? try PlanMeasurement.contrast(asked, dimension: dimension, classes: classes, perRank: perRank) : nil
                func part(_ ranks: Int) throws -> ContrastBenchmark.Size? {
                    try contrast?.measure(recordings: ranks * perRank, repetitions: repetitions)
                }
                let alone = try part(1)
                costs.contrastAlone = alone?.leastSeconds ?? 0
                for ranks in try Self.counts(ranks, "--ranks", most: 16_384) {
                    let size = ranks == 1 ? alone : try part(ranks)
                    // More rows are never less work: what is below is noise.
                    costs.contrast = max(costs.contrastAlone, size?.leastSeconds ?? 0)
                    (costs.contrastMessages, costs.contrastBytes) = (Double(size?.messages ?? 0), Double(size?.bytes ?? 0))
                    let plan = ScalingPlan(
                        stages: stages, lengths: cropped, counts: counts, costs: costs, cluster: try cluster(), batch: asked.data.batchSize,
                        window: asked.data.balanceWindow, checkpointEvery: asked.training.checkpointEvery, seed: UInt64(asked.training.seed))
                    rows.append(try plan.row(ranks: ranks, perRank: perRank))
                }
            }
            rows.sort { ($0.ranks, $0.recordingsPerRank) < ($1.ranks, $1.recordingsPerRank) }
            let best = ScalingPlan.best(rows, leastEfficiency: leastEfficiency)
            let report = PlanReport(file: file, stages: stages, recordings: lengths.count, measured: measured, rows: rows, best: best)
            try output.report(report, text: report.text(leastEfficiency: leastEfficiency))
        }
    }

    private static let oneRecording = ["data.batch_size=1", "data.virtual_shards=1"]

    private func cluster() throws -> PlannedCluster {
        PlannedCluster(
            ranksPerHost: ranksPerHost, within: try Self.link(within, "--within"), between: try Self.link(network, "--network"))
    }

    /// Rows of the training recordings, the number of classes, and the columns of the features.
    private func recordings(_ configuration: RunConfiguration) throws -> (rows: [Int], classes: Int, dimension: Int) {
        let data = configuration.data
        if let annotations {
            let set = try AnnotationSet(readingJSON: annotations, segments: .lenient), subset = try set.subset(named: data.trainingSubset)
            let plans = try SyntheticFeatures(annotations: set, dimension: 1, stride: featureStride, window: window, seed: 0).videos
            return (plans.filter { $0.annotation.subset == subset }.map(\.rows), set.classes.count, configuration.model.expectedDimension ?? 2048)
        }
        let store = try FeatureStore(path: data.store)
        return (
            try store.videos(inSubset: data.trainingSubset, key: "data.training_subset").map { store.videos[$0].rows }, store.classes.count,
            store.dimension
        )
    }

    /// "1,2,4", ascending.
    private static func counts(_ text: String, _ option: String, most: Int) throws -> [Int] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0.trimmingCharacters(in: .whitespaces)) }
        guard let numbers = parts as? [Int], numbers.allSatisfy({ (1...most).contains($0) }) else {
            throw ValidationError("\(option) must be numbers from 1 to \(most) with commas between them, not '\(text)'")
        }
        return Swift.Set(numbers).sorted()
    }

    /// "2e-6,0.8e-9".
    private static func link(_ text: String, _ option: String) throws -> NetworkLink {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0.trimmingCharacters(in: .whitespaces)) }
        guard parts.count == 2, let alpha = parts[0], let beta = parts[1], alpha >= 0, beta >= 0, alpha.isFinite, beta.isFinite else {
            throw ValidationError("\(option) must be seconds per message and seconds per byte, such as 2e-6,0.8e-9, not '\(text)'")
        }
        return NetworkLink(alpha: alpha, beta: beta)
    }
}
