/// What the operations of this process keep from one call to the next: the memory of tensors, the paper of a rehearsal, weights prepared already.
///
/// All of it belongs to the one thread that owns the tapes. Beside it stand only the settings, `ComputeContext`.
final class TapeContext {
    // Safe: the reference does not change, and what it leads to is used by the thread that owns the tapes alone.
    nonisolated(unsafe) static let current = TapeContext()

    /// Memory of tensors' values and gradients (`BufferPool.shared`).
    let pool = BufferPool()
    /// Whether operations take their buffers on paper and compute nothing (`Rehearsal`).
    var isRehearsing = false
    /// The buffers of the rehearsal that runs.
    var paper = Rehearsal.Paper()
    /// Weights as products read them, by tensor, which lives as long as what is kept of it (`PreparedWeights`).
    var preparedWeights: [ObjectIdentifier: PreparedWeight] = [:]
    /// Depth of `PreparedWeights.keeping`.
    var preparingScopes = 0
}
