import Autograd
import Checkpoints
import Collectives
import DataParallel
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import PostProcessing
import TemporalAnnotations
import TrainingMethods

/// Detection in recordings whose features lie in folders, one file per recording, over ranks.
///
/// Recordings are detected in rounds, whose results rank 0 adds to a file of progress: a detection that was cut off goes on behind the last round.
/// Memory is needed for the recording at work, or a piece of it, and for a round's detections, however many recordings there are.
public final class FolderDetection {
    /// What the user says of the features and of the detections.
    public struct Options: Sendable {
        /// The folders whose columns are joined.
        public var folders: [String] = []
        public var filePrefixes = [""]
        public var fileSuffixes = [".npy"]
        public var arrays: [String] = []
        /// Frames per second; nil: the rows stand as in the training.
        public var fps: Double?
        /// Frames between rows and under them; nil: as in the training.
        public var stride: Double?
        public var window: Double?
        /// Bring rows at another rate to that of the training.
        public var resampling = false
        /// Recordings of more rows are detected in overlapping pieces of so many.
        public var pieceRows = 16_384
        public var selection = DetectionSelection()

        public init() {}
    }

    public struct Outcome: Sendable {
        public var videos: Int
        public var detections: Int
        /// Videos that a run before this one had done.
        public var continued: Int
        /// Videos longer than a piece.
        public var inPieces: Int
        /// Videos whose rows were brought to another rate.
        public var resampled: Int
    }

    /// Warnings for the user; rank 0 prints them.
    public private(set) var notes: [String] = []
    public var configuration: RunConfiguration { loaded.configuration }
    private let loaded: LoadedDetector
    private let options: Options
    private let features: NumpyFeatures
    private let videos: [StoredVideo]
    private let adaptation: RateAdaptation?
    private let weights: TrainingConfiguration.Weights

    /// Opens the checkpoint, and reads the headers of all files.
    ///
    /// - Parameters:
    ///   - path: the checkpoint's file.
    ///   - options: folders, rate, and which detections are kept.
    ///   - weights: nil: as the checkpoint's configuration says.
    ///   - overrides: keys of the checkpoint's configuration to set.
    ///   - registry: knows the checkpoint's detector.
    /// - Throws: `Failure` when the features are not those of the training: their files, columns or rate.
    public init(
        checkpoint path: String, options: Options, weights: TrainingConfiguration.Weights?, overrides: [String] = [], registry: Registry
    ) throws {
        var opened: (features: NumpyFeatures, rate: FolderRate, trained: FeatureRate?)?
        let folder = options.folders.first ?? ""
        loaded = try LoadedDetector(checkpoint: path, weights: weights, overrides: overrides, registry: registry) { checkpoint in
            let trained = checkpoint.header.featureRate
            let rate = try FolderRate(trained, options, checkpoint: (path, checkpoint.header.writer))
            var reading = NumpyFeatures.Options()
            (reading.fps, reading.stride, reading.window) = (rate.grid.fps, rate.grid.stride, rate.grid.window)
            (reading.filePrefixes, reading.fileSuffixes, reading.arrays) = (options.filePrefixes, options.fileSuffixes, options.arrays)
            let features = try NumpyFeatures(folders: options.folders, annotations: nil, options: reading)
            opened = (features, rate, trained)
            return .init(
                count: features.dimension, owner: "the rows have", path: folder,
                advice: "use features of the network that the training's were extracted with; several folders are joined by --features A,B")
        }
        guard let opened else {
            throw Failure.failed("the features were not read", at: .file(folder), advice: "report this as a fault of the program")
        }
        self.options = options
        self.weights = weights ?? loaded.configuration.training.evaluateWeights
        features = opened.features
        videos = features.videos.map { StoredVideo(firstRow: 0, rows: $0.rows, grid: $0.grid, annotation: $0.annotation) }
        var lines = features.notes.map { "note: \($0)" }
        if opened.rate.isAssumed {
            adaptation = nil
            lines += [opened.rate.note].compactMap { $0 }
        } else {
            adaptation = try loaded.fitRate(
                opened.trained, videos: Array(videos.indices), of: videos, at: (folder, "folder"), resampling: options.resampling, notes: &lines)
        }
        notes = lines
    }

    // MARK: Agreement

    /// Everything that decides the detections, by the names that a user knows.
    private func identity() -> [(name: String, value: String)] {
        func text(_ number: Double?) -> String { number.map { "\($0)" } ?? "none" }
        let grid = videos.first?.grid
        return [
            ("--checkpoint", loaded.digest), ("--set", configuration.digest), ("--weights", weights.rawValue),
            ("--fps", text(grid?.fps)), ("--feature-stride", text(grid?.stride)), ("--window", text(grid?.window)),
            ("--resample", options.resampling ? "on" : "off"), ("--piece-rows", "\(options.pieceRows)"),
            ("--top-k", options.selection.topK.map { "\($0)" } ?? "none"), ("--min-score", text(options.selection.minScore)),
            ("the program", ProgramVersion.buildDigest),
        ] + (configuration.test.classScores.map { [("test.class_scores", fileStamp([$0]))] } ?? [])
    }

    /// Of the recordings' names and rows.
    private var listDigest: String {
        var digest = ArrayDigest()
        for video in videos {
            for byte in video.id.name.utf8 { digest.add(UInt64(byte)) }
            digest.add(UInt64(video.rows))
        }
        return String(digest.value, radix: 16)
    }

    /// Checks that all ranks do the same; before anything else that they do together.
    ///
    /// - Throws: `Failure` (`.failed`) on all ranks when they differ.
    public func agree(_ communicator: Communicator) throws {
        try loaded.agree(communicator)
        for (name, value) in identity() { try communicator.agree(on: value, name: name) }
        try communicator.agree(on: listDigest, name: "the digest of the recordings")
    }

    // MARK: Detection

    /// Detects in all recordings, and writes the output when all are done. All ranks together; the caller holds the lock of the output.
    ///
    /// - Parameters:
    ///   - output: JSON, or CSV where it ends in `.csv`.
    ///   - restart: whether what an earlier run has left is thrown away.
    ///   - communicator: the ranks that take part.
    ///   - note: takes lines for the user on rank 0.
    /// - Returns: on rank 0; nil on the others.
    /// - Throws: `Failure` on all ranks: `.interrupted` when a signal asks to end, what was done is kept then.
    public func run(output: String, restart: Bool, communicator: Communicator, note: (String) -> Void) throws -> Outcome? {
        let progress = try communicator.throwTogether {
            communicator.isRoot ? try DetectionProgress(of: output, identity: identity(), restart: restart) : nil
        }
        let stamps = communicator.isRoot ? videos.indices.map { fileStamp(features.paths(ofVideo: $0)) } : []
        let own = progress.map { progress in videos.indices.filter { !progress.holds(videos[$0].id, stamp: stamps[$0]) } } ?? []
        let waiting = try communicator.broadcast(own), done = videos.count - waiting.count
        if communicator.isRoot, done > 0 { note("\(done) of \(videos.count) recordings were done before; the others follow") }
        try prepare(waiting, communicator, note)
        let detection = RecordingDetection(loaded, pieceRows: options.pieceRows)
        let bar = ProgressBar("detecting", total: videos.count, done: done, unit: "recordings", isSilent: !communicator.isRoot)
        var count = done
        try Activity.during(stage: "detecting") {
            for round in DetectionRounds(waiting, rows: rows, ranks: communicator.size) {
                let found = try communicator.throwTogether { try detect(round[communicator.rank], detection) }
                if let gathered = try communicator.gather(found) {
                    let list = gathered.flatMap { unpacked($0) }
                    count += list.count
                    try communicator.throwTogether { try progress?.add(list.map { (videos[$0.place].id, stamps[$0.place], $0.detections) }) }
                } else {
                    try communicator.throwTogether {}
                }
                bar.update(count)
                try requireNoSignal(count, communicator)
            }
        }
        bar.finish(count)
        return try finish(progress, output, continued: done, communicator)
    }

    /// Rows of a recording as the detector takes them.
    private func rows(_ video: Int) -> Int { adaptation?.rows(ofVideo: video) ?? videos[video].rows }

    /// Memory, and the library of products.
    private func prepare(_ waiting: [Int], _ communicator: Communicator, _ note: (String) -> Void) throws {
        let longest = min(waiting.map(rows).max() ?? 0, options.pieceRows)
        var plain = configuration
        // Any number of ranks detects.
        plain.data.virtualShards = communicator.size
        let planner = try communicator.throwTogether {
            try MemoryPlanner(
                plain, detector: loaded.detector, dimension: loaded.dimension, classes: loaded.classes.count,
                rows: [Int](repeating: max(longest, 1), count: communicator.size), communicator: communicator)
        }
        do {
            let lines = try MemoryCheck.require(planner.detecting(Array(0..<communicator.size)), communicator: communicator)
            if communicator.isRoot { lines.forEach(note) }
        } catch var failure as Failure where failure.kind == .badInput {
            failure.kind = .wrongUsage
            failure.places = [.file(options.folders.first ?? ""), .key("--piece-rows")]
            failure.advice = "lower --piece-rows, or start fewer ranks on a machine"
            throw failure
        }
        _ = try ProductChoice.set(configuration.training, recorded: loaded.recordedGemm, communicator: communicator)
    }

    /// This rank's recordings of a round: their place, number of detections, and per detection start, end, class and score.
    private func detect(_ own: [Int], _ detection: RecordingDetection) throws -> [Double] {
        var packed: [Double] = []
        try PreparedWeights.keeping {
            for (number, video) in own.enumerated() {
                guard Interruption.asked == nil else { break }
                Activity.begin(step: number + 1)
                RunWindow.detecting.pass()
                let stored = videos[video], plan = adaptation?.resampling(ofVideo: video)
                let source = RecordingDetection.Source(
                    context: VideoContext(id: stored.id, grid: plan?.grid ?? stored.grid, duration: stored.annotation.duration), rows: rows(video),
                    path: features.paths(ofVideo: video)[0], files: try features.recording(ofVideo: video), resampling: plan)
                guard let found = try detection.detect(source).map({ options.selection(try loaded.classified($0, of: stored.id, known: nil)) }) else {
                    break
                }
                packed += [Double(video), Double(found.count)]
                for one in found { packed += [one.segment.start, one.segment.end, Double(one.label), one.score] }
            }
        }
        return packed
    }

    private func unpacked(_ packed: [Double]) -> [(place: Int, detections: [Detection])] {
        var result: [(place: Int, detections: [Detection])] = []
        var at = 0
        while at < packed.count {
            let video = Int(packed[at]), count = Int(packed[at + 1])
            let list = (0..<count).map { number in
                let values = packed[(at + 2 + 4 * number)...].prefix(4).map { $0 }
                return Detection(
                    video: videos[video].id, segment: Segment(start: values[0], end: values[1]), label: Int(values[2]), score: values[3])
            }
            result.append((video, list))
            at += 2 + 4 * count
        }
        return result
    }

    /// A signal may have reached one rank alone.
    private func requireNoSignal(_ done: Int, _ communicator: Communicator) throws {
        let asked = try communicator.allReduce(Int(Interruption.asked?.rawValue ?? 0), .max)
        guard let signal = Interruption.Signal(rawValue: Int32(asked)) else { return }
        let count = try communicator.broadcast(done)
        throw Interruption.failure(signal, "in detecting; \(count) of \(videos.count) recordings are kept")
    }

    private func finish(_ progress: DetectionProgress?, _ output: String, continued: Int, _ communicator: Communicator) throws -> Outcome? {
        var total = 0
        try communicator.throwTogether {
            guard let progress else { return }
            RunWindow.writingDetections.pass()
            try DetectionFile.write(videos: videos.count, classes: loaded.outputClasses, to: output) { index in
                let list = try progress.detections(of: videos[index].id)
                total += list.count
                return (videos[index].id, list)
            }
            progress.remove()
        }
        guard communicator.isRoot else { return nil }
        return Outcome(
            videos: videos.count, detections: total, continued: continued,
            inPieces: videos.indices.reduce(0) { $0 + (rows($1) > options.pieceRows ? 1 : 0) }, resampled: adaptation?.count ?? 0)
    }
}
