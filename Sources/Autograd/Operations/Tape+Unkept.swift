import Kernels

/// Linear layers of what is cheap to compute again: the layer's operand is not kept for backward, in float32.
///
/// Backward computes the operand's gradient first, then, in the pass that takes it further to x, the operand itself in the gradient's place, and last
/// the weight's gradient. It costs one more write of the operand; the bits are those of two operations one after the other.
extension Tape {
    /// y = norm(x) W + b, the norm being `layerNorm` with weight `scale` and bias `shift`, each [1, input].
    ///
    /// - Parameters:
    ///   - x: [rows, input].
    ///   - scale: the norm's weight.
    ///   - shift: the norm's bias.
    ///   - weight: [input, output].
    ///   - bias: [1, output] or nil.
    /// - Returns: [rows, output].
    public func linearOfLayerNorm(_ x: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
        guard ComputeContext.current.precision == .float32, x.requiresGradient else {
            return linear(layerNorm(x, weight: scale, bias: shift, onlyForProducts: true), weight: weight, bias: bias)
        }
        precondition(x.columns == scale.count, "layer norm of \(scale.count) channels given \(x.columns)")
        let operand = Tensor(rows: x.rows, columns: x.columns, requiresGradient: false)
        let statistics = Tensor(rows: x.rows, columns: 2, requiresGradient: false)
        computing {
            LayerNorm.forward(
                x.values, rows: x.rows, channels: x.columns, scale.values, shift.values, relu: false, into: operand.values,
                statistics: statistics.values)
        }
        return linearOfUnkeptNorm(operand, of: x, statistics: statistics, scale: scale, shift: shift, weight: weight, bias: bias)
    }

    /// The linear layer of a norm that has been computed.
    ///
    /// - Parameters:
    ///   - operand: norm(x), [rows, input].
    ///   - x: [rows, input].
    ///   - statistics: [rows, 2], what the norm has kept.
    func linearOfUnkeptNorm(
        _ operand: Tensor, of x: Tensor, statistics: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, bias: Tensor?
    ) -> Tensor {
        precondition(x.columns == weight.rows, "linear layer of input \(weight.rows) given \(x.columns) channels")
        let shape = Convolution(input: weight.rows, output: weight.columns, kernel: 1, offsets: [0, x.rows])
        let y = Tensor(rows: x.rows, columns: shape.output, requiresGradient: isRecording)
        computing { shape.forward(operand.values, weight.values, bias: bias?.values, into: y.values) }
        recordUnkeptNorm(of: x, statistics: statistics, scale: scale, shift: shift, weight: weight, bias: bias, y)
        return y
    }

    /// Records the backward of y = norm(x) W + b.
    func recordUnkeptNorm(
        of x: Tensor, statistics: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, bias: Tensor?, _ y: Tensor
    ) {
        recordUnkept(y, weight: weight, bias: bias, leaves: [scale, shift]) { operand in
            let (dScale, addScale) = scale.gradientToWrite()
            let (dShift, addShift) = shift.gradientToWrite()
            precondition(addScale == addShift, "weight and bias of a norm are used together")
            let (dx, add) = x.gradientToWrite()
            computing {
                LayerNorm.backward(
                    operand, x.values, nil, statistics: statistics.values, rows: x.rows, channels: x.columns, scale.values, dx: dx, addInput: add,
                    dWeight: dScale, dBias: dShift, addWeight: addScale, result: (rows: operand, bias: UnsafePointer(shift.values)))
            }
        }
    }

    /// Records the backward of y = GELU(x) W + b.
    func recordUnkeptGELU(of x: Tensor, weight: Tensor, bias: Tensor?, _ y: Tensor) {
        recordUnkept(y, weight: weight, bias: bias, leaves: []) { operand in
            let (dx, add) = x.gradientToWrite()
            computing { Activations.geluBackward(replacing: operand, x.values, count: x.count, into: dx, add: add) }
        }
    }

    /// - Parameters:
    ///   - y: of an operand [rows, input].
    ///   - leaves: parameters that `backward` adds gradients to.
    ///   - backward: given the operand's gradient, adds that of x and leaves the operand in its place.
    private func recordUnkept(
        _ y: Tensor, weight: Tensor, bias: Tensor?, leaves: [Tensor], backward: @escaping (UnsafeMutablePointer<Float>) -> Void
    ) {
        let shape = Convolution(input: weight.rows, output: weight.columns, kernel: 1, offsets: [0, y.rows])
        record(leaves: leaves + [weight] + (bias.map { [$0] } ?? [])) {
            guard let dy = y.gradient else { return }
            if let bias { Self.biasGradient(bias, dy, rows: y.rows) }
            let operand = Tensor(rows: y.rows, columns: shape.input, requiresGradient: false)
            computing { shape.backwardInput(dy, weight.values, into: operand.values, add: false) }
            backward(operand.values)
            let (dw, add) = weight.gradientToWrite()
            computing { shape.backwardWeight(operand.values, dy, into: dw, add: add) }
        }
    }
}
