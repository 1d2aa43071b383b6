import Configuration
import Diagnostics
import Foundation

/// A grid of settings x label fractions x seeds, from one YAML file (docs/ablation.md).
public struct AblationGrid: Equatable, Sendable {
    /// One line of the table: what is changed in the base configuration.
    public struct Setting: Equatable, Sendable {
        public var name: String
        /// `key.path=value`, as `--set` takes them.
        public var overrides: [String]
        /// `name` stands in the table; `overrides` are `key.path=value`, later ones prevail.
        public init(name: String, overrides: [String]) {
            self.name = name
            self.overrides = overrides
        }

        /// The name in file names: lower-case letters and digits, whatever else is between them becomes one hyphen.
        public var fileName: String {
            name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }.joined(separator: "-")
        }
    }

    /// Where the grid was read.
    public var path: String
    /// The base configuration's path.
    public var configuration: String
    /// Ranks of every run.
    public var ranks: Int
    public var settings: [Setting]
    /// Of the training recordings, above 0, to 1.
    public var labeledFractions: [Double]
    public var seeds: [Int]

    /// - Throws: `Failure`: `.wrongUsage` for what is wrong in it, `.badInput` when it cannot be read.
    public init(path: String) throws {
        let missing = Failure.badInput(
            "the grid cannot be read", at: .file(path), advice: "check the path; configs/ holds an example, docs/ablation.md its keys")
        try self.init(yaml: try ConfigurationNode.text(of: path, missing: missing), file: path)
    }

    private static let keys = ["configuration", "ranks", "labeled_fractions", "seeds", "settings"]

    /// - Parameters:
    ///   - yaml: the text of the file.
    ///   - file: the name to say in errors.
    /// - Throws: `Failure` (`.wrongUsage`) for an unknown or missing key and a value out of bounds.
    public init(yaml: String, file: String) throws {
        let document = try ConfigurationNode(yaml: yaml, file: file)
        try Self.refuseUnknownKeys(document)
        func value<Value: ConfigurationValue>(
            _ key: String, default standard: Value?, _ requirement: String, _ holds: (Value) -> Bool
        ) throws -> Value {
            let expected = Value.expectation + ", " + requirement
            guard let node = document[key] else {
                if let standard { return standard }
                throw Failure(.wrongUsage, "the key '\(key)' is missing", at: [.file(file)], advice: "add it: \(expected)")
            }
            guard let value = Value(ConfigurationContent(content: node.content)), holds(value) else {
                throw Failure(
                    .wrongUsage, "expected \(expected), found \(node.found)", at: node.places(key),
                    advice: "correct the value; docs/ablation.md says more")
            }
            return value
        }
        func distinct<Element: Hashable>(_ list: [Element]) -> Bool { !list.isEmpty && Set(list).count == list.count }
        path = file
        configuration = try value("configuration", default: nil, "the base configuration's path") { !$0.isEmpty }
        ranks = try value("ranks", default: 1, "at least 1") { $0 >= 1 }
        labeledFractions = try value("labeled_fractions", default: [1.0], "above 0, to 1, none twice") {
            distinct($0) && $0.allSatisfy { $0 > 0 && $0 <= 1 }
        }
        seeds = try value("seeds", default: [0], "at least 0, none twice") { distinct($0) && $0.allSatisfy { $0 >= 0 } }
        settings = try Self.settings(document, file: file)
    }

    private static func refuseUnknownKeys(_ document: ConfigurationNode) throws {
        guard case .mapping(let entries) = document.content else { return }
        for entry in entries where !keys.contains(entry.key) {
            let nearest = nearestName(to: entry.key, among: keys)
            let hint = nearest.map { "did you mean '\($0)'?" } ?? "known here: \(keys.joined(separator: ", "))"
            throw Failure(
                .wrongUsage, "unknown key '\(entry.key)'; \(hint)", at: entry.node.places(entry.key),
                advice: "correct or remove the key; docs/ablation.md lists all keys")
        }
    }

    private static func settings(_ document: ConfigurationNode, file: String) throws -> [Setting] {
        guard let node = document["settings"], case .mapping(let entries) = node.content, !entries.isEmpty else {
            throw Failure(
                .wrongUsage, "the grid names no settings", at: document["settings"]?.places("settings") ?? [.file(file)],
                advice: "write 'settings:' and below it a name per line of the table, and below that key.path: value")
        }
        var settings: [Setting] = []
        for entry in entries {
            let place = "settings.\(entry.key)"
            let setting = Setting(name: entry.key, overrides: try overrides(of: entry.node, in: place))
            guard !setting.fileName.isEmpty else {
                throw Failure(
                    .wrongUsage, "the setting's name '\(entry.key)' has no letter or digit", at: entry.node.places(place),
                    advice: "give it a name that files can have too")
            }
            if let twin = settings.first(where: { $0.fileName == setting.fileName }) {
                throw Failure(
                    .wrongUsage, "the settings '\(twin.name)' and '\(entry.key)' would share files named '\(setting.fileName)'",
                    at: entry.node.places(place), advice: "give them names that differ in letters or digits")
            }
            settings.append(setting)
        }
        return settings
    }

    /// What a setting changes.
    private static func overrides(of node: ConfigurationNode, in place: String) throws -> [String] {
        switch node.content {
        case .null: return []
        case .mapping(let keys): return try keys.flatMap { try overrides($0.key, $0.node, in: place) }
        default:
            throw Failure(
                .wrongUsage, "expected keys of the configuration, found \(node.found)", at: node.places(place),
                advice: "write key.path: value below the setting's name, or nothing for the base configuration itself")
        }
    }

    /// A section becomes the keys in it.
    private static func overrides(_ path: String, _ node: ConfigurationNode, in place: String) throws -> [String] {
        if case .mapping(let entries) = node.content { return try entries.flatMap { try overrides("\(path).\($0.key)", $0.node, in: place) } }
        for key in ["data.labeled_fraction", "training.seed"] where key == path {
            throw Failure(
                .wrongUsage, "a setting changes \(key), which the grid itself goes through", at: node.places("\(place).\(path)"),
                advice: "list the values under \(key == "training.seed" ? "seeds" : "labeled_fractions")")
        }
        guard let value = node.content.flow, !value.contains("\t"), !value.contains("\n") else {
            throw Failure(
                .wrongUsage, "expected a value or a list of values, found \(node.found)", at: node.places("\(place).\(path)"),
                advice: "write key.path: value")
        }
        return ["\(path)=\(value)"]
    }
}

extension ConfigurationNode.Content {
    /// The value on one line, as `--set` takes it; nil for sections.
    var flow: String? {
        switch self {
        case .null: return "null"
        case .bool(let value): return value.yaml
        case .integer(let value): return value.yaml
        case .number(let value): return value.yaml
        case .text(let value): return value.yaml
        case .list(let nodes):
            let parts = nodes.map(\.content.flow)
            return parts.contains(nil) ? nil : "[" + parts.compactMap { $0 }.joined(separator: ", ") + "]"
        case .mapping: return nil
        }
    }
}
