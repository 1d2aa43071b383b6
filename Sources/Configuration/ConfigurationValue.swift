import Foundation

/// A Swift value that a configuration key can hold.
public protocol ConfigurationValue: Equatable {
    /// "a whole number", for messages.
    static var expectation: String { get }
    /// "integer", for documentation.
    static var typeName: String { get }
    /// The names that may be given; nil when the values are no list of names.
    static var choices: [String]? { get }
    /// nil when the value is of another kind.
    init?(_ content: ConfigurationContent)
    /// The value in canonical YAML (flow style).
    var yaml: String { get }
}

extension ConfigurationValue {
    public static var choices: [String]? { nil }
}

/// A value as it stands in the file, opaque to other targets.
public struct ConfigurationContent {
    package let content: ConfigurationNode.Content
    package init(content: ConfigurationNode.Content) { self.content = content }
}

extension Int: ConfigurationValue {
    public static var expectation: String { "a whole number" }
    public static var typeName: String { "integer" }
    /// nil: the content is no whole number.
    public init?(_ content: ConfigurationContent) {
        guard case .integer(let value) = content.content else { return nil }
        self = value
    }
    public var yaml: String { "\(self)" }
}

extension Double: ConfigurationValue {
    public static var expectation: String { "a number" }
    public static var typeName: String { "number" }
    /// A whole number or a fraction; nil: neither.
    public init?(_ content: ConfigurationContent) {
        switch content.content {
        case .integer(let value): self = Double(value)
        case .number(let value): self = value
        default: return nil
        }
    }
    /// Shortest digits that give the same number back; always with a point, which YAML 1.1 readers need before an exponent.
    public var yaml: String {
        if self == .infinity { return ".inf" }
        if self == -.infinity { return "-.inf" }
        if isNaN { return ".nan" }
        let text = "\(self)"
        guard let exponent = text.firstIndex(of: "e"), !text[..<exponent].contains(".") else { return text }
        return text[..<exponent] + ".0" + text[exponent...]
    }
}

extension Float: ConfigurationValue {
    public static var expectation: String { Double.expectation }
    public static var typeName: String { Double.typeName }
    /// As a `Double`, rounded to the nearest; nil: no number.
    public init?(_ content: ConfigurationContent) {
        guard let value = Double(content) else { return nil }
        self = Float(value)
    }
    /// Shortest digits that give the same number back, written as a `Double` of these digits is.
    public var yaml: String { (Double("\(self)") ?? Double(self)).yaml }
}

extension Bool: ConfigurationValue {
    public static var expectation: String { "true or false" }
    public static var typeName: String { "boolean" }
    /// nil: neither `true` nor `false`.
    public init?(_ content: ConfigurationContent) {
        guard case .bool(let value) = content.content else { return nil }
        self = value
    }
    public var yaml: String { "\(self)" }
}

extension String: ConfigurationValue {
    public static var expectation: String { "text" }
    public static var typeName: String { "string" }
    /// nil: the content is no text; a number without quotes is none.
    public init?(_ content: ConfigurationContent) {
        guard case .text(let value) = content.content else { return nil }
        self = value
    }
    /// Without quotes where that is unmistakable, otherwise in double quotes.
    public var yaml: String {
        let plain = unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || "0123456789_./-".unicodeScalars.contains($0)) }
        let first = unicodeScalars.first.map { $0.properties.isAlphabetic || $0 == "." || $0 == "/" } ?? false
        let words = ["yes", "no", "on", "off", "y", "n"]
        if plain, first, !words.contains(lowercased()), ConfigurationNode.resolve(self) == .text(self) { return self }
        var quoted = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            default:
                if scalar.value < 32 { quoted += String(format: "\\x%02x", scalar.value) } else { quoted.unicodeScalars.append(scalar) }
            }
        }
        return quoted + "\""
    }
}

extension Optional: ConfigurationValue where Wrapped: ConfigurationValue {
    public static var expectation: String { Wrapped.expectation + " or null" }
    public static var typeName: String { Wrapped.typeName + " or null" }
    public static var choices: [String]? { Wrapped.choices }
    /// `null`, or a value of the wrapped type; nil: neither.
    public init?(_ content: ConfigurationContent) {
        if case .null = content.content {
            self = Self.none
        } else if let value = Wrapped(content) {
            self = Self.some(value)
        } else {
            return nil
        }
    }
    public var yaml: String { map(\.yaml) ?? "null" }
}

extension Array: ConfigurationValue where Element: ConfigurationValue {
    public static var expectation: String { "a list, each \(Element.expectation)" }
    public static var typeName: String { "list of \(Element.typeName)" }
    /// nil: no list, or an element of another type.
    public init?(_ content: ConfigurationContent) {
        guard case .list(let nodes) = content.content else { return nil }
        var values: [Element] = []
        for node in nodes {
            guard let value = Element(ConfigurationContent(content: node.content)) else { return nil }
            values.append(value)
        }
        self = values
    }
    public var yaml: String { "[" + map(\.yaml).joined(separator: ", ") + "]" }
}

/// A value chosen from a few names.
public protocol ConfigurationChoice: ConfigurationValue, CaseIterable, RawRepresentable where RawValue == String {}

extension ConfigurationChoice {
    public static var expectation: String { "one of " + allCases.map(\.rawValue).joined(separator: ", ") }
    public static var typeName: String { "choice" }
    public static var choices: [String]? { allCases.map(\.rawValue) }
    /// The case whose raw value the text is; nil: none.
    public init?(_ content: ConfigurationContent) {
        guard case .text(let value) = content.content else { return nil }
        self.init(rawValue: value)
    }
    public var yaml: String { rawValue.yaml }
}
