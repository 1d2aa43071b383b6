import Diagnostics
import FeatureStore
import Foundation
import HDF5
import NeuralNetworks

/// A training run at one step, in one HDF5 file: enough to continue to the same bits.
///
/// Groups `weights`, `average`, `first_moments` and `second_moments` hold one dataset per parameter, under its published name, in PyTorch's shape and
/// layout. Root attributes say format, version, position, seed and normaliser; `configuration` is the run's canonical YAML, `metrics` its last
/// metrics as JSON, `method_state` what the method keeps. `checksum` is SHA-256 over all of it; `digest` leaves out what does not decide how training
/// continues.
public final class Checkpoint {
    public static let format = "kairos checkpoint"
    public static let version = 1
    package static let groups = ["weights", "average", "first_moments", "second_moments"]

    /// What a checkpoint holds besides arrays.
    public struct Header: Equatable, Sendable {
        public var programVersion: String
        /// `ProgramVersion.buildDigest` of the program that wrote the file; empty when nobody recorded it.
        public var programDigest: String
        /// Steps done; the next step's recordings and random numbers follow from it and the seed.
        public var step: Int
        public var optimizerStep: Int
        public var seed: Int
        public var lossNormalizer: Double
        /// Running averages of the detector's other normalisers, by their names; most detectors have none.
        public var furtherNormalizers: [String: Double]
        /// Canonical YAML.
        public var configuration: String
        /// The configuration's digest.
        public var configurationDigest: String
        /// The feature store's digest; the classes in the order of the logits; columns of the features.
        public var storeDigest: String
        public var classes: [String]
        public var inputDimension: Int
        /// How the rows of the features stand in time; nil when nobody recorded it.
        public var featureRate: FeatureRate?
        /// JSON of the metrics known so far; empty when there are none.
        public var metrics: String
        /// `LabeledSubset.digest` of the recordings whose labels are used; empty when nobody recorded it.
        public var labeledDigest: String
        /// The library of the run's float32 matrix products, which decides bits; empty when nobody recorded it.
        public var gemm: String
        /// The method's own state.
        public var methodState: [String: [UInt8]]

        public init(
            programVersion: String, programDigest: String = "", step: Int, optimizerStep: Int, seed: Int, lossNormalizer: Double,
            furtherNormalizers: [String: Double] = [:], configuration: String, configurationDigest: String, storeDigest: String, classes: [String],
            inputDimension: Int,
            featureRate: FeatureRate? = nil, metrics: String = "", labeledDigest: String = "", gemm: String = "",
            methodState: [String: [UInt8]] = [:]
        ) {
            self.programVersion = programVersion
            self.programDigest = programDigest
            self.step = step
            self.optimizerStep = optimizerStep
            self.seed = seed
            self.lossNormalizer = lossNormalizer
            self.furtherNormalizers = furtherNormalizers
            self.configuration = configuration
            self.configurationDigest = configurationDigest
            self.storeDigest = storeDigest
            self.classes = classes
            self.inputDimension = inputDimension
            self.featureRate = featureRate
            self.metrics = metrics
            self.labeledDigest = labeledDigest
            self.gemm = gemm
            self.methodState = methodState
        }
    }

    public let path: String
    public let header: Header
    /// Parameter names with PyTorch shapes, in the model's order.
    public let parameters: [(name: String, shape: [Int])]
    /// SHA-256 over names, shapes and values of weights, average and moments, over normaliser and position.
    public let digest: String
    private let file: HDF5File

    /// Numbers in all parameters together.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.shape.reduce(1, *) } }

    /// Opens a checkpoint and checks its checksum, reading all of it once.
    ///
    /// - Throws: `Failure.badInput` for a file that is missing, ends early, is not a checkpoint, has another version or was changed.
    public init(path: String) throws {
        self.path = path
        file = try HDF5File.open(path)
        try Self.requireFormat(file)
        header = try Self.readHeader(file)
        let names = try file.readStrings("parameters")
        let file = self.file
        parameters = try names.map { ($0, try file.shape(of: "weights/\($0)")) }
        var sums = Sums()
        for group in Self.groups {
            for (name, shape) in parameters {
                Activity.tick()
                let values = try file.readFloats("\(group)/\(name)")
                sums.add("\(group)/\(name)", shape, values)
            }
        }
        let (digest, checksum) = sums.finish(header, names)
        let recorded = try file.stringAttribute(of: "", named: "checksum")
        guard recorded == checksum else {
            throw Failure.badInput(
                "the checkpoint is damaged: its checksum is \(checksum.prefix(12))..., \(recorded.prefix(12))... is recorded", at: .file(path),
                advice: "use an older checkpoint of the run")
        }
        self.digest = digest
    }

    /// SHA-256 sums while arrays go by.
    private struct Sums {
        private var content = ContentDigest()

        mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
            values.withUnsafeBytes { content.add(name: name, shape: shape, $0) }
        }

        func finish(_ header: Header, _ names: [String]) -> (digest: String, checksum: String) {
            var state = content
            state.add(name: "loss_normalizer", doubles: [header.lossNormalizer])
            for (name, value) in header.furtherNormalizers.sorted(by: { $0.key < $1.key }) {
                state.add(name: "loss_normalizer_\(name)", doubles: [value])
            }
            state.add(name: "position", integers: [header.step, header.optimizerStep, header.seed])
            for (name, bytes) in header.methodState.sorted(by: { $0.key < $1.key }) { state.add(name: "method_state/\(name)", bytes: bytes) }
            let digest = state.hex()
            state.add(name: "parameters", strings: names)
            for (name, text) in Checkpoint.texts(header) { state.add(name: name, text: text) }
            state.add(name: "classes", strings: header.classes)
            state.add(name: "input_dimension", integers: [header.inputDimension])
            return (digest, state.hex())
        }
    }

    private static func texts(_ header: Header) -> [(String, String)] {
        [
            ("program_version", header.programVersion), ("configuration", header.configuration), ("configuration_digest", header.configurationDigest),
            ("store_digest", header.storeDigest), ("metrics", header.metrics),
        ] + optionalTexts(header).filter { !$0.1.isEmpty }
    }

    /// Those that files of earlier versions lack.
    private static func optionalTexts(_ header: Header) -> [(String, String)] {
        [
            ("labeled_digest", header.labeledDigest), ("gemm", header.gemm), ("program_digest", header.programDigest),
            ("feature_rate", header.featureRate?.json ?? ""),
        ]
    }

    // MARK: Writing

    /// Writes a checkpoint so that a reader never sees half of it; it is read back and checked before it takes its place.
    ///
    /// - Returns: its digest.
    @discardableResult
    public static func write(_ state: TrainingState, header: Header, to path: String) throws -> String {
        var result = ""
        try replaceFile(at: path) { part in
            let file = try HDF5File.create(part)
            try file.setAttribute(of: "", named: "format", format)
            try file.setAttribute(of: "", named: "version", version)
            let names = state.arena.parameters.map(\.name)
            var sums = Sums()
            for (group, values) in state.arrays {
                for parameter in state.arena.parameters {
                    Activity.tick()
                    let name = "\(group)/\(parameter.name)"
                    let published = parameter.published(values + parameter.arenaOffset)
                    try file.writeFloats(name, shape: parameter.publishedShape, published)
                    sums.add(name, parameter.publishedShape, published)
                }
            }
            let (digest, checksum) = sums.finish(header, names)
            try file.writeStrings("parameters", names)
            try file.writeStrings("classes", header.classes)
            for (name, text) in texts(header) { try file.writeStrings(name, [text]) }
            for (name, bytes) in header.methodState { try file.writeBytes("method_state/\(name)", bytes) }
            try file.setAttribute(of: "", named: "step", header.step)
            try file.setAttribute(of: "", named: "optimizer_step", header.optimizerStep)
            try file.setAttribute(of: "", named: "seed", header.seed)
            try file.setAttribute(of: "", named: "input_dimension", header.inputDimension)
            try file.setAttribute(of: "", named: "loss_normalizer", header.lossNormalizer)
            if !header.furtherNormalizers.isEmpty { try file.writeStrings("loss_normalizers", header.furtherNormalizers.keys.sorted()) }
            for (name, value) in header.furtherNormalizers { try file.setAttribute(of: "", named: "loss_normalizer_\(name)", value) }
            try file.setAttribute(of: "", named: "digest", digest)
            try file.setAttribute(of: "", named: "checksum", checksum)
            try file.finishWriting()
            try HDF5File.seal(part, leavingOut: groups.flatMap { group in names.map { "\(group)/\($0)" } })
            try requireWhole(part, digest: digest)
            result = digest
        }
        return result
    }

    /// Reads a checkpoint just written back, before it takes the place of others.
    package static func requireWhole(_ path: String, digest: String) throws {
        let what: String
        do {
            guard try Checkpoint(path: path).digest != digest else { return }
            what = "its contents are not those that were written"
        } catch let failure as Failure {
            what = failure.what
        }
        throw Failure.failed(
            "the checkpoint could not be written whole: \(what)", at: .file(path),
            advice: "free space on the disk, or check it for faults, then start again; the earlier checkpoints are kept")
    }

    // MARK: Reading

    private static func requireFormat(_ file: HDF5File) throws {
        guard file.hasAttribute(of: "", named: "format") else {
            throw Failure.badInput(
                "the file is not a checkpoint: it has no attribute 'format'", at: .file(file.path), advice: "give a file from RUN/checkpoints")
        }
        let found = try file.stringAttribute(of: "", named: "format")
        guard found == format else {
            throw Failure.badInput(
                "the file is not a checkpoint: its format is '\(found)'", at: .file(file.path), advice: "give a file from RUN/checkpoints")
        }
        let found2 = try file.intAttribute(of: "", named: "version")
        guard found2 == version else {
            throw Failure.badInput(
                "the checkpoint has version \(found2), this program reads version \(version)", at: .file(file.path),
                advice: "use the program that wrote it")
        }
    }

    private static func readHeader(_ file: HDF5File) throws -> Header {
        func text(_ name: String) throws -> String { try file.readStrings(name).first ?? "" }
        func optionalText(_ name: String) throws -> String { file.exists(name) ? try text(name) : "" }
        var methodState: [String: [UInt8]] = [:]
        if file.exists("method_state") {
            for name in try file.children(of: "method_state") { methodState[name] = try file.readBytes("method_state/\(name)") }
        }
        var further: [String: Double] = [:]
        for name in file.exists("loss_normalizers") ? try file.readStrings("loss_normalizers") : [] {
            further[name] = try file.doubleAttribute(of: "", named: "loss_normalizer_\(name)")
        }
        return Header(
            programVersion: try text("program_version"), programDigest: try optionalText("program_digest"),
            step: try file.intAttribute(of: "", named: "step"),
            optimizerStep: try file.intAttribute(of: "", named: "optimizer_step"), seed: try file.intAttribute(of: "", named: "seed"),
            lossNormalizer: try file.doubleAttribute(of: "", named: "loss_normalizer"), furtherNormalizers: further,
            configuration: try text("configuration"),
            configurationDigest: try text("configuration_digest"), storeDigest: try text("store_digest"), classes: try file.readStrings("classes"),
            inputDimension: try file.intAttribute(of: "", named: "input_dimension"),
            featureRate: FeatureRate(json: try optionalText("feature_rate")), metrics: try text("metrics"),
            labeledDigest: try optionalText("labeled_digest"), gemm: try optionalText("gemm"), methodState: methodState)
    }

    /// Puts the saved state in place, checking first that the model is the same.
    public func restore(into state: TrainingState) throws {
        try requireModel(state.arena)
        for (group, values) in state.arrays { try load(group, into: values, arena: state.arena) }
        state.optimizer.step = header.optimizerStep
        try state.restoreNormalizers(header, path: path)
        state.step = header.step
    }

    /// Puts the saved weights (current or averaged) in the model's place.
    public func loadWeights(_ weights: StoredWeights, into arena: ParameterArena) throws {
        try requireModel(arena)
        try load(weights == .ema ? "average" : "weights", into: arena.values, arena: arena)
    }

    private func load(_ group: String, into values: UnsafeMutablePointer<Float>, arena: ParameterArena) throws {
        for parameter in arena.parameters {
            Activity.tick()
            let published = try file.readFloats("\(group)/\(parameter.name)")
            guard published.count == parameter.count else {
                throw Failure.badInput(
                    "it holds \(published.count) values, the model wants \(parameter.count)", at: .file(path), .dataset("\(group)/\(parameter.name)"),
                    advice: "use an older checkpoint of the run")
            }
            let native = published.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { parameter.native(fromPublished: $0) } ?? [] }
            native.withUnsafeBufferPointer { buffer in
                if let base = buffer.baseAddress { (values + parameter.arenaOffset).update(from: base, count: buffer.count) }
            }
        }
    }

    /// - Throws: `Failure.badInput` naming what differs between the checkpoint's model and the configuration's.
    private func requireModel(_ arena: ParameterArena) throws {
        let wanted = arena.parameters.map { ($0.name, $0.publishedShape) }
        let held = Dictionary(parameters.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        let missing = wanted.filter { held[$0.0] == nil }.map(\.0)
        let names = Set(wanted.map(\.0))
        let surplus = parameters.map(\.name).filter { !names.contains($0) }
        let advice = "use the configuration that the checkpoint was trained with (inspect shows it), or start a new run"
        if !missing.isEmpty || !surplus.isEmpty {
            var parts: [String] = []
            if !missing.isEmpty { parts.append("it lacks \(missing.count) of the model's \(wanted.count) parameters (\(Self.few(missing)))") }
            if !surplus.isEmpty { parts.append("it holds \(surplus.count) that the model does not have (\(Self.few(surplus)))") }
            throw Failure.badInput("the checkpoint is of another model: " + parts.joined(separator: "; "), at: .file(path), advice: advice)
        }
        for (name, shape) in wanted {
            guard let found = held[name], found != shape else { continue }
            throw Failure.badInput(
                "the checkpoint is of another model: its shape is \(found), the model's is \(shape)", at: .file(path), .parameter(name),
                advice: advice)
        }
    }

    private static func few(_ names: [String]) -> String { names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", ..." : "") }

    /// Weights under published names.
    public func published(_ weights: StoredWeights) throws -> [SafetensorsFile.Array] {
        let group = weights == .ema ? "average" : "weights"
        return try parameters.map { SafetensorsFile.Array(name: $0.name, shape: $0.shape, values: try file.readFloats("\(group)/\($0.name)")) }
    }
}
