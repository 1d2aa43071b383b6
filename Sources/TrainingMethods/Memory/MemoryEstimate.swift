import Diagnostics

/// The memory that one rank of a run will need, computed from shapes before any of it is allocated.
public struct MemoryEstimate: Codable, Equatable, Sendable {
    /// Held from beginning to end.
    public struct Part: Codable, Equatable, Sendable {
        public var name: String
        public var bytes: Int
        /// `name` stands in messages: "the generator's moments".
        public init(_ name: String, bytes: Int) {
            self.name = name
            self.bytes = bytes
        }
    }

    /// Held for a while; phases come one after another, so the largest counts.
    public struct Phase: Codable, Equatable, Sendable {
        /// "training: 2 recordings of up to 2304 rows".
        public var name: String
        public var bytes: Int
        /// Whether its size is that of the data, not of the configuration.
        public var comesFromData: Bool
        /// The recording that makes it so large, where one does.
        public var video: String?
        /// The configuration key that makes it smaller; nil: none does.
        public var key: String?
        public var advice: String

        /// `key` is the configuration key that makes the phase smaller, nil for none; `advice` is an imperative without a full stop.
        public init(_ name: String, bytes: Int, comesFromData: Bool = false, video: String? = nil, key: String?, advice: String) {
            self.name = name
            self.bytes = bytes
            self.comesFromData = comesFromData
            self.video = video
            self.key = key
            self.advice = advice
        }
    }

    public var parts: [Part]
    public var phases: [Phase]
    /// The store.
    public var file: String?
    /// What makes the parts large.
    public var modelKeys: [String]

    /// The sum of `parts` and the largest of `phases`; `modelKeys` are full names of keys.
    public init(parts: [Part] = [], phases: [Phase] = [], file: String? = nil, modelKeys: [String] = []) {
        self.modelKeys = modelKeys
        self.parts = parts
        self.phases = phases
        self.file = file
    }

    /// Of what a benchmark makes: so many elements of a type, several times.
    ///
    /// - Parameters:
    ///   - type: of the elements.
    ///   - counts: sizes of a copy; their product is its elements.
    ///   - copies: how often.
    ///   - name: what they are, for the user.
    ///   - key: the option that makes them so many.
    public static func elements<Element>(_ type: Element.Type, counts: [Int], copies: Int, name: String, key: String) -> MemoryEstimate {
        let bytes = counts.reduce(product(copies, MemoryLayout<Element>.stride)) { product($0, $1) }
        return MemoryEstimate(phases: [Phase(name, bytes: bytes, key: key, advice: "lower \(key)")])
    }

    public var largestPhase: Phase? { phases.max { $0.bytes < $1.bytes } }

    /// The most bytes at once.
    public var total: Int { Self.sum(parts.map(\.bytes) + [largestPhase?.bytes ?? 0]) }

    /// "training ... 300.0 MiB, the program 48.0 MiB, weights 12.0 MiB".
    package var text: String {
        let held = parts.filter { $0.bytes >= 1 << 16 }.map { "\($0.name) \(CheckedMemory.text(bytes: $0.bytes))" }
        let peak = largestPhase.map { ["\($0.name) \(CheckedMemory.text(bytes: $0.bytes))"] } ?? []
        return (peak + held).joined(separator: ", ")
    }

    /// A sum that stays at the largest number instead of overflowing.
    public static func sum(_ numbers: [Int]) -> Int {
        numbers.reduce(0) { total, next in
            let (sum, overflow) = total.addingReportingOverflow(next)
            return overflow ? Int.max : sum
        }
    }

    /// A product that stays at the largest number instead of overflowing.
    public static func product(_ factors: Int...) -> Int {
        factors.reduce(1) { total, next in
            let (product, overflow) = total.multipliedReportingOverflow(by: next)
            return overflow ? Int.max : product
        }
    }
}
