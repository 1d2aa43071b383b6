/// A stage of a run as its log tells of it.
public struct StageSpan: Equatable, Sendable {
    public var name: String
    /// Steps done before its first line and at its last.
    public var steps: ClosedRange<Int>
    /// Computing and waiting, of rank 0.
    public var seconds: Double
    /// Total loss in its last line.
    public var loss: Double?

    public init(name: String, steps: ClosedRange<Int>, seconds: Double, loss: Double?) {
        self.name = name
        self.steps = steps
        self.seconds = seconds
        self.loss = loss
    }

    /// The stages of a log in their order; lines of version 0.1, which name none, are one stage without a name.
    public static func spans(_ records: [StepRecord]) -> [StageSpan] {
        var spans: [StageSpan] = []
        var reached = 0
        for record in records {
            let name = record.stage ?? "", seconds = record.secondsCompute + record.secondsWaitingData + record.secondsWaitingMPI
            let step = max(reached, record.step)
            if spans.last?.name == name {
                spans[spans.count - 1].steps = spans[spans.count - 1].steps.lowerBound...step
                spans[spans.count - 1].seconds += seconds
                spans[spans.count - 1].loss = record.loss["total"]
            } else {
                spans.append(StageSpan(name: name, steps: reached...step, seconds: seconds, loss: record.loss["total"]))
            }
            reached = step
        }
        return spans
    }
}
