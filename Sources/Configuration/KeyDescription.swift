/// What is documented of a key.
public struct KeyDescription: Equatable, Sendable {
    /// Section and key.
    public let path: [String]
    /// "integer", "list of numbers or null"; "choice" for one of a few names.
    public let type: String
    /// The default in canonical YAML.
    public let defaultValue: String
    /// The names of a choice; nil for other types.
    public let choices: [String]?
    /// What values must satisfy: "from 1 to 4096"; nil: any of the type will do.
    public let bounds: String?
    /// What a number counts or is measured in: "rows"; nil without one.
    public let unit: String?
    /// What the key decides: a phrase, Markdown with links relative to docs/.
    public let meaning: String

    /// "section.key".
    public var key: String { path.joined(separator: ".") }

    /// Which values may be given, for the user: the choices, or bounds with large numbers as powers ("from 1 to 2^20"); nil: any of the type.
    public var values: String? {
        if let choices { return choices.joined(separator: ", ") }
        if type == Bool.typeName { return "true, false" }
        guard let bounds else { return nil }
        let powers = ["1048576": "2^20", "1073741824": "2^30", "1000000": "10^6", "1000000000": "10^9"]
        let text = bounds.hasPrefix("which ") ? bounds.dropFirst(6) : bounds[...]
        return text.split(separator: " ", omittingEmptySubsequences: false).map { word in
            let digits = word.prefix { $0.isNumber || $0 == "." || $0 == "-" }, rest = word.dropFirst(digits.count)
            guard !digits.isEmpty, rest.allSatisfy({ ",]".contains($0) }) else { return String(word) }
            let plain = digits.hasSuffix(".0") ? String(digits.dropLast(2)) : String(digits)
            return (powers[plain] ?? plain) + rest
        }.joined(separator: " ")
    }
}
