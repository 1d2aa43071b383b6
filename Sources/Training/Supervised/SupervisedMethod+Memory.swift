import TrainingMethods

extension SupervisedMethod {
    /// One phase: a step on the longest recordings that a shard may get.
    public func memoryDemand(_ planner: MemoryPlanner) -> MemoryDemand {
        let perStep = planner.configuration.data.batchSize / planner.shards.count
        return MemoryDemand(phases: [
            planner.training(
                "training", groups: [planner.longestBatch(labeled, perStep: perStep)], copies: mixing.copies,
                parts: planner.configuration.training.tuning.accumulate)
        ])
    }
}
