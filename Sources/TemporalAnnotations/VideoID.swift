/// The name of one recording, as the annotation file spells it.
public struct VideoID: Hashable, Comparable, Codable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    public let name: String
    /// The name as the annotation file spells it; case counts.
    public init(_ name: String) { self.name = name }
    /// As `init(_:)`.
    public init(stringLiteral value: String) { name = value }
    /// From a plain string, not from an object with a member.
    ///
    /// - Throws: `DecodingError` for anything but a string.
    public init(from decoder: any Decoder) throws { name = try decoder.singleValueContainer().decode(String.self) }
    /// Writes the name as a plain string.
    ///
    /// - Throws: whatever the encoder throws.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(name)
    }
    public var description: String { name }
    /// By the Unicode values of the names, whatever the language.
    public static func < (a: VideoID, b: VideoID) -> Bool { a.name < b.name }
}
