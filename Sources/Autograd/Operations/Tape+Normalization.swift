import Kernels

extension Tape {
    /// Layer norm over the channels of each row, optionally followed by ReLU in the same pass.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - weight, bias: [1, channels].
    public func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor, relu: Bool = false) -> Tensor {
        precondition(x.columns == weight.count, "layer norm of \(weight.count) channels given \(x.columns)")
        let y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: isRecording)
        let statistics = Tensor(rows: x.rows, columns: 2, requiresGradient: false)
        LayerNorm.forward(
            x.values, rows: x.rows, channels: x.columns, weight.values, bias.values, relu: relu, into: y.values, statistics: statistics.values)
        record(leaves: [weight, bias]) {
            guard let dy = y.gradient else { return }
            let (dWeight, addWeight) = weight.gradientToWrite()
            let (dBias, addBias) = bias.gradientToWrite()
            precondition(addWeight == addBias, "weight and bias of a norm are used together")
            let dx = x.requiresGradient ? x.gradientToWrite() : nil
            LayerNorm.backward(
                dy, x.values, y.values, statistics: statistics.values, rows: x.rows, channels: x.columns, weight.values, relu: relu,
                dx: dx?.pointer, addInput: dx?.add ?? false, dWeight: dWeight, dBias: dBias, addWeight: addWeight)
        }
        return y
    }
}
