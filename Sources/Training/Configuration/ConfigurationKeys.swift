import Diagnostics

/// A part of the configuration: a struct that lists its keys once, for reading, writing and documentation alike.
public protocol ConfigurationSection: Equatable, Sendable {
    /// Every key at its default.
    init()
    /// Names every key, its place in the struct and what its value must satisfy.
    mutating func visit(_ keys: ConfigurationKeys) throws
}

/// What a value must satisfy besides its type.
public struct Requirement<Value> {
    /// "at least 1", for messages.
    public let text: String
    public let holds: (Value) -> Bool
    public init(_ text: String, _ holds: @escaping (Value) -> Bool) {
        self.text = text
        self.holds = holds
    }
}

extension Requirement where Value: Comparable {
    public static func atLeast(_ bound: Value) -> Requirement { Requirement("at least \(bound)") { $0 >= bound } }
    public static func above(_ bound: Value) -> Requirement { Requirement("above \(bound)") { $0 > bound } }
    public static func within(_ range: ClosedRange<Value>) -> Requirement {
        Requirement("from \(range.lowerBound) to \(range.upperBound)") { range.contains($0) }
    }
    /// 0 alone is left out of the range.
    public static func upTo(_ bound: Value, above low: Value) -> Requirement {
        Requirement("above \(low) and at most \(bound)") { $0 > low && $0 <= bound }
    }
    public static func below(_ bound: Value, atLeast low: Value) -> Requirement {
        Requirement("at least \(low) and below \(bound)") { $0 >= low && $0 < bound }
    }
    /// nil, or a value that satisfies the requirement.
    public var orNull: Requirement<Value?> { Requirement<Value?>(text) { $0.map(self.holds) ?? true } }
}

/// Keys that were set, not left at their defaults: no part of what a configuration says, so all are equal.
struct WrittenKeys: Equatable, Sendable {
    private let names: Set<String>
    init(_ names: Set<String> = []) { self.names = names }
    func contains(_ key: String) -> Bool { names.contains(key) }
    static func == (a: WrittenKeys, b: WrittenKeys) -> Bool { true }
}

/// Walks the keys of a configuration: reads them from a document, or lists them with their values.
public final class ConfigurationKeys {
    /// One key with its value in canonical YAML.
    public struct Line: Equatable, Sendable {
        public let path: [String]
        public let value: String
        public var key: String { path.joined(separator: ".") }
    }

    private let document: ConfigurationNode?
    private var prefix: [String] = []
    private var known: [String] = []
    private var sections: [(path: [String], known: [String])] = []
    /// Keys that are unknown for a reason, by their full name.
    private var explained: [String: (what: String, advice: String)] = [:]
    /// Every key in order of visit, with the value it has after reading.
    public private(set) var lines: [Line] = []
    /// Keys that the document sets, by their full names.
    private(set) var written: Set<String> = []

    /// - Parameter document: nil lists the values as they are.
    init(document: ConfigurationNode?) { self.document = document }

    private func node(at path: [String]) -> ConfigurationNode? {
        path.reduce(document) { node, key in node?[key] }
    }

    /// Visits the keys of a section one level down.
    public func section(_ name: String, _ section: inout some ConfigurationSection) throws {
        known.append(name)
        let outer = known
        prefix.append(name)
        known = []
        if let node = node(at: prefix) {
            switch node.content {
            case .mapping, .null: break
            default:
                throw Failure(
                    .wrongUsage, "expected a section of keys, found \(node.found)", at: node.places(prefix.joined(separator: ".")),
                    advice: "indent the section's keys below its name")
            }
        }
        try section.visit(self)
        sections.append((prefix, known))
        prefix.removeLast()
        known = outer
    }

    /// Visits one key.
    ///
    /// - Throws: `Failure` (`.wrongUsage`) with the key, what was found and what is expected.
    public func value<Value: ConfigurationValue>(_ key: String, _ value: inout Value, _ requirement: Requirement<Value>? = nil) throws {
        known.append(key)
        let path = prefix + [key]
        if let node = node(at: path) {
            let expected = Value.expectation + (requirement.map { ", \($0.text)" } ?? "")
            guard let read = Value(ConfigurationContent(content: node.content)), requirement?.holds(read) ?? true else {
                throw Failure(
                    .wrongUsage, "expected \(expected), found \(node.found)", at: node.places(path.joined(separator: ".")),
                    advice: "correct the value, or leave the key out for its default \(value.yaml)")
            }
            value = read
            written.insert(path.joined(separator: "."))
        }
        lines.append(Line(path: path, value: value.yaml))
    }

    /// Says why a key of this section, which would be known otherwise, is not.
    public func explain(_ key: String, _ what: String, advice: String) {
        explained[(prefix + [key]).joined(separator: ".")] = (what, advice)
    }

    /// Where a key was set, for checks that look at several keys.
    func places(of path: String) -> [Failure.Place] {
        let parts = path.split(separator: ".").map(String.init)
        if let node = node(at: parts) { return node.places(path) }
        if case .file(let file, _)? = document?.source { return [.file(file), .key(path)] }
        return [.key(path)]
    }

    /// Refuses keys that nobody asked for.
    func refuseUnknownKeys() throws {
        for (path, known) in sections + [([], known)] {
            guard let node = path.isEmpty ? document : node(at: path), case .mapping(let entries) = node.content else { continue }
            for entry in entries where !known.contains(entry.key) {
                let full = (path + [entry.key]).joined(separator: ".")
                if let (what, advice) = explained[full] { throw Failure(.wrongUsage, what, at: entry.node.places(full), advice: advice) }
                var hint = "; known here: \(known.joined(separator: ", "))"
                if let nearest = nearestName(to: entry.key, among: known) {
                    hint = "; did you mean '\((path + [nearest]).joined(separator: "."))'?"
                } else if let elsewhere = lines.first(where: { $0.path.last == entry.key }) {
                    hint = "; did you mean '\(elsewhere.key)'?"
                }
                throw Failure(
                    .wrongUsage, "unknown key '\(entry.key)'\(hint)", at: entry.node.places(full),
                    advice: "correct or remove the key; docs/configuration.md lists all keys")
            }
        }
    }
}
