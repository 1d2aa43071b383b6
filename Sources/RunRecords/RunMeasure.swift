/// A number that a run has beside its metrics (the quality of its pseudo-labels), as a fraction.
public struct RunMeasure: Codable, Equatable, Sendable {
    public var name: String
    public var value: Double
    public init(name: String, value: Double) {
        self.name = name
        self.value = value
    }
}
