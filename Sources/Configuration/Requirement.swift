/// What a value must satisfy besides its type.
public struct Requirement<Value>: Sendable {
    /// "at least 1", for messages.
    public let text: String
    public let holds: @Sendable (Value) -> Bool
    /// `text` says in messages what is expected, `holds` whether a value satisfies it.
    public init(_ text: String, _ holds: @escaping @Sendable (Value) -> Bool) {
        self.text = text
        self.holds = holds
    }
}

extension Requirement where Value: Comparable & Sendable {
    /// The bound or more.
    public static func atLeast(_ bound: Value) -> Requirement { Requirement("at least \(bound)") { $0 >= bound } }
    /// More than the bound.
    public static func above(_ bound: Value) -> Requirement { Requirement("above \(bound)") { $0 > bound } }
    /// In the range, its ends included.
    public static func within(_ range: ClosedRange<Value>) -> Requirement {
        Requirement("from \(range.lowerBound) to \(range.upperBound)") { range.contains($0) }
    }
    /// 0 alone is left out of the range.
    public static func upTo(_ bound: Value, above low: Value) -> Requirement {
        Requirement("above \(low) and at most \(bound)") { $0 > low && $0 <= bound }
    }
    /// From `low`, and less than the bound.
    public static func below(_ bound: Value, atLeast low: Value) -> Requirement {
        Requirement("at least \(low) and below \(bound)") { $0 >= low && $0 < bound }
    }
    /// nil, or a value that satisfies the requirement.
    public var orNull: Requirement<Value?> { Requirement<Value?>(text) { $0.map(self.holds) ?? true } }
}
