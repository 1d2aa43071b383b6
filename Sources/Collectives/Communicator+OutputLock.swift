import Diagnostics

extension Communicator {
    /// Locks an output for this job: rank 0 holds the lock, and every rank may write there. All ranks together.
    ///
    /// - Throws: `Failure` (`.failed`) on all ranks when another job holds the lock.
    public func lock(_ output: OutputLock.Output) throws -> OutputLock {
        guard size > 1 else { return try OutputLock(output) }
        let own = try throwTogether { isRoot ? try OutputLock(output) : nil }
        let token = try broadcast(OutputLock.ownToken)
        return own ?? OutputLock(heldElsewhere: output, token: token)
    }
}
