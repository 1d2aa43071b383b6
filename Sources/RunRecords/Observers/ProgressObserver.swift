import Diagnostics
import Foundation

/// Shows on standard error how far the training has come.
public final class ProgressObserver: RunObserver {
    private var run: RunStart?
    private var bar: ProgressBar?
    private var stage = ""
    private let makeBar: (_ total: Int, _ done: Int) -> ProgressBar

    /// - Parameter makeBar: for tests, which look at what is written.
    public init(makeBar: @escaping (_ total: Int, _ done: Int) -> ProgressBar = { ProgressBar("training", total: $0, done: $1) }) {
        self.makeBar = makeBar
    }

    public func runBegins(_ run: RunStart) throws { self.run = run }
    // Rate and time left count from here: what comes before is no training.
    public func stageBegins(_ stage: RunStage, step: Int) throws {
        self.stage = run.map { $0.stages.count > 1 } ?? false ? "\(stage.name), " : ""
        guard bar == nil, let run else { return }
        bar = makeBar(run.iterations, step)
    }
    public func stepEnds(_ step: StepEnd) throws {
        bar?.update(step.step, detail: stage + String(format: "loss %.4f", step.loss["total"] ?? .nan))
    }
    public func trainingEnds(step: Int) throws {
        bar?.finish(step)
        bar = nil
    }
}
