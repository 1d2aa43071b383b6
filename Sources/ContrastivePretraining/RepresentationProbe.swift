import ActionDetection
import Autograd
import Collectives
import Detectors
import Diagnostics
import NeuralNetworks
import Sampling
import TemporalAnnotations
import Training

/// The accuracy of a linear classifier on frames of a frozen detector's representation (APL's supplement, Tables S2 and S5).
///
/// Frames are the middle ones of equal parts of each recording. Their representation is the one that ACP contrasts: every level of the pyramid
/// up-sampled to full length, channels concatenated. Their classes are those of the annotations: of the shortest action that contains the frame, else
/// background. Recordings are divided among the ranks; rank 0 fits the classifier to the training frames and counts on the evaluation frames.
public struct RepresentationProbe {
    /// What is classified.
    public enum Representation: String, Sendable, CaseIterable {
        /// All levels of the detector's pyramid.
        case pyramid
        /// The features that the detector gets.
        case input
    }

    /// Recordings and frames of one side.
    public struct Counts: Equatable, Sendable, Encodable {
        public var recordings: Int
        public var frames: Int
        /// Frames in an action.
        public var action_frames: Int
    }

    /// What the classifier makes of the evaluation frames.
    public struct Outcome: Sendable {
        public var accuracy: ProbeAccuracy
        /// Of the classifier that always says the most frequent class of the training frames.
        public var majority: Double
        public var training: Counts
        public var evaluation: Counts
        /// Classes of the training frames, background among them.
        public var classes: Int
        /// Values of a frame.
        public var columns: Int
        public var probe: LinearProbe
    }

    private let loaded: TrainedDetector
    private let detector: any LevelFeatures
    private let representation: Representation
    private let frames: Int
    private var background: Int { loaded.store.classes.count }

    /// - Parameters:
    ///   - loaded: the detector and the store.
    ///   - representation: what is classified.
    ///   - frames: of each recording, the most; at least 1.
    /// - Throws: `Failure` for a detector without levels of features, and for no frames.
    public init(_ loaded: TrainedDetector, representation: Representation, frames: Int) throws {
        guard let detector = loaded.detector as? any LevelFeatures else {
            throw Failure.badInput(
                "the checkpoint's detector has no levels of features, so it has no representation to probe", at: .key("model.name"),
                advice: "use a checkpoint of another detector: model.name \(loaded.configuration.registry.levelDetectors)")
        }
        guard frames > 0 else { throw Failure.wrongUsage("--frames is \(frames)", advice: "give a whole number above 0") }
        self.loaded = loaded
        self.detector = detector
        self.representation = representation
        self.frames = frames
    }

    /// Fits and counts; all ranks together.
    ///
    /// - Parameters:
    ///   - training: positions in the store.
    ///   - evaluation: positions in the store, others than those of the training.
    ///   - settings: of the classifier.
    ///   - communicator: the ranks that take part.
    ///   - note: takes lines for the user on rank 0.
    /// - Returns: nil on ranks other than 0.
    /// - Throws: `Failure` when a recording has no segments or is on both sides, when the training frames are of one class, and when features cannot
    ///   be read; `.interrupted` on all ranks when a signal asks to end.
    public func run(
        training: [Int], evaluation: [Int], settings: LinearProbe.Settings = .init(), communicator: Communicator, note: (String) -> Void = { _ in }
    ) throws -> Outcome? {
        try communicator.throwTogether { try check(training: training, evaluation: evaluation) }
        guard let gathered = try gather(training + evaluation, communicator, note) else {
            try communicator.throwTogether {}
            return nil
        }
        var outcome: Outcome?
        try communicator.throwTogether {
            outcome = try fit(gathered.prefix(training.count), gathered.dropFirst(training.count), settings)
        }
        return outcome
    }

    /// - Throws: `Failure` for recordings that cannot be used.
    private func check(training: [Int], evaluation: [Int]) throws {
        let store = loaded.store
        if let shared = Set(training).intersection(evaluation).min() {
            throw Failure.wrongUsage(
                "\(Set(training).intersection(evaluation).count) recordings are both in the training and in the evaluation subset",
                at: .file(store.path),
                .video(store.videos[shared].id.name), advice: "choose two subsets without a common recording")
        }
        for (videos, key) in [(training, "--training-subset"), (evaluation, "--evaluation-subset")] {
            let weak = videos.filter { store.videos[$0].annotation.isWeaklyLabelled }
            guard let first = weak.first else { continue }
            throw Failure.badInput(
                "\(weak.count) of the \(videos.count) recordings have weak labels only (classes without segments): their frames have no class",
                at: .file(store.path), .key(key), .video(store.videos[first].id.name), advice: "choose recordings whose actions have segments")
        }
    }

    // MARK: Frames

    /// Frames of one recording.
    private struct Recording {
        var values: [Float]
        var labels: [Int]
    }

    /// The frames of all recordings, in the order of `videos`, on rank 0; nil on the others.
    private func gather(_ videos: [Int], _ communicator: Communicator, _ note: (String) -> Void) throws -> [Recording]? {
        var values: [Float] = [], labels: [Int] = [], counts: [Int] = []
        let width = representation == .input ? loaded.store.dimension : detector.levelCount * detector.levelColumns
        // Gathered, by recording, and standardized.
        let (kept, overflow) = (frames &* 12 &* width).multipliedReportingOverflow(by: videos.count)
        try loaded.forEach(
            videos: videos, communicator: communicator, title: "probing", keeping: overflow || frames > 1 << 30 ? Int.max : kept, note: note
        ) { place, batch in
            let rows = batch.features.rows(of: 0).count, chosen = FrameSampling.middles(rows: rows, parts: frames)
            let instances = loaded.store.videos[videos[place]].annotation.instances.map {
                GridInstance(segment: batch.videos[0].grid.gridSegment($0.segment), label: $0.label)
            }
            values += represent(batch, chosen)
            labels += FrameSampling.labels(frames: chosen, instances: instances, background: background)
            counts.append(chosen.count)
        }
        let all = (try communicator.gather(values), try communicator.gather(labels), try communicator.gather(counts))
        guard let allValues = all.0, let allLabels = all.1, let allCounts = all.2 else { return nil }
        var result = videos.map { _ in Recording(values: [], labels: []) }
        let shares = RecordingShares.places(rows: videos.map { loaded.store.videos[$0].rows }, ranks: communicator.size)
        for (rank, places) in shares.enumerated() {
            var frame = 0
            for (place, count) in zip(places, allCounts[rank]) {
                result[place].values = Array(allValues[rank][frame * width..<(frame + count) * width])
                result[place].labels = Array(allLabels[rank][frame..<frame + count])
                frame += count
            }
        }
        return result
    }

    private func represent(_ batch: PackedBatch, _ chosen: [Int]) -> [Float] {
        guard representation == .pyramid else {
            let columns = batch.features.columns, values = batch.features.tensor.values
            return chosen.flatMap { UnsafeBufferPointer(start: values + $0 * columns, count: columns) }
        }
        let pass = ForwardPass.inference(), levels = detector.pyramid(batch.features, pass)
        return withExtendedLifetime(levels) { pass.tape.multiScaleRows(levels, frames: [chosen]).tensor.array }
    }

    // MARK: Classifier

    private func fit(_ training: ArraySlice<Recording>, _ evaluation: ArraySlice<Recording>, _ settings: LinearProbe.Settings) throws -> Outcome {
        let labels = training.flatMap(\.labels), truth = evaluation.flatMap(\.labels)
        guard !truth.isEmpty else {
            throw Failure.badInput(
                "there is no frame to evaluate the linear probe on", at: .file(loaded.store.path), .key("--evaluation-subset"),
                advice: "choose a subset that has recordings")
        }
        if let only = Set(labels).first, Set(labels).count == 1 {
            let name = only == background ? "background" : "class '\(loaded.store.classes.names[only])'"
            throw Failure.badInput(
                "all \(labels.count) frames of the \(training.count) training recordings are of \(name): there is nothing to tell apart",
                at: .file(loaded.store.path), .key("--training-subset"), advice: "choose more recordings (--labels all), or more frames (--frames)")
        }
        let width = labels.isEmpty ? 1 : (training.first { !$0.labels.isEmpty }).map { $0.values.count / $0.labels.count } ?? 1
        let probe = try LinearProbe(training.flatMap(\.values), columns: width, labels: labels, settings: settings)
        let accuracy = ProbeAccuracy(predictions: try probe.predictions(evaluation.flatMap(\.values)), labels: truth, background: background)
        func counts(_ recordings: ArraySlice<Recording>, _ labels: [Int]) -> Counts {
            Counts(recordings: recordings.count, frames: labels.count, action_frames: labels.count { $0 != background })
        }
        let sizes = Dictionary(labels.map { ($0, 1) }, uniquingKeysWith: +)
        let most = sizes.keys.sorted().max { (sizes[$0] ?? 0, $1) < (sizes[$1] ?? 0, $0) } ?? background
        return Outcome(
            accuracy: accuracy, majority: Double(truth.count { $0 == most }) / Double(truth.count), training: counts(training, labels),
            evaluation: counts(evaluation, truth), classes: probe.present.count, columns: width, probe: probe)
    }
}
