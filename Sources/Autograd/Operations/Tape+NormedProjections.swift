import Kernels

/// Several linear layers, each of a norm of a depthwise convolution of the same rows: queries, keys and values.
extension Tape {
    /// Parameters of linear(norm(depthwise(x))).
    public struct NormedProjection {
        package let filter: Tensor
        package let scale: Tensor
        package let shift: Tensor
        package let weight: Tensor
        package let bias: Tensor?

        /// - Parameters:
        ///   - filter: of the convolution, [kernel, channels], kernel odd and the same for all layers.
        ///   - scale: the norm's weight, [1, channels].
        ///   - shift: the norm's bias, [1, channels].
        ///   - weight: of the linear layer, [channels, output].
        ///   - bias: its bias, [1, output], or nil.
        public init(filter: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, bias: Tensor?) {
            (self.filter, self.scale, self.shift, self.weight, self.bias) = (filter, scale, shift, weight, bias)
        }
    }

    /// What a layer's forward pass leaves for its product and for backward.
    private struct Normed {
        /// Nil where there is no backward.
        var convolved: PackedSequence?
        let normed: Tensor
        let statistics: Tensor
    }

    /// norm(depthwise(x)) W + b for each of several layers; convolutions and norms are computed in one pass over x. Bits and gradients are those of
    /// `depthwiseConvolution`, `layerNorm` and `linear` one after the other.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - stride: rows from one result to the next.
    ///   - layers: the parameters.
    /// - Returns: for each layer [outputs, output], sequences of ceil(length / stride) rows.
    public func normedProjections(of x: PackedSequence, stride: Int, _ layers: [NormedProjection]) -> [PackedSequence] {
        let offsets = stride == 1 ? x.offsets : stridedOffsets(x.offsets, stride: stride)
        // The last is taken first: its operand's memory is free after its product.
        var waiting = Array(normed(x, stride: stride, offsets: offsets, layers).reversed())
        return layers.map { layer in
            let one = waiting.removeLast()
            let y: Tensor
            if let convolved = one.convolved {
                recordDepthwiseConvolution(x, convolved, weight: layer.filter, stride: stride)
                if one.normed.rounded == nil {
                    y = linearOfUnkeptNorm(
                        one.normed, of: convolved.tensor, statistics: one.statistics, scale: layer.scale, shift: layer.shift, weight: layer.weight,
                        bias: layer.bias)
                } else {
                    recordLayerNorm(convolved.tensor, one.normed, statistics: one.statistics, weight: layer.scale, bias: layer.shift)
                    y = linear(one.normed, weight: layer.weight, bias: layer.bias)
                }
            } else {
                y = linear(one.normed, weight: layer.weight, bias: layer.bias)
            }
            return PackedSequence(y, offsets: offsets)
        }
    }

    /// Convolutions and norms of all layers.
    private func normed(_ x: PackedSequence, stride: Int, offsets: [Int], _ layers: [NormedProjection]) -> [Normed] {
        let rows = offsets[offsets.count - 1], channels = x.columns, kernel = layers[0].filter.rows
        let rounds = ComputeContext.current.precision == .bfloat16
        var results = layers.map { layer in
            precondition(layer.filter.rows == kernel && layer.filter.columns == channels, "filters of \(kernel) x \(channels)")
            precondition(layer.scale.count == channels, "layer norm of \(layer.scale.count) channels given \(channels)")
            return Normed(
                // Without backward the norm takes the convolution's place, but for one that is rounded.
                convolved: isRecording || rounds ? strided(x, stride: stride) : nil,
                normed: rounds
                    ? Tensor(roundedRows: rows, columns: channels, requiresGradient: isRecording)
                    : Tensor(rows: rows, columns: channels, requiresGradient: false),
                statistics: Tensor(rows: rows, columns: 2, requiresGradient: false))
        }
        func branches<Result>(_ place: (Normed) -> UnsafeMutablePointer<Result>) -> [NormedDepthwise.Branch<Result>] {
            zip(layers, results).map { layer, one in
                NormedDepthwise.Branch(
                    filter: layer.filter.values, scale: layer.scale.values, shift: layer.shift.values,
                    convolved: (one.convolved?.tensor ?? one.normed).values, normed: place(one), statistics: one.statistics.values)
            }
        }
        computing {
            if rounds {
                NormedDepthwise.forward(
                    x.tensor.values, channels: channels, kernel: kernel, stride: stride, offsets: x.offsets, outputOffsets: offsets,
                    branches { $0.normed.rounded!.values })
            } else {
                NormedDepthwise.forward(
                    x.tensor.values, channels: channels, kernel: kernel, stride: stride, offsets: x.offsets, outputOffsets: offsets,
                    branches { $0.normed.values })
            }
        }
        if !isRecording { for place in results.indices { results[place].convolved = nil } }
        return results
    }
}
