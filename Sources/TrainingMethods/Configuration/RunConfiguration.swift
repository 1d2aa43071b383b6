import Configuration
import Detectors
import Diagnostics
import Digests
import Foundation

/// The configuration of a run: everything that determines it, as typed values with defaults.
///
/// Read from YAML with `key.path=value` overrides; unknown keys, mistyped values and values out of range are refused with the place they stand at.
/// Each section lists its keys once, in `visit(_:)`, for reading, for writing and for the document that names them. Which detectors and methods there
/// are, a `Registry` says.
public struct RunConfiguration: Equatable, Sendable {
    public var data = DataConfiguration()
    /// Section `model`: the detector's settings. Its first key is `name`, the others are the detector's.
    public var model: any DetectorSettings
    public var training = TrainingConfiguration()
    public var test = TestConfiguration()
    /// `method.name`: what is learnt from.
    ///
    /// - Precondition: a registered name.
    public var methodName: String { didSet { precondition(registry.method(named: methodName) != nil) } }
    public let registry: Registry
    /// The sections of every registered method, in the order of the registry.
    private var methods: [any MethodSettings]
    /// The keys that were set where it was read, by their full names.
    private var written = WrittenKeys()

    /// Everything at its default.
    public init(registry: Registry) {
        self.registry = registry
        model = registry.detectors[0].init()
        methodName = registry.methods[0].name
        methods = registry.methods.map { $0.init() }
    }

    /// Reads a configuration file.
    ///
    /// - Throws: `Failure`: `.wrongUsage` for what is wrong in it, `.badInput` when it cannot be read.
    public init(path: String, overrides: [String] = [], registry: Registry) throws {
        let missing = Failure.badInput("the configuration file cannot be read", at: .file(path), advice: "check the path; configs/ holds examples")
        try self.init(yaml: try ConfigurationNode.text(of: path, missing: missing), file: path, overrides: overrides, registry: registry)
    }

    /// - Parameters:
    ///   - yaml: the text of the file.
    ///   - file: the name to say in errors.
    ///   - overrides: keys to set, `section.key=value`; later ones win.
    ///   - registry: the detectors and methods that may be named.
    public init(yaml: String, file: String, overrides: [String] = [], registry: Registry) throws {
        self.init(registry: registry)
        var document = try ConfigurationNode(yaml: yaml, file: file)
        try document.apply(overrides: overrides)
        let keys = ConfigurationKeys(document: document)
        try visit(keys)
        try keys.refuseUnknownKeys()
        try check(keys)
        written = WrittenKeys(keys.written)
    }

    /// Keys that earlier versions did not know, and what these did: what a run was begun with stays, whatever the defaults are now.
    static let earlierValues = ["data.balance_window": "1", "training.convolution": "direct"]

    /// The configuration in a checkpoint: keys that its program did not know have the values of what that did.
    ///
    /// - Parameters:
    ///   - checkpoint: the text in the checkpoint.
    ///   - file: the checkpoint's path, for errors.
    ///   - overrides: keys to set.
    ///   - registry: the detectors and methods that may be named.
    public init(checkpoint: String, file: String, overrides: [String] = [], registry: Registry) throws {
        let known = try ConfigurationNode(yaml: checkpoint, file: file)
        let method = type(of: try RunConfiguration(yaml: checkpoint, file: file, registry: registry).method)
        let earlier = Self.earlierValues.merging(method.earlierValues) { _, own in own }.filter { key, _ in
            key.split(separator: ".").reduce(known as ConfigurationNode?) { $0?[String($1)] } == nil
        }
        try self.init(
            yaml: checkpoint, file: file, overrides: earlier.sorted { $0.key < $1.key }.map { "\($0)=\($1)" } + overrides, registry: registry)
    }

    /// The settings of the run's method.
    public var method: any MethodSettings { methods.first { $0.name == methodName } ?? methods[0] }

    /// The settings of a registered method, whether the run uses it or not; defaults when it is not registered.
    public subscript<Settings: MethodSettings>(_: Settings.Type) -> Settings {
        get { methods.lazy.compactMap { $0 as? Settings }.first ?? Settings() }
        set { if let place = methods.firstIndex(where: { $0 is Settings }) { methods[place] = newValue } }
    }

    /// Two configurations are equal when every key is.
    public static func == (a: RunConfiguration, b: RunConfiguration) -> Bool { a.lines == b.lines }

    // MARK: Keys

    mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.section("data", &data)
        try keys.section("model") { try visitModel(keys) }
        try keys.section("training", &training)
        try keys.section("test", &test)
        try keys.section("method") {
            let summaries = registry.methods.map { "`\($0.name)`: \($0.summary)" }.joined(separator: "; ")
            try keys.choice(
                "name", &methodName, among: registry.methods.map { $0.name }, meaning: "what is learnt from ([methods.md](methods.md)). \(summaries)")
        }
        for place in methods.indices { try methods[place].visit(keys) }
    }

    private mutating func visitModel(_ keys: ConfigurationKeys) throws {
        var name = model.name
        try keys.choice(
            "name", &name, among: registry.detectors.map { $0.name }, meaning: "the detector; keys that another detector alone has are refused")
        if name != model.name, let chosen = registry.detector(named: name) { model = chosen.init() }
        try model.visit(keys)
        if keys.isReading { explainForeignKeys(keys) }
    }

    /// Keys of other detectors are refused with the names of those that have them.
    private func explainForeignKeys(_ keys: ConfigurationKeys) {
        let own = Set(type(of: model).defaultLines.map(\.key))
        var owners: [String: [String]] = [:]
        for other in registry.detectors {
            for line in other.defaultLines where !own.contains(line.key) { owners[line.key, default: []].append(other.name) }
        }
        for (key, names) in owners {
            let others = alternatives(names)
            keys.explain(
                key, "'\(key)' belongs to the detector \(others), but model.name is \(model.name)",
                advice: "remove the key, or set model.name to \(others)")
        }
    }

    /// Whether a key was set where the configuration was read, not left at its default.
    package func isWritten(_ key: String) -> Bool { written.contains(key) }

    /// Every key with its value.
    public var lines: [ConfigurationKeys.Line] { listing.lines }

    /// What is documented of every key, with the values of this configuration for defaults.
    public var descriptions: [KeyDescription] { listing.descriptions }

    private var listing: ConfigurationKeys {
        let keys = ConfigurationKeys()
        var copy = self
        // Listing reads nothing, so nothing can be refused.
        try? copy.visit(keys)
        return keys
    }

    /// The full configuration in one fixed form: sections and keys in the order of the documentation, defaults written out.
    public var canonicalYAML: String {
        var text = ""
        var section = ""
        for line in lines {
            if line.path[0] != section {
                section = line.path[0]
                text += "\(section):\n"
            }
            text += "  \(line.path.dropFirst().joined(separator: ".")): \(line.value)\n"
        }
        return text
    }

    /// Keys that change no bit of a run's result: how it is computed, watched and written.
    package static let keysWithoutConsequence: Set<String> = [
        "data.store", "data.prefetch", "training.checkpoint_every", "training.keep", "training.threads", "training.log_every",
        "training.bucket_elements", "training.bucket_order", "training.overlap", "training.hierarchical", "training.reduction_group",
        "training.recompute_mlp",
        "training.tensorboard", "training.verify_every", "training.stall_seconds",
    ]

    /// SHA-256 of the canonical YAML, hex.
    public var digest: String { SHA256(canonicalYAML.utf8).hex() }
}
