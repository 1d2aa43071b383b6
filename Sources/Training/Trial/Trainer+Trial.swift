import Collectives
import Diagnostics
import RunRecords
import Sampling
import TrainingMethods

/// Steps that are looked at and forgotten: nothing is written, no observer is told.
extension Trainer {
    /// A step of a trial.
    struct TrialStep {
        /// The total, the same on all ranks.
        var loss: Double
        /// Of this rank's clock.
        var seconds: Double
        /// Of all shards.
        var rows: Int
    }

    /// Makes the first steps of a stage, whatever was trained before; all ranks together.
    ///
    /// - Parameters:
    ///   - stage: its place among the stages.
    ///   - steps: at most so many, and no more than the stage has.
    ///   - rate: the learning rate of step 0, 1, ...; nil: that of the schedule.
    ///   - body: takes each step; false ends the trial. It must decide by the loss alone, so that all ranks decide alike.
    /// - Throws: `Failure` on all ranks when features cannot be read or the loss is not a number (`hasDiverged`); `.interrupted` after a signal.
    func trial(stage: Int, steps: Int, rate: ((Int) -> Double)? = nil, _ body: (TrialStep) -> Bool) throws {
        let first = stageSteps[stage].lowerBound, count = rate == nil ? min(steps, stageSteps[stage].count) : steps
        try method.beginTrial(stage: stage)
        state.step = first
        let loader = loader(first..<first + count)
        for number in 0..<count {
            let began = Self.now(), scheduled = stages[stage].schedule.rate(at: stages[stage].firstIteration + number)
            Activity.begin(step: state.step + 1)
            let report = try step(loader, stage: stage, learningRate: rate?(number) ?? scheduled)
            let rows = rows(atStep: state.step)
            state.step += 1
            if let signal = report.signal { throw Interruption.failure(signal, "in a trial of \(stages[stage].name)") }
            guard body(TrialStep(loss: report.loss["total"] ?? .nan, seconds: Self.now() - began, rows: rows)) else { return }
        }
    }

    /// What `TrainingMethod.prepare` asks for before the first trial.
    func prepareTrial() throws {
        try method.prepare(
            RunContext(
                store: store, communicator: communicator, shards: shards, state: state, folder: RunFolder(""), observers: observers,
                prefetch: configuration.data.prefetch))
    }

    /// Rows that all shards see at a step.
    private func rows(atStep step: Int) -> Int {
        (0..<shards.count).reduce(0) { sum, shard in
            sum + method.videos(at: StepPosition(step: step, shard: shard)).joined().reduce(0) { $0 + $1.rows.count }
        }
    }

    /// Rows per step of a stage, the mean over at most `most` of its steps; after its `beginTrial`.
    func meanRows(stage: Int, most: Int = 64) -> Double {
        let steps = stageSteps[stage], every = max(1, steps.count / most)
        let counted = stride(from: steps.lowerBound, to: steps.upperBound, by: every).map { rows(atStep: $0) }
        return Double(counted.reduce(0, +)) / Double(max(counted.count, 1))
    }
}
