/// A part of the configuration: a struct that lists its keys once, for reading, writing and documentation alike.
public protocol ConfigurationSection: Equatable, Sendable {
    /// Every key at its default.
    init()
    /// Names every key, its place in the struct and what its value must satisfy.
    mutating func visit(_ keys: ConfigurationKeys) throws
}

extension ConfigurationSection {
    /// Every key of a section at its default, in order of visit.
    public static var defaultLines: [ConfigurationKeys.Line] { Self().lines }

    /// Every key with its value, in order of visit.
    public var lines: [ConfigurationKeys.Line] {
        let keys = ConfigurationKeys()
        var copy = self
        // Listing reads nothing, so nothing can be refused.
        try? copy.visit(keys)
        return keys.lines
    }
}
