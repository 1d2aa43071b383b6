/// Writes `log.jsonl`. A run that continues cuts the log back to the step it continues from.
public final class LogObserver: RunObserver {
    private var log: RunLog?

    public init() {}

    public func runBegins(_ run: RunStart) throws {
        // A run that is done keeps its log as it is.
        guard run.step < run.iterations else { return }
        log = try RunLog(path: run.folder.log, cutBackTo: run.step, isExtended: run.isExtended)
    }
    public func recorded(_ record: StepRecord) throws { try log?.append(record) }
    public func recorded(_ record: any MethodRecord) throws { try log?.append(note: record) }
    public func trainingEnds(step: Int) throws { try log?.close() }
    public func runEnds(_ end: RunEnd) throws { try log?.close() }
}
