import RunRecords
import TrainingMethods

extension Registry {
    /// What the method of a run that is done has to tell beside its metrics.
    ///
    /// - Throws: `Failure.badInput` when the run's records cannot be read.
    public func measures(of run: AblationRun) throws -> [RunMeasure] {
        try method(named: run.method)?.measures(inFolder: run.folder) ?? []
    }
}
