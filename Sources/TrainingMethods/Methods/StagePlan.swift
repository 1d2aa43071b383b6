/// The stages of a method, each with what the method does in it.
public struct StagePlan<Phase> {
    public private(set) var stages: [TrainingStage] = []
    public private(set) var phases: [Phase] = []
    /// The steps that the stages begin with, and the run's end.
    public private(set) var firstSteps = [0]

    /// No stages yet; the run ends at step 0.
    public init() {}

    /// Adds a stage at the end.
    public mutating func add(_ stage: TrainingStage, _ phase: Phase) {
        stages.append(stage)
        phases.append(phase)
        firstSteps.append(firstSteps[firstSteps.count - 1] + stage.iterations)
    }

    /// What is done at a step of the run, and the step that it began with; beyond the end as in the last stage.
    public func phase(of step: Int) -> (phase: Phase, first: Int) {
        let stage = phases.indices.last { firstSteps[$0] <= step } ?? 0
        return (phases[stage], firstSteps[stage])
    }
}
