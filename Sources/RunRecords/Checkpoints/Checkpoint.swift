import Diagnostics
import HDF5

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
        header = try Header(reading: file)
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
    package struct Sums {
        private var content = ContentDigest()

        package init() {}

        package mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
            values.withUnsafeBytes { content.add(name: name, shape: shape, $0) }
        }

        package func finish(_ header: Header, _ names: [String]) -> (digest: String, checksum: String) {
            var state = content
            state.add(name: "loss_normalizer", doubles: [header.lossNormalizer])
            for (name, value) in header.furtherNormalizers.sorted(by: { $0.key < $1.key }) {
                state.add(name: "loss_normalizer_\(name)", doubles: [value])
            }
            state.add(name: "position", integers: [header.step, header.optimizerStep, header.seed])
            for (name, bytes) in header.methodState.sorted(by: { $0.key < $1.key }) { state.add(name: "method_state/\(name)", bytes: bytes) }
            let digest = state.hex()
            state.add(name: "parameters", strings: names)
            for (name, text) in header.texts { state.add(name: name, text: text) }
            state.add(name: "classes", strings: header.classes)
            state.add(name: "input_dimension", integers: [header.inputDimension])
            return (digest, state.hex())
        }
    }

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

    /// The values of a parameter, in PyTorch's layout.
    ///
    /// - Parameter group: one of `groups`.
    package func readValues(of parameter: String, in group: String) throws -> [Float] { try file.readFloats("\(group)/\(parameter)") }

    /// The values of a parameter, in PyTorch's layout (row-major, of the shape in `parameters`).
    ///
    /// - Throws: `Failure.badInput` for a name that is not among `parameters`.
    public func readValues(of parameter: String, _ weights: StoredWeights) throws -> [Float] { try readValues(of: parameter, in: weights.group) }
}
