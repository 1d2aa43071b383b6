/// Numbers by name, in the order in which they are written: `{"backbone.*": 0.1, "neck.*": 0.5}`.
public struct NamedNumbers: ConfigurationValue, Sendable {
    /// A name with its number.
    public struct Entry: Equatable, Sendable {
        public var name: String
        public var value: Double

        public init(_ name: String, _ value: Double) {
            self.name = name
            self.value = value
        }
    }

    /// No two have one name.
    public var entries: [Entry]

    /// - Parameter entries: in their order; no two have one name.
    public init(_ entries: [Entry] = []) { self.entries = entries }

    public static var expectation: String { "a mapping of names to numbers" }
    public static var typeName: String { "mapping of name to number" }
    /// nil: no mapping, or a value that is no number.
    public init?(_ content: ConfigurationContent) {
        guard case .mapping(let nodes) = content.content else { return nil }
        entries = []
        for node in nodes {
            guard let value = Double(ConfigurationContent(content: node.node.content)) else { return nil }
            entries.append(Entry(node.key, value))
        }
    }
    public var yaml: String { "{" + entries.map { "\($0.name.yaml): \($0.value.yaml)" }.joined(separator: ", ") + "}" }

    public var names: [String] { entries.map(\.name) }
    public var values: [Double] { entries.map(\.value) }
}
