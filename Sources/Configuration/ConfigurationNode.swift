import Diagnostics
import Foundation
import Yams

/// A YAML document that keeps the position of every value, so that an error can refer to it.
///
/// Plain scalars are resolved by the YAML 1.2 core schema (null, true, false, whole numbers, numbers, text); anchors and tags are not used.
package struct ConfigurationNode: Equatable {
    package indirect enum Content: Equatable {
        case null
        case bool(Bool)
        case integer(Int)
        case number(Double)
        case text(String)
        case list([ConfigurationNode])
        case mapping([Entry])
    }

    package struct Entry: Equatable {
        package var key: String
        package var node: ConfigurationNode
    }

    /// Where a value was written.
    package enum Source: Equatable {
        case file(String, line: Int?)
        /// `--set KEY.PATH=VALUE` on the command line.
        case option
    }

    package var content: Content
    package var source: Source

    /// Where an error about the key `path` at this node was found.
    package func places(_ path: String) -> [Failure.Place] {
        switch source {
        case .file(let file, let line?): [.file(file), .key(path), .line(line)]
        case .file(let file, nil): [.file(file), .key(path)]
        case .option: [.key("--set \(path)")]
        }
    }

    /// What the value is, in words, for "expected ..., found ...".
    package var found: String {
        switch content {
        case .null: "nothing (null)"
        case .bool(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .text(let value): "the text '\(value)'"
        case .list(let values): values.isEmpty ? "an empty list" : "a list of \(values.count)"
        case .mapping(let entries): entries.isEmpty ? "an empty section" : "a section with the keys \(entries.map(\.key).joined(separator: ", "))"
        }
    }

    package subscript(key: String) -> ConfigurationNode? {
        guard case .mapping(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.node
    }
}

extension ConfigurationNode {
    /// Reads a YAML document.
    ///
    /// - Throws: `Failure` (`.wrongUsage`) with the line when it is not YAML, names a key twice, or is not a mapping.
    package init(yaml: String, file: String) throws {
        let root: Node?
        do {
            root = try Self.compose(yaml, at: [.file(file)])
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Self.failure(error, file: file)
        }
        guard let root else {
            self.init(content: .mapping([]), source: .file(file, line: nil))
            return
        }
        self = try Self.convert(root, Measure(places: [.file(file)])) { .file(file, line: $0) }
        if case .null = content { content = .mapping([]) }
        guard case .mapping = content else {
            throw Failure.wrongUsage(
                "the configuration is not a mapping of sections: found \(found)", at: .file(file),
                advice: "write sections such as 'data:' and 'training:' with their keys indented below them")
        }
    }

    /// Puts the values of `--set key.path=value` in place, later ones over earlier ones.
    package mutating func apply(overrides: [String]) throws {
        for override in overrides {
            let parts = override.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let path = parts[0].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, path.allSatisfy({ !$0.isEmpty }) else {
                throw Failure.wrongUsage(
                    "'\(override)' does not set a key", at: .key("--set"),
                    advice: "write --set SECTION.KEY=VALUE, for example --set training.iterations=100")
            }
            let node: Node?
            do {
                node = try Self.compose(String(parts[1]), at: [.key("--set \(parts[0])")])
            } catch let failure as Failure {
                throw failure
            } catch {
                throw Failure.wrongUsage(
                    "the value '\(parts[1])' is not YAML", at: .key("--set \(parts[0])"), advice: "quote the value, or write a list as [a, b]")
            }
            let measure = Measure(places: [.key("--set \(parts[0])")])
            let value = try node.map { try Self.convert($0, measure) { _ in .option } } ?? ConfigurationNode(content: .null, source: .option)
            set(path[...], to: value)
        }
    }

    private mutating func set(_ path: ArraySlice<String>, to value: ConfigurationNode) {
        guard let key = path.first else {
            self = value
            return
        }
        var entries: [Entry] = []
        if case .mapping(let existing) = content { entries = existing }
        if let index = entries.firstIndex(where: { $0.key == key }) {
            entries[index].node.set(path.dropFirst(), to: value)
        } else {
            var child = ConfigurationNode(content: .mapping([]), source: .option)
            child.set(path.dropFirst(), to: value)
            entries.append(Entry(key: key, node: child))
        }
        content = .mapping(entries)
    }

    private static func convert(_ node: Node, _ measure: Measure, depth: Int = 1, _ source: (Int?) -> Source) throws -> ConfigurationNode {
        try measure.enter(depth: depth)
        let place = source(node.mark?.line)
        switch node {
        case .scalar(let scalar):
            return ConfigurationNode(content: scalar.style == .plain ? resolve(scalar.string) : .text(scalar.string), source: place)
        case .sequence(let sequence):
            return ConfigurationNode(content: .list(try sequence.map { try convert($0, measure, depth: depth + 1, source) }), source: place)
        case .mapping(let mapping):
            let entries = try mapping.map { key, value in
                var child = try convert(value, measure, depth: depth + 1, source)
                // The line of the key: an empty value stands nowhere.
                child.source = source(key.mark?.line)
                return Entry(key: key.scalar?.string ?? "\(key)", node: child)
            }
            return ConfigurationNode(content: .mapping(entries), source: place)
        default:
            throw Failure(
                .wrongUsage, "aliases are not supported", at: ConfigurationNode(content: .null, source: place).places("*"),
                advice: "write the value out in each place")
        }
    }

    /// The core schema's meaning of a scalar written without quotes.
    static func resolve(_ text: String) -> Content {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        case ".inf", "+.inf": return .number(.infinity)
        case "-.inf": return .number(-.infinity)
        case ".nan": return .number(.nan)
        default: break
        }
        if let value = Int(text) { return .integer(value) }
        if text.allSatisfy({ "0123456789+-.eE".contains($0) }), text.contains(where: \.isNumber), let value = Double(text) { return .number(value) }
        return .text(text)
    }

    private static func failure(_ error: any Error, file: String) -> Failure {
        switch error {
        case YamlError.duplicatedKeysInMapping(let duplicates, let context):
            return .wrongUsage(
                "a section names a key twice: \(duplicates.sorted().joined(separator: ", "))", at: .file(file), .line(context.mark.line),
                advice: "keep one of the two")
        case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _),
            YamlError.composer(_, let problem, let mark, _):
            return .wrongUsage(
                "the file is not YAML: \(problem)", at: .file(file), .line(mark.line), advice: "correct the line; sections are indented by spaces")
        default:
            return .wrongUsage("the file is not YAML: \(error)", at: .file(file), advice: "correct the file; sections are indented by spaces")
        }
    }
}

/// The value as JSON.
extension ConfigurationNode.Content: Encodable {
    /// A value in flow style, as `ConfigurationValue.yaml` writes it.
    ///
    /// - Throws: `Failure` (`.wrongUsage`) when it is not YAML.
    package init(flow: String) throws {
        self = try ConfigurationNode(yaml: "value: \(flow)", file: "")["value"]?.content ?? .null
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let nodes): try container.encode(nodes.map(\.content))
        case .mapping(let entries): try container.encode(Dictionary(entries.map { ($0.key, $0.node.content) }) { $1 })
        }
    }
}
