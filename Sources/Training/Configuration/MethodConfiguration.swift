/// Section `method`: what is learnt from.
public struct MethodConfiguration: ConfigurationSection {
    public enum Name: String, ConfigurationChoice, Sendable { case supervised, apl, fustal }
    public var name = Name.supervised
    public init() {}
    public mutating func visit(_ keys: ConfigurationKeys) throws { try keys.value("name", &name) }
}
