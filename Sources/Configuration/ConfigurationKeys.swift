import Diagnostics

/// Walks the keys of a configuration: reads them from a document, or lists them with their values.
public final class ConfigurationKeys {
    /// One key with its value in canonical YAML.
    public struct Line: Equatable, Sendable {
        /// From the outermost section to the key.
        public let path: [String]
        /// Canonical YAML, in flow style.
        public let value: String
        /// "section.key".
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
    /// What is documented of every key, in order of visit; values stand in it for defaults.
    public private(set) var descriptions: [KeyDescription] = []
    /// Keys that the document sets, by their full names.
    package private(set) var written: Set<String> = []

    /// - Parameter document: what is read.
    package init(document: ConfigurationNode) { self.document = document }

    /// Lists the values as they are.
    public init() { document = nil }

    /// False: the keys are listed with the values that they have.
    public var isReading: Bool { document != nil }

    private func node(at path: [String]) -> ConfigurationNode? {
        path.reduce(document) { node, key in node?[key] }
    }

    /// Visits the keys of a section one level down.
    ///
    /// - Throws: `Failure` (`.wrongUsage`) when it is no section, or has an unknown key or a wrong value.
    public func section(_ name: String, _ section: inout some ConfigurationSection) throws {
        try self.section(name) { try section.visit(self) }
    }

    /// Visits the keys of a section one level down.
    ///
    /// - Parameters:
    ///   - name: the section's key.
    ///   - visit: names the section's keys.
    /// - Throws: `Failure` (`.wrongUsage`) when it is no section, or has an unknown key; whatever `visit` throws.
    public func section(_ name: String, _ visit: () throws -> Void) throws {
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
        try visit()
        sections.append((prefix, known))
        prefix.removeLast()
        known = outer
    }

    /// Visits one key.
    ///
    /// - Parameters:
    ///   - key: its name in the section.
    ///   - value: its place in the struct.
    ///   - requirement: what the value must satisfy besides its type.
    ///   - unit: what a number counts or is measured in.
    ///   - meaning: what the key decides: a phrase, Markdown with links relative to docs/.
    /// - Throws: `Failure` (`.wrongUsage`) with the key, what was found and what is expected.
    public func value<Value: ConfigurationValue>(
        _ key: String, _ value: inout Value, _ requirement: Requirement<Value>? = nil, unit: String? = nil, meaning: String
    ) throws {
        let expected = Value.expectation + (requirement.map { ", \($0.text)" } ?? "")
        try visit(key, &value, expected: expected) { requirement?.holds($0) ?? true }
        descriptions.append(
            KeyDescription(
                path: prefix + [key], type: Value.typeName, defaultValue: value.yaml, choices: Value.choices, bounds: requirement?.text, unit: unit,
                meaning: meaning))
    }

    /// Visits one key whose value is one of several names that are known when the program runs.
    ///
    /// - Throws: as `value`.
    public func choice(_ key: String, _ name: inout String, among names: [String], meaning: String) throws {
        try visit(key, &name, expected: "one of " + names.joined(separator: ", "), names.contains)
        descriptions.append(
            KeyDescription(path: prefix + [key], type: "choice", defaultValue: name, choices: names, bounds: nil, unit: nil, meaning: meaning))
    }

    private func visit<Value: ConfigurationValue>(
        _ key: String, _ value: inout Value, expected: String, _ holds: (Value) -> Bool
    ) throws {
        known.append(key)
        let path = prefix + [key]
        if let node = node(at: path) {
            guard let read = Value(ConfigurationContent(content: node.content)), holds(read) else {
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

    /// The error of a check that looks at several keys.
    ///
    /// - Parameters:
    ///   - what: what is wrong.
    ///   - path: the full name of the key that is at fault.
    ///   - advice: what to do.
    public func refusal(_ what: String, at path: String, advice: String) -> Failure {
        Failure(.wrongUsage, what, at: places(of: path), advice: advice)
    }

    /// Where a key was set, for checks that look at several keys.
    private func places(of path: String) -> [Failure.Place] {
        let parts = path.split(separator: ".").map(String.init)
        if let node = node(at: parts) { return node.places(path) }
        if case .file(let file, _)? = document?.source { return [.file(file), .key(path)] }
        return [.key(path)]
    }

    /// Refuses keys that nobody asked for.
    package func refuseUnknownKeys() throws {
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
