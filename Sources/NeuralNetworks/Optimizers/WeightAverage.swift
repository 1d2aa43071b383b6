import Autograd

/// An exponential moving average of the weights, begun at the weights themselves: `e = decay e + (1 - decay) w` after every step (the published
/// `ModelEma`).
/// `AdamW.update` moves it within its own pass.
public final class WeightAverage {
    /// In [0, 1); nearer to 1 averages over more steps.
    public let decay: Double
    /// In the arena's order.
    public let values: UnsafeMutablePointer<Float>
    private let arena: ParameterArena

    /// Begins with a copy of the arena's weights; `decay` is in [0, 1).
    public init(_ arena: ParameterArena, decay: Double) {
        self.arena = arena
        self.decay = decay
        values = ParameterArena.makeArray(arena.count)
        values.update(from: arena.values, count: arena.count)
    }

    deinit { UnsafeMutableRawPointer(values).deallocate() }

    /// Restarts from the current weights.
    public func reset() { values.update(from: arena.values, count: arena.count) }

    /// Runs `body` with the averaged weights in the model's place, then puts the current ones back.
    ///
    /// - Throws: whatever `body` throws.
    public func withAveragedWeights<Result>(_ body: () throws -> Result) rethrows -> Result {
        exchange()
        defer { exchange() }
        return try body()
    }

    private func exchange() {
        PreparedWeights.forget()
        for i in 0..<arena.count { swap(&arena.values[i], &values[i]) }
    }
}
