import Autograd
import ContrastivePretraining
import DataParallel
import Detectors
import Diagnostics
import Foundation
import Kernels
import RandomStreams
import TemporalAnnotations
import TrainingMethods

/// One rank's share of ACP's contrast in pre-training, at any size of the global mini-batch; the other ranks are made up.
package struct ContrastBenchmark {
    /// What a step of one size took.
    package struct Size: Encodable, Equatable {
        /// Of the global mini-batch.
        package var recordings: Int
        /// Frames of the global mini-batch.
        package var rows: Int
        /// Frames that every frame is contrasted with.
        package var drawn: Int
        package var clusters: Int
        /// Median over the repetitions.
        package var seconds = 0.0
        /// Of each repetition.
        package var allSeconds: [Double] = []
        /// The time on a processor of each repetition, which other programs lengthen less.
        package var processorSeconds: [Double] = []
        /// What the process held at most beyond what it held before the first measurement: the rank's frames and what the contrast needs.
        package var peakMiB = 0.0
        /// Received by a rank, at most.
        package var messages = 0
        package var bytes = 0
        /// Times that it waits for messages.
        package var rounds = 0

        package var leastSeconds: Double { allSeconds.min() ?? 0 }

        enum CodingKeys: String, CodingKey {
            case recordings, rows, drawn, clusters, seconds, messages, bytes, rounds
            case allSeconds = "seconds_each"
            case processorSeconds = "seconds_processor"
            case peakMiB = "peak_mib"
        }
    }

    private let settings: ContrastConfiguration
    private let perRank: Int
    private let columns: Int
    private let width: Int
    /// Bytes that the process held before all measurements.
    private let before: Int

    /// - Parameters:
    ///   - settings: of the contrast.
    ///   - perRank: recordings of each rank, which is one virtual shard.
    ///   - columns: input features of a frame.
    ///   - width: values of an embedding.
    /// - Throws: `Failure` when the system does not say what memory the process holds.
    package init(_ settings: ContrastConfiguration, perRank: Int, columns: Int, width: Int) throws {
        before = try ResidentMemory.now()
        self.settings = settings
        self.perRank = perRank
        self.columns = columns
        self.width = width
    }

    /// - Parameters:
    ///   - recordings: of the global mini-batch; a multiple of those of a rank.
    ///   - repetitions: measurements, after one that is not counted.
    /// - Throws: `Failure` when the system does not say what memory the process holds.
    package func measure(recordings: Int, repetitions: Int) throws -> Size {
        let ranks = recordings / perRank, frames = settings.frames, own = perRank * frames, rows = recordings * frames
        let clusters = settings.clusters(batch: recordings)
        var size = Size(recordings: recordings, rows: rows, drawn: min(rows, settings.globalFrames ?? rows), clusters: clusters)
        // Frames of as many kinds as there are clusters.
        var random = RandomStream(seed: 1, "benchmark contrast")
        let kinds = numbers(clusters * columns, 1, &random)
        var inputs = numbers(own * columns, 0.5, &random)
        for row in 0..<own {
            let kind = row % clusters * columns
            for c in 0..<columns { inputs[row * columns + c] += kinds[kind + c] }
        }
        let share = Double(rows / clusters)
        var sums = kinds.map { Double($0) * share }
        sums += [Double](repeating: share, count: clusters)
        sums.append(Double(rows))
        let others = MadeUpRanks(size: ranks, rows: inputs, classes: clusters, numbers: sums)
        let embedding = PackedSequence(
            Tensor(rows: own, columns: width, numbers(own * width, 0.1, &random), requiresGradient: true), offsets: (0...perRank).map { $0 * frames })
        let part = FrameContrast.ShardFrames(
            shard: others.rank, group: 0, embedding: embedding, inputs: inputs, frames: (0..<perRank).map { _ in Array(0..<frames) },
            instances: [[GridInstance]](repeating: [], count: perRank), ignored: [[GridSegment]](repeating: [], count: perRank))
        _ = embedding.tensor.gradientToWrite()
        let shards = try VirtualShards(count: ranks, rank: others.rank, ranks: ranks)
        for repetition in 0...repetitions {
            let contrast = FrameContrast(settings, seed: 1, step: repetition, shards: shards, ranks: others, endsWhenSettled: false)
            others.forget()
            ResidentMemory.beginPeak()
            let began = StepReport.now(), processorBegan = KernelCounter.processorSeconds()
            _ = try contrast.seed([part], classes: .clusters(clusters), weight: 1)
            let taken = StepReport.now() - began, processorTaken = KernelCounter.processorSeconds() - processorBegan
            size.peakMiB = max(size.peakMiB, Double(try ResidentMemory.peak() - before) / 1_048_576)
            guard repetition > 0 else { continue }
            size.allSeconds.append(taken)
            size.processorSeconds.append(processorTaken)
        }
        (size.messages, size.bytes, size.rounds) = (others.messages, others.bytes, others.rounds)
        size.seconds = Self.median(size.allSeconds)
        return size
    }

    /// Of at least one number.
    package static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return 0.5 * (sorted[sorted.count / 2] + sorted[(sorted.count - 1) / 2])
    }

    /// What the largest of some measurements takes: frames of a rank, frames drawn, and others' frames on their way.
    package func memory(recordings: Int) -> MemoryEstimate {
        let rows = MemoryEstimate.product(recordings, settings.frames), drawn = min(rows, settings.globalFrames ?? rows)
        return .elements(
            Float.self, counts: [max(perRank * settings.frames, drawn), columns + width], copies: 16, name: "frames", key: "--global-frames")
    }

    private func numbers(_ count: Int, _ length: Float, _ random: inout RandomStream) -> [Float] {
        (0..<count).map { _ in length * random.normal() / Float(columns).squareRoot() }
    }
}

/// The memory that this process holds, as the system counts it.
enum ResidentMemory {
    /// Counts the peak from now on. Not allowed everywhere: the peak is then that since the process began.
    static func beginPeak() {
        if let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") { try? file.write(contentsOf: Data("5".utf8)) }
    }

    /// The bytes held.
    ///
    /// - Throws: `Failure` when the system does not say.
    static func now() throws -> Int { try bytes("VmRSS:") }

    /// The most bytes held since `beginPeak`.
    ///
    /// - Throws: `Failure` when the system does not say.
    static func peak() throws -> Int { try bytes("VmHWM:") }

    private static func bytes(_ field: String) throws -> Int {
        let path = "/proc/self/status"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix(field) }),
            let kibibytes = line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap({ Int($0) })
        else {
            throw Failure.failed(
                "the system does not say how much memory this process holds", at: .file(path), advice: "run it under Linux with /proc")
        }
        return kibibytes * 1_024
    }
}
