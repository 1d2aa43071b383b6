import Kernels

extension Tape {
    /// Convolution over the cells of maps, stride 1, zeros beyond the border; operands are float32 whatever the precision of products.
    ///
    /// - Parameters:
    ///   - x: [maps * source cells, input].
    ///   - weight: [height * width * input / groups, output].
    ///   - bias: [1, output].
    ///   - shape: sizes, groups, and the cells of x and of the result.
    ///   - relu: negative results become 0.
    /// - Returns: [maps * target cells, output].
    public func mapConvolution(_ x: Tensor, weight: Tensor, bias: Tensor, _ shape: MapConvolution, relu: Bool) -> Tensor {
        precondition(x.rows == shape.maps * shape.source.count && x.columns == shape.input, "\(x.rows) x \(x.columns) cells")
        precondition(weight.rows == shape.height * shape.width * shape.input / shape.groups && weight.columns == shape.output)
        let y = Tensor(rows: shape.maps * shape.target.count, columns: shape.output, requiresGradient: isRecording)
        computing { shape.forward(x.values, weight.values, bias: bias.values, into: y.values, relu: relu) }
        recordLayer(x, weight: weight, bias: bias, y, relu: relu) { dy, dw, add in
            computing { shape.backwardWeight(x.values, dy, into: dw, add: add) }
        } input: { dy, dx, add in
            computing { shape.backwardInput(dy, weight.values, into: dx, add: add) }
        }
        return y
    }

    /// Boundary matching and the convolution over its samples, with ReLU (`BoundaryMatching`); operands are float32 whatever the precision of products.
    ///
    /// - Parameters:
    ///   - x: [maps * scale, input]; its gradient is always computed.
    ///   - weight: [samples * input, output].
    ///   - bias: [1, output].
    ///   - shape: the samples, sizes, and the cells of the result.
    /// - Returns: [maps * target cells, output].
    public func boundaryMatching(_ x: Tensor, weight: Tensor, bias: Tensor, _ shape: BoundaryMatching) -> Tensor {
        precondition(x.rows == shape.maps * shape.mask.map.scale && x.columns == shape.input, "\(x.rows) x \(x.columns) rows")
        precondition(weight.rows == shape.mask.samples * shape.input && weight.columns == shape.output)
        let y = Tensor(rows: shape.maps * shape.target.count, columns: shape.output, requiresGradient: isRecording)
        computing { shape.forward(x.values, weight.values, bias: bias.values, into: y.values) }
        record(leaves: [weight, bias]) {
            guard let dy = y.gradient else { return }
            computing { Activations.reluBackward(dy, y.values, count: y.count, into: dy, add: false) }
            Self.biasGradient(bias, dy, rows: y.rows)
            let (dw, addWeight) = weight.gradientToWrite(), (dx, addInput) = x.gradientToWrite()
            computing { shape.backward(dy, x.values, weight.values, dx: dx, addInput: addInput, dw: dw, addWeight: addWeight) }
        }
        return y
    }
}
