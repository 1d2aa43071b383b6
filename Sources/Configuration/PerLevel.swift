/// One number for all levels of the pyramid, or one for each.
public enum PerLevel: ConfigurationValue, Sendable {
    case all(Int)
    case each([Int])

    public static var expectation: String { "a whole number or a list of whole numbers" }
    public static var typeName: String { "integer or list of integer" }
    /// One whole number, or a list of them; nil: neither.
    public init?(_ content: ConfigurationContent) {
        if let value = Int(content) {
            self = .all(value)
        } else if let values = [Int](content) {
            self = .each(values)
        } else {
            return nil
        }
    }
    public var yaml: String {
        switch self {
        case .all(let value): value.yaml
        case .each(let values): values.yaml
        }
    }
    /// The values for `count` levels, nil when a list of another length was given.
    public func values(levels count: Int) -> [Int]? {
        switch self {
        case .all(let value): Array(repeating: value, count: count)
        case .each(let values): values.count == count ? values : nil
        }
    }
}

extension PerLevel {
    /// Whether every number that is given satisfies a condition.
    public func allSatisfy(_ holds: (Int) -> Bool) -> Bool {
        switch self {
        case .all(let value): holds(value)
        case .each(let values): values.allSatisfy(holds)
        }
    }
}
