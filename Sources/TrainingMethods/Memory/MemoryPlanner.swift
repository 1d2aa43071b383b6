import Autograd
import Checkpoints
import Collectives
import DataParallel
import Detectors
import Diagnostics
import FeatureStore
import Kernels
import NeuralNetworks
import RandomStreams
import Sampling

/// Estimates what a run holds by rehearsing its steps on shapes alone, at the longest batches that its recordings can make.
public struct MemoryPlanner {
    public let configuration: RunConfiguration
    public let detector: any Detector
    /// Columns of the features; classes.
    public let dimension: Int
    public let classes: Int
    public let shards: VirtualShards
    public let communicator: Communicator
    /// Bytes of a stored row.
    private let storedBytes: Int
    private var recording: (Int) -> (name: String?, rows: Int)
    private let file: String?

    /// - Throws: `Failure` when the ranks do not divide the shards, or the processor does not multiply in the precision asked for.
    public init(_ configuration: RunConfiguration, detector: any Detector, store: FeatureStore, communicator: Communicator) throws {
        try ProductChoice.requirePrecision(configuration.training.precision, present: Processor.present)
        self.configuration = configuration
        self.detector = detector
        shards = try VirtualShards(count: configuration.data.virtualShards, communicator: communicator)
        self.communicator = communicator
        dimension = store.dimension
        classes = store.classes.count
        storedBytes = store.storedBytes(rows: 1)
        recording = { (store.videos[$0].id.name, store.videos[$0].rows) }
        file = store.path
    }

    /// For detection with weights that are there.
    ///
    /// - Parameter adaptation: brings recordings to another rate.
    package init(
        detecting configuration: RunConfiguration, detector: any Detector, store: FeatureStore, adaptation: RateAdaptation?,
        communicator: Communicator
    ) throws {
        var plain = configuration
        // Any number of ranks detects.
        plain.data.virtualShards = communicator.size
        try self.init(plain, detector: detector, store: store, communicator: communicator)
        recording = { (store.videos[$0].id.name, max(store.videos[$0].rows, adaptation?.rows(ofVideo: $0) ?? 0)) }
    }

    /// For recordings that are in no store.
    ///
    /// - Parameters:
    ///   - configuration: of the run.
    ///   - detector: the one that is rehearsed.
    ///   - dimension: columns of the features.
    ///   - classes: number of classes.
    ///   - rows: of the recordings 0 ..< count.
    ///   - communicator: the ranks that take part.
    /// - Throws: `Failure` when the processor lacks the precision, or the shards cannot be divided among the ranks.
    public init(
        _ configuration: RunConfiguration, detector: any Detector, dimension: Int, classes: Int, rows: [Int], communicator: Communicator
    ) throws {
        try ProductChoice.requirePrecision(configuration.training.precision, present: Processor.present)
        self.configuration = configuration
        self.detector = detector
        shards = try VirtualShards(count: configuration.data.virtualShards, communicator: communicator)
        self.communicator = communicator
        self.dimension = dimension
        self.classes = classes
        storedBytes = 4 * dimension
        recording = { (nil, rows[$0]) }
        file = nil
    }

    // MARK: Parts

    /// What a module's training holds whatever it sees: weights, gradients (one array for every sum under way), moments, average, messages.
    ///
    /// - Parameters:
    ///   - module: what is trained.
    ///   - name: before the parts' names; empty for the detector.
    ///   - hasAverage: whether a moved average is kept.
    ///   - reduction: how gradients travel.
    public func trainedParts(
        _ module: any Module, name: String = "", hasAverage: Bool = true, reduction: GradientReduction.Options
    ) -> [MemoryEstimate.Part] {
        let count = Self.count(module), arrays = MemoryEstimate.product(4, count), prefix = name.isEmpty ? "" : name + "'s "
        let sums = Int.bitWidth - max(shards.perRank, 1).leadingZeroBitCount
        return [
            .init(prefix + "weights", bytes: arrays), .init(prefix + "gradients", bytes: MemoryEstimate.product(arrays, sums)),
            .init(prefix + "moments", bytes: MemoryEstimate.product(2, arrays)),
        ] + (hasAverage ? [.init(prefix + "weight average", bytes: arrays)] : []) + [
            .init(
                prefix + "gradient messages",
                bytes: GradientReduction.messageBytes(parameters: count, communicator: communicator, shards: shards, options: reduction))
        ]
    }

    /// Numbers in a module's arena.
    public static func count(_ module: any Module) -> Int {
        module.namedParameters.reduce(0) { $0 + ($1.parameter.count + 15) / 16 * 16 }
    }

    /// Libraries, their buffers, the store's index.
    static let programPart = MemoryEstimate.Part("the program", bytes: 48 << 20)

    // MARK: Phases

    /// Rows of the longest batch of a shard that steps over these recordings can have, longest first: recordings are assigned to the shards by
    /// length.
    public func longestBatch(_ videos: [Int], perStep: Int, isCropped: Bool = true) -> [Int] {
        let sorted = videos.map { recording($0).rows }.sorted(by: >).map { isCropped ? min($0, configuration.data.maxRows ?? $0) : $0 }
        guard let first = sorted.first else { return [] }
        return (0..<perStep).map { $0 * shards.count < sorted.count ? sorted[$0 * shards.count] : (sorted.last ?? first) }
    }

    /// A stage's steps.
    ///
    /// - Parameters:
    ///   - name: of the stage.
    ///   - groups: for every group of a shard's batch the rows of its recordings.
    ///   - forwardOfAllFirst: whether all shards of a rank run forward before the first runs backward, even where the detector's targets do not
    ///     depend on its outputs.
    ///   - copies: further matrices of the size of the features that a step makes, per group.
    ///   - parts: in which a group's recordings pass one after another.
    ///   - beside: bytes of what is beside the tape.
    ///   - key: what to lower when it does not fit.
    ///   - forward: takes the group, features without values, and the pass; seeds gradients. The detector's own training otherwise.
    public func training(
        _ name: String, groups: [[Int]], forwardOfAllFirst: Bool = false, copies: Int = 0, parts: Int = 1, beside: Int = 0,
        key: String = "data.max_rows", _ forward: ((_ group: Int, PackedSequence, ForwardPass) -> Void)? = nil
    ) -> MemoryEstimate.Phase? {
        guard let rehearsed = forward ?? defaultForward else { return nil }
        let forwardOfAllFirst = forwardOfAllFirst || detector.assignsFromOutputs
        let peak = rehearse {
            let batches = (0..<shards.perRank).map { _ in groups.map { rows in (0...copies).map { _ in features(rows) } } }
            var tapes: [Tape] = []
            for batch in forwardOfAllFirst ? batches[...] : batches.prefix(1) {
                let tape = Tape(recomputing: configuration.training.recomputeMLP)
                for (group, matrices) in batch.enumerated() {
                    let random = RandomStream(seed: 0, "rehearsal")
                    // The recordings of a part, the longest, are copied.
                    let own = parts > 1 ? features(Array(groups[group].prefix((groups[group].count + parts - 1) / parts))) : matrices[0]
                    rehearsed(group, own, ForwardPass(tape: tape, isTraining: true, random: random))
                }
                if forwardOfAllFirst { tapes.append(tape) } else { tape.backward() }
            }
            for tape in tapes { tape.backward() }
        }
        let rows = groups.joined().reduce(0, +), longest = groups.joined().max() ?? 0, count = groups.joined().count
        // Targets of all shards, and what the losses make of one's: twice as many points as rows.
        let targets = MemoryEstimate.product(2 * rows, 4, classes + 2, shards.perRank + 2)
        let ahead = MemoryEstimate.product(configuration.data.prefetch * shards.perRank + 2, rows, storedBytes)
        let window = configuration.model.memorySaver.map { ", and so does \($0)" } ?? ""
        let crop = configuration.data.maxRows == nil ? "set data.max_rows (null: recordings are never cropped), " : "lower data.max_rows, "
        return MemoryEstimate.Phase(
            "\(name) (\(count) recordings of up to \(longest) rows per shard)", bytes: MemoryEstimate.sum([peak, targets, ahead, beside]), key: key,
            advice: crop + "data.batch_size or data.prefetch, or raise data.virtual_shards with as many ranks on further machines; "
                + "training.recompute_mlp: true needs less" + window)
    }

    private var defaultForward: ((Int, PackedSequence, ForwardPass) -> Void)? {
        guard let detector = detector as? any RehearsedDetector else { return nil }
        return { _, features, pass in _ = detector.rehearse(features, pass) }
    }

    /// Detection of whole recordings, one after another; recordings are divided among the ranks as `Inference` does.
    ///
    /// - Parameters:
    ///   - name: of the phase.
    ///   - videos: positions among the recordings.
    ///   - network: takes features without values; the detector otherwise.
    public func detection(_ name: String, videos: [Int], _ network: ((PackedSequence, ForwardPass) -> Void)? = nil) -> MemoryEstimate.Phase? {
        let rows = videos.map { recording($0).rows }
        let own = RecordingShares.places(rows: rows, ranks: communicator.size, rank: communicator.rank).map { videos[$0] }
        let lengths = own.map { recording($0).rows }
        guard let longest = lengths.max(), let place = lengths.firstIndex(of: longest) else { return nil }
        guard let rehearsed = network ?? (detector as? any RehearsedDetector).map({ detector in { _ = detector.rehearse($0, $1) } }) else {
            return nil
        }
        let peak = rehearse { rehearsed(features([longest]), .inference()) }
        // The longest recordings wait to be detected: two ahead, one that is read, one at work.
        let ahead = MemoryEstimate.product(lengths.sorted(by: >).prefix(4).reduce(0, +), storedBytes)
        return MemoryEstimate.Phase(
            "\(name) (a recording of \(longest) rows, whole)", bytes: MemoryEstimate.sum([peak, ahead, 16 << 20]), comesFromData: true,
            video: recording(own[place]).name, key: nil,
            advice: "leave the recording out of the subset, cut it into shorter ones, make its features with a larger stride")
    }

    /// Features without values.
    private func features(_ rows: [Int]) -> PackedSequence {
        var offsets = [0]
        for count in rows { offsets.append(offsets[offsets.count - 1] + count) }
        return PackedSequence(Tensor(rows: offsets[offsets.count - 1], columns: dimension, requiresGradient: false), offsets: offsets)
    }

    /// In the precision and with the library of the run, whatever this process multiplies with now; `auto` may choose the one that needs most.
    private func rehearse(_ body: () -> Void) -> Int {
        ComputeContext.with {
            $0.backend = ProductChoice.named(configuration.training) ?? .byShape
            $0.precision = configuration.training.precision
            $0.convolution = configuration.training.convolution
        } do: {
            Rehearsal.peakBytes { PreparedWeights.keeping(body) }
        }
    }

    // MARK: Runs

    /// Of a training run.
    ///
    /// - Parameter evaluated: recordings detected at its end.
    package func run(_ method: any TrainingMethod, evaluated: [Int]) -> MemoryEstimate {
        let own = method.memoryDemand(self)
        let isDetector = (method.localizer(detector) as AnyObject) === (detector as AnyObject)
        let detection = isDetector ? detection("detection", videos: evaluated) : method.localizerDemand(self, evaluated: evaluated)
        return MemoryEstimate(
            parts: [Self.programPart] + trainedParts(detector, reduction: configuration.training.reductionOptions) + own.parts,
            phases: own.phases + [detection].compactMap { $0 }, file: file, modelKeys: configuration.model.sizeKeys)
    }

    /// Of detection with weights that are there.
    ///
    /// - Parameters:
    ///   - videos: positions among the recordings.
    ///   - bytes: of what is kept of all recordings.
    public func detecting(_ videos: [Int], keeping bytes: Int = 0) -> MemoryEstimate {
        MemoryEstimate(
            parts: [Self.programPart] + (bytes > 0 ? [.init("what is kept of the recordings", bytes: bytes)] : []),
            phases: [detection("detection", videos: videos)].compactMap { $0 }, file: file,
            modelKeys: configuration.model.sizeKeys)
    }

    /// Of training or detection as a benchmark does it, without a store.
    public func benchmark(training groups: [[Int]]?, detecting videos: [Int], features: Int) -> MemoryEstimate {
        let phase = groups.map { training("training", groups: $0) } ?? detection("detection", videos: videos)
        return MemoryEstimate(
            parts: [Self.programPart] + trainedParts(detector, reduction: configuration.training.reductionOptions)
                + [.init("random features", bytes: MemoryEstimate.product(4, features))],
            phases: [phase].compactMap { $0 }, file: file, modelKeys: configuration.model.sizeKeys)
    }

    /// Of the parameters alone: `arrays` arrays of a module's size.
    ///
    /// - Parameters:
    ///   - module: whose parameters they are.
    ///   - arrays: how many there are.
    ///   - keys: what makes them so many.
    ///   - file: the file that says so, for messages.
    public static func parameters(_ module: any Module, arrays: Int, keys: [String], file: String?) -> MemoryEstimate {
        let name = "\(arrays) arrays of \(count(module)) parameters each"
        return MemoryEstimate(
            parts: [programPart, .init(name, bytes: MemoryEstimate.product(4, arrays, count(module)))], file: file, modelKeys: keys)
    }
}
