import ActionDetection
import ArgumentParser
import Collectives
import CommandSupport
import Diagnostics
import FeatureStore
import Foundation
import PostProcessing
import StandardRegistry
import TemporalAnnotations
import Training
import TrainingMethods

extension TrainingConfiguration.Weights: ExpressibleByArgument {}

struct DetectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detect",
        abstract: "Detect actions with a trained checkpoint; write ActivityNet results JSON or CSV.",
        discussion: """
            Examples:
              mpirun -np 2 kairos detect --checkpoint runs/sbhar/checkpoints/step-00000600.h5 --store sbhar.h5 --subset Test --output predictions.json
              mpirun -np 2 kairos detect --checkpoint published.h5 --features new_videos --fps 30 --output found.csv --min-score 0.1

            Classes come from the checkpoint, by name: the store may have others, fewer or none (new videos).
            The time between rows must be that of the training store; --resample resamples rows to it. With --features every file is a recording; a
            run that was cut off is continued by the same command. An output that ends in .csv is CSV. See docs/inference.md.
            """)

    @Option(help: "A checkpoint of 'kairos train' or 'kairos import weights'.")
    var checkpoint: String
    @Option(help: "The feature store; or else --features.")
    var store: String?
    @Option(help: "Only the recordings of this subset of the store (default: all).")
    var subset: String?
    @Option(help: "The detections to write: JSON, or CSV where the name ends in .csv.")
    var output: String
    @Option(help: "current or ema; default: as in the checkpoint's configuration.")
    var weights: TrainingConfiguration.Weights?
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Set a key of the checkpoint's configuration.", valueName: "key.path=value"))
    var set: [String] = []
    @Flag(help: "Resample rows at another rate to that of the training, by linear interpolation in time.")
    var resample = false
    @Option(help: "Keep at most so many detections of a recording, the best.")
    var topK: Int?
    @Option(help: "Drop detections with lower scores, from 0 to 1.")
    var minScore: Double?
    @OptionGroup var stream: SecondStreamOptions
    @OptionGroup var folder: FolderOptions
    @OptionGroup var report: OutputOptions

    struct Summary: Encodable {
        var videos: Int
        var detections: Int
        var seconds: Double
        var output: String
        /// Videos whose rows were brought to another rate; with --resample alone.
        var resampled: Int?
        /// Videos that an earlier run had done, and videos detected in pieces; with --features alone.
        var continued: Int?
        var inPieces: Int?

        enum CodingKeys: String, CodingKey {
            case videos, detections, seconds, output, resampled, continued
            case inPieces = "in_pieces"
        }
    }

    func run() throws {
        try withRanks(mindsSignals: true) { world in
            try world.throwTogether {
                try folder.check(store: store, subset: subset)
                try stream.check(store: store)
                if let topK, topK < 1 { throw Failure.wrongUsage("--top-k is \(topK)", advice: "give a number above 0") }
                if let minScore, !(0...1 ~= minScore) {
                    throw Failure.wrongUsage("--min-score is \(minScore)", advice: "give a number from 0 to 1, as scores are")
                }
                if world.isRoot { try requireWritablePlace(of: output, apartFrom: [checkpoint, store]) }
            }
            let lock = try world.lock(.file(output))
            defer { lock.release() }
            lock.warning.map(note)
            try world.agree(on: weights?.rawValue ?? "those of the configuration", name: "--weights")
            let summary = try store.map { try detect(inStore: $0, world) } ?? detectInFolders(world)
            guard let summary else { return }
            try report.report(
                summary, text: "\(output): \(summary.detections) detections in \(summary.videos) videos, \(String(format: "%.1f", summary.seconds)) s"
            )
        }
    }

    private var selection: DetectionSelection { DetectionSelection(topK: topK, minScore: minScore) }

    private func detect(inStore store: String, _ world: Communicator) throws -> Summary? {
        let loaded = try world.throwTogether {
            RunWindow.readingInput.pass()
            return try TrainedDetector(checkpoint: checkpoint, store: store, weights: weights, overrides: set, registry: .standard)
        }
        try loaded.agree(world)
        try world.agree(on: subset ?? "all", name: "--subset")
        try world.agree(on: resample ? "on" : "off", name: "--resample")
        try setUp(loaded.configuration, world)
        let videos = try world.throwTogether {
            try subset.map { try loaded.store.videos(inSubset: $0, key: "--subset") } ?? Array(loaded.store.videos.indices)
        }
        let resampled = try world.throwTogether { try loaded.fitRate(videos: videos, resampling: resample) }
        if world.isRoot { loaded.notes.forEach(note) }
        try stream.join(loaded, videos: videos, weights: weights, overrides: set, resampling: resample, world)
        let began = Date()
        let found = try loaded.detect(videos: videos, communicator: world, note: note)?.map { ($0.video, selection($0.detections)) }
        try world.throwTogether {
            guard let found else { return }
            RunWindow.writingDetections.pass()
            try DetectionFile.write(found, classes: loaded.classes, to: output)
        }
        return found.map { found in
            Summary(
                videos: videos.count, detections: found.reduce(0) { $0 + $1.1.count }, seconds: Date().timeIntervalSince(began), output: output,
                resampled: resample ? resampled : nil)
        }
    }

    private func detectInFolders(_ world: Communicator) throws -> Summary? {
        let detection = try world.throwTogether {
            RunWindow.readingInput.pass()
            return try FolderDetection(
                checkpoint: checkpoint, options: try folder.options(resampling: resample, selection), weights: weights, overrides: set,
                registry: .standard)
        }
        try detection.agree(world)
        try setUp(detection.configuration, world)
        if world.isRoot { detection.notes.forEach(note) }
        let began = Date()
        let outcome = try detection.run(output: output, restart: folder.restart, communicator: world, note: note)
        return outcome.map { outcome in
            Summary(
                videos: outcome.videos, detections: outcome.detections, seconds: Date().timeIntervalSince(began), output: output,
                resampled: resample ? outcome.resampled : nil, continued: outcome.continued, inPieces: outcome.inPieces)
        }
    }

    private func setUp(_ configuration: RunConfiguration, _ world: Communicator) throws {
        StallWatch.current?.hold(to: .detection(configuration.training.stallSeconds))
        _ = try ComputeThreads.set(configuration.training.threads, communicator: world)
    }
}

/// Where the features of new recordings lie, and how they are read.
struct FolderOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The folder with one .npy or .npz file per recording, in place of --store. Several folders (A,B or repeated): their columns are joined.",
            valueName: "folder"))
    var features: [String] = []
    @Option(help: "Frames per second of the recordings (default: the rows stand in time as those of the training).")
    var fps: Double?
    @Option(help: "Frames between feature rows (default: as in the training).")
    var featureStride: Double?
    @Option(help: "Frames seen by one feature row (default: as in the training).")
    var window: Double?
    @Option(help: "Prefix of the file names before the recording's name. Repeated: one for each folder.")
    var filePrefix: [String] = []
    @Option(help: "Suffix of the file names after the recording's name (default .npy). Repeated: one for each folder.")
    var fileSuffix: [String] = []
    @Option(help: "The array to read, for .npz files with several. Several arrays (A,B or repeated): one for each folder, or joined.")
    var array: [String] = []
    @Option(help: "Detect recordings of more rows in overlapping pieces of so many (default 16384).")
    var pieceRows: Int?
    @Flag(help: "Begin again instead of continuing a detection that was cut off.")
    var restart = false

    /// - Throws: `Failure.wrongUsage` for options that do not go together.
    func check(store: String?, subset: String?) throws {
        let given = [
            ("--fps", fps != nil), ("--feature-stride", featureStride != nil), ("--window", window != nil), ("--file-prefix", !filePrefix.isEmpty),
            ("--file-suffix", !fileSuffix.isEmpty), ("--array", !array.isEmpty), ("--piece-rows", pieceRows != nil), ("--restart", restart),
        ]
        guard store != nil || !features.isEmpty else {
            throw Failure.wrongUsage("neither --store nor --features was given", advice: "give a feature store, or a folder of feature files")
        }
        if store != nil, !features.isEmpty {
            throw Failure.wrongUsage("--store and --features were both given", advice: "leave one of them out")
        }
        if features.isEmpty, let other = given.first(where: \.1)?.0 {
            throw Failure.wrongUsage("\(other) was given with --store", advice: "leave it out: it is said of --features")
        }
        if !features.isEmpty, subset != nil {
            throw Failure.wrongUsage("--subset was given with --features", advice: "leave it out: folders have no subsets")
        }
        let unit = 1024
        if let pieceRows, pieceRows < unit || pieceRows % unit != 0 || pieceRows > FeatureLimits.rows {
            throw Failure.wrongUsage(
                "--piece-rows is \(pieceRows)", advice: "give a multiple of \(unit), at most \(FeatureLimits.rows / unit * unit)")
        }
    }

    func options(resampling: Bool, _ selection: DetectionSelection) throws -> FolderDetection.Options {
        var options = FolderDetection.Options()
        options.folders = try NameList.names(features, option: "--features") { FileManager.default.fileExists(atPath: $0) }
        (options.fps, options.stride, options.window) = (fps, featureStride, window)
        if !filePrefix.isEmpty { options.filePrefixes = filePrefix }
        if !fileSuffix.isEmpty { options.fileSuffixes = fileSuffix }
        options.arrays = try NameList.names(array, option: "--array")
        options.resampling = resampling
        options.pieceRows = pieceRows ?? options.pieceRows
        options.selection = selection
        return options
    }
}
