import ArgumentParser
import Benchmarks
import Collectives
import CommandSupport
import ContrastivePretraining
import Diagnostics
import Foundation
import Training
import TrainingMethods

struct BenchmarkContrastCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contrast",
        abstract: "ACP's contrast in pre-training: one rank's time, memory and messages at any size of the global mini-batch.",
        discussion: """
            Examples:
              kairos benchmark contrast
              kairos benchmark contrast --recordings 2,8,32,128,512,2048 --per-rank 2 --json
              kairos benchmark contrast --clusters 64 --global-frames 2048

            Does the work of one rank; the rows of the other ranks are made up, and their messages are counted, not sent. k-means runs as many iterations
            as a large mini-batch may take, at every size. Defaults are those of the configuration (section acp) and THUMOS14's model.
            """)

    @Option(help: "Recordings of the global mini-batch, several sizes separated by commas.")
    var recordings = "2,8,32,128,512,2048"
    @Option(help: "Recordings of each rank.")
    var perRank = 2
    @Option(help: "Frames of each recording.")
    var frames = ContrastConfiguration().frames
    @Option(help: "Input features of a frame.")
    var columns = 2_048
    @Option(help: "Values of an embedding: levels times channels of the pyramid.")
    var width = 3_072
    @Option(help: "Clusters; otherwise as acp.clusters: null says.")
    var clusters: Int?
    @Option(help: "Frames that every frame is contrasted with; otherwise the default of acp.global_frames. 0: all.")
    var globalFrames: Int?
    @Option(help: "Number of measurements, after one that is not counted.")
    var repetitions = 5
    @Option(help: "Threads.")
    var threads = 1
    @OptionGroup var output: OutputOptions

    private var sizes: [Int] { recordings.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 } }

    func validate() throws {
        let named = [
            ("per-rank", perRank), ("frames", frames), ("columns", columns), ("width", width), ("repetitions", repetitions), ("threads", threads),
        ]
        for (name, value) in named where value < 1 { throw ValidationError("--\(name) must be at least 1, not \(value)") }
        if let clusters, clusters < 2 { throw ValidationError("--clusters must be at least 2, not \(clusters)") }
        if let globalFrames, globalFrames < 0 { throw ValidationError("--global-frames must be at least 0, not \(globalFrames)") }
        guard sizes.allSatisfy({ $0 > 0 && $0 % perRank == 0 }) else {
            throw ValidationError("--recordings must be multiples of --per-rank (\(perRank)), separated by commas, not '\(recordings)'")
        }
        let most = 1 << 24
        for (name, value) in named + [("recordings", sizes.max() ?? 0)] where value > most {
            throw ValidationError("--\(name) must be at most \(most), not \(value)")
        }
    }

    private struct Report: Encodable {
        var perRank: Int
        var frames: Int
        var columns: Int
        var width: Int
        var threads: Int
        var sizes: [ContrastBenchmark.Size] = []

        enum CodingKeys: String, CodingKey {
            case frames, columns, width, threads, sizes
            case perRank = "per_rank"
        }
    }

    func run() throws {
        try requireOneRank("benchmark contrast")
        var settings = ContrastConfiguration()
        settings.frames = frames
        settings.clusters = clusters
        if let globalFrames { settings.globalFrames = globalFrames == 0 ? nil : globalFrames }
        _ = try ComputeThreads.set(threads, communicator: try Communicator.world())
        let benchmark = try ContrastBenchmark(settings, perRank: perRank, columns: columns, width: width)
        try MemoryCheck.requireAlone(benchmark.memory(recordings: sizes.max() ?? 0))
        var report = Report(perRank: perRank, frames: frames, columns: columns, width: width, threads: threads)
        for size in sizes { report.sizes.append(try benchmark.measure(recordings: size, repetitions: repetitions)) }
        try output.report(report, text: text(report))
    }

    private func text(_ report: Report) -> String {
        let head = "\(perRank) recordings of \(frames) frames per rank, \(columns) input features, embeddings of \(width), \(threads) threads"
        let lines = report.sizes.map {
            String(
                format: "%10ld %9ld %7ld %9ld %9.4f %9.4f %9.1f %9ld %7ld %9.2f", $0.recordings, $0.rows, $0.drawn, $0.clusters, $0.seconds,
                ContrastBenchmark.median($0.processorSeconds), $0.peakMiB, $0.messages, $0.rounds, Double($0.bytes) / 1_048_576)
        }
        return ([head, "", "recordings      rows   drawn  clusters   seconds processor  peak MiB  messages  rounds       MiB"] + lines).joined(
            separator: "\n")
    }
}
