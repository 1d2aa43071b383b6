import TrainingMethods

extension SupervisedMethod {
    public func memoryDemand(_ planner: MemoryPlanner) -> MemoryDemand {
        let perStep = planner.configuration.data.batchSize / planner.shards.count
        return MemoryDemand(phases: [planner.training("training", groups: [planner.longestBatch(labeled, perStep: perStep)])])
    }
}
