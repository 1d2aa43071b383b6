import Kernels

extension Tape {
    /// Weight and bias of a linear layer, [input, output] and [1, output].
    public typealias LinearLayer = (weight: Tensor, bias: Tensor)

    /// GELU(n W1 + b1) W2 + b2, n being x or `layerNorm(x)`: the two linear layers of a block. In float32 it passes over the rows once, and backward
    /// computes the operands of the products again. Bits and gradients are those of the operations one after the other.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - norm: weight and bias of the norm, each [1, channels]; nil: none.
    ///   - expand: W1 [channels, hidden] and b1.
    ///   - contract: W2 [hidden, channels] and b2.
    /// - Returns: [rows, channels].
    public func feedForward(
        _ x: Tensor, norm: (scale: Tensor, shift: Tensor)? = nil, expand: LinearLayer, contract: LinearLayer
    ) -> Tensor {
        guard ComputeContext.current.precision == .float32, x.requiresGradient || !isRecording else {
            let operand = norm.map { layerNorm(x, weight: $0.scale, bias: $0.shift, onlyForProducts: true) } ?? x
            let hidden = linear(operand, weight: expand.weight, bias: expand.bias)
            return linear(gelu(hidden, onlyForProducts: true), weight: contract.weight, bias: contract.bias)
        }
        let channels = x.columns, hidden = expand.weight.columns
        precondition(
            expand.weight.rows == channels && contract.weight.rows == hidden && contract.weight.columns == channels,
            "layers of \(expand.weight.rows), \(contract.weight.rows) and \(contract.weight.columns) given \(channels) channels")
        let kept = isRecording ? Tensor(rows: x.rows, columns: hidden, requiresGradient: true) : nil
        let statistics = norm.map { _ in Tensor(rows: x.rows, columns: 2, requiresGradient: false) }
        let y = Tensor(rows: x.rows, columns: channels, requiresGradient: isRecording)
        feedForward(x, norm: norm, statistics, expand: expand, contract: contract, keeping: kept, into: y)
        guard let kept else { return y }
        if let norm, let statistics {
            recordUnkeptNorm(
                of: x, statistics: statistics, scale: norm.scale, shift: norm.shift, weight: expand.weight, bias: expand.bias, kept)
        } else {
            let shape = Convolution(input: channels, output: hidden, kernel: 1, offsets: [0, x.rows])
            recordProduct(x, weight: expand.weight, bias: expand.bias, shape, kept)
        }
        recordUnkeptGELU(of: kept, weight: contract.weight, bias: contract.bias, y)
        return y
    }

    private func feedForward(
        _ x: Tensor, norm: (scale: Tensor, shift: Tensor)?, _ statistics: Tensor?, expand: LinearLayer, contract: LinearLayer,
        keeping kept: Tensor?, into y: Tensor
    ) {
        let rows = FeedForwardRows(rows: x.rows, channels: x.columns, hidden: expand.weight.columns)
        let scratch = Tensor(rows: 1, columns: rows.scratchCount, requiresGradient: false)
        let first = read(expand.weight), second = read(contract.weight)
        computing {
            rows.forward(
                x.values,
                norm: norm.flatMap { norm in
                    statistics.map { .init(scale: norm.scale.values, shift: norm.shift.values, statistics: $0.values) }
                },
                expand: .init(weight: first.values, rowsApart: first.columns, bias: expand.bias.values),
                contract: .init(weight: second.values, rowsApart: second.columns, bias: contract.bias.values),
                keeping: kept?.values, scratch: scratch.values, into: y.values)
        }
    }
}
