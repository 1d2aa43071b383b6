import Detectors

/// What a method holds in memory beside the detector's weights, gradients and moments.
public struct MemoryDemand: Sendable {
    /// From beginning to end.
    public var parts: [MemoryEstimate.Part]
    /// Stage by stage.
    public var phases: [MemoryEstimate.Phase]
    /// Phases that are nil are left out: `MemoryPlanner` gives nil for what cannot be rehearsed.
    public init(parts: [MemoryEstimate.Part] = [], phases: [MemoryEstimate.Phase?] = []) {
        self.parts = parts
        self.phases = phases.compactMap { $0 }
    }
}

extension TrainingMethod {
    /// Nothing is known.
    public func memoryDemand(_ planner: MemoryPlanner) -> MemoryDemand { MemoryDemand() }
    /// nil: `localizer` is the detector, whose demand is known.
    public func localizerDemand(_ planner: MemoryPlanner, evaluated: [Int]) -> MemoryEstimate.Phase? { nil }
}
