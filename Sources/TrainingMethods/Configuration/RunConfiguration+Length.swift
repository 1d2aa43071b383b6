import NeuralNetworks

extension RunConfiguration {
    /// Iterations of the run, warm-up included.
    public func iterations(perEpoch: Int) -> Int {
        training.iterations ?? (training.epochs ?? 0) * perEpoch
    }

    /// Iterations of the warm-up.
    public func warmupIterations(perEpoch: Int) -> Int {
        training.warmupIterations ?? (training.warmupEpochs ?? 0) * perEpoch
    }

    /// The learning rate per iteration, as the published code schedules it (`LearningRateSchedule`).
    public func learningRateSchedule(iterationsPerEpoch: Int) -> LearningRateSchedule {
        let warmup = warmupIterations(perEpoch: iterationsPerEpoch)
        let unit = training.epochs != nil ? iterationsPerEpoch : 1
        let shape: LearningRateSchedule.Shape =
            switch training.schedule {
            case .cosine:
                .cosine(iterations: iterations(perEpoch: iterationsPerEpoch), minimum: warmup > 0 ? LearningRateSchedule.publishedMinimum : 0)
            case .multistep: .multistep(steps: training.scheduleSteps.map { $0 * unit }, factor: training.scheduleGamma)
            case .constant: .constant
            }
        return LearningRateSchedule(base: training.learningRate, warmupIterations: warmup, shape: shape)
    }
}
