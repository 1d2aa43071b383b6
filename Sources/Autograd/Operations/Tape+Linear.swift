import Kernels

extension Tape {
    /// y = x W + b.
    ///
    /// - Parameters:
    ///   - x: [rows, input].
    ///   - weight: [input, output].
    ///   - bias: [1, output] or nil.
    /// - Returns: [rows, output].
    public func linear(_ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
        precondition(x.columns == weight.rows, "linear layer of input \(weight.rows) given \(x.columns) channels")
        return product(x, weight: weight, bias: bias, Convolution(input: x.columns, output: weight.columns, kernel: 1, offsets: [0, x.rows]))
    }

    static func biasGradient(_ bias: Tensor, _ dy: UnsafePointer<Float>, rows: Int) {
        let (db, add) = bias.gradientToWrite()
        computing { Reductions.columnSums(dy, rows: rows, channels: bias.count, into: db, add: add) }
    }

    /// Convolution along time, stride 1, same length; zeros beyond the ends of each sequence.
    ///
    /// - Parameters:
    ///   - x: [rows, input].
    ///   - weight: [kernel * input, output], kernel odd.
    ///   - bias: [1, output] or nil.
    ///   - kernel: rows of the kernel, odd.
    /// - Returns: [rows, output].
    public func convolution(_ x: PackedSequence, weight: Tensor, bias: Tensor?, kernel: Int) -> PackedSequence {
        precondition(kernel * x.columns == weight.rows, "convolution of \(weight.rows / kernel) channels given \(x.columns)")
        let shape = Convolution(input: x.columns, output: weight.columns, kernel: kernel, offsets: x.offsets)
        return x.with(product(x.tensor, weight: weight, bias: bias, shape))
    }

    /// Operands are rounded as `ComputeContext.current.precision` says when this is called.
    private func product(_ x: Tensor, weight: Tensor, bias: Tensor?, _ shape: Convolution) -> Tensor {
        switch ComputeContext.current.precision {
        case .float32:
            if ComputeContext.current.convolution == .winograd, let filter = MinimalFiltering(shape) {
                return filteredProduct(x, weight: weight, bias: bias, shape, filter)
            }
            return exactProduct(x, weight: weight, bias: bias, shape)
        case .bfloat16: return roundedProduct(x, weight: weight, bias: bias, shape)
        }
    }

    private func exactProduct(_ x: Tensor, weight: Tensor, bias: Tensor?, _ shape: Convolution) -> Tensor {
        let y = Tensor(rows: x.rows, columns: shape.output, requiresGradient: isRecording), weights = read(weight)
        computing { shape.forward(x.values, weights.values, rowsApart: weights.columns, bias: bias?.values, into: y.values) }
        recordProduct(x, weight: weight, bias: bias, shape, y)
        return y
    }

    /// A weight as a float32 product of this tape reads it.
    func read(_ weight: Tensor) -> Tensor { isOfInference ? PreparedWeights.of(weight).forInference() : weight }

    /// Records the backward of y = x W + b.
    func recordProduct(_ x: Tensor, weight: Tensor, bias: Tensor?, _ shape: Convolution, _ y: Tensor) {
        recordLayer(x, weight: weight, bias: bias, y) { dy, dw, add in
            computing { shape.backwardWeight(x.values, dy, into: dw, add: add) }
        } input: { dy, dx, add in
            computing { shape.backwardInput(dy, weight.values, into: dx, add: add) }
        }
    }

    /// The same by minimal filtering.
    private func filteredProduct(_ x: Tensor, weight: Tensor, bias: Tensor?, _ shape: Convolution, _ filter: MinimalFiltering) -> Tensor {
        func room(_ count: Int) -> Tensor { Tensor(rows: 1, columns: count, requiresGradient: false) }
        let y = Tensor(rows: x.rows, columns: shape.output, requiresGradient: isRecording)
        guard !(isOfInference && PreparedWeights.isKeeping) else {
            let kept = PreparedWeights.of(weight).transformed(by: filter)
            computing { filter.forward(x.values, transformed: kept.values, bias: bias?.values, into: y.values) }
            return y
        }
        let scratch = room(filter.weightScratchCount)
        computing { filter.forward(x.values, weight.values, scratch: scratch.values, bias: bias?.values, into: y.values) }
        recordLayer(x, weight: weight, bias: bias, y) { dy, dw, add in
            let scratch = room(filter.gradientScratchCount)
            computing { filter.backwardWeight(x.values, dy, scratch: scratch.values, into: dw, add: add) }
        } input: { dy, dx, add in
            let scratch = room(filter.weightScratchCount)
            computing { filter.backwardInput(dy, weight.values, scratch: scratch.values, into: dx, add: add) }
        }
        return y
    }

    /// What computes a gradient of a layer from dy, and adds it to what is there or stores it.
    typealias LayerGradient = (_ dy: UnsafeMutablePointer<Float>, _ gradient: UnsafeMutablePointer<Float>, _ add: Bool) -> Void

    /// Records the backward of a layer y = f(x W + b), f being ReLU or nothing: the gradients of b, of W, and of x where it wants one.
    func recordLayer(
        _ x: Tensor, weight: Tensor, bias: Tensor?, _ y: Tensor, relu: Bool = false, weight weightGradient: @escaping LayerGradient,
        input inputGradient: @escaping LayerGradient
    ) {
        record(leaves: [weight] + (bias.map { [$0] } ?? [])) {
            guard let dy = y.gradient else { return }
            if relu { computing { Activations.reluBackward(dy, y.values, count: y.count, into: dy, add: false) } }
            if let bias { Self.biasGradient(bias, dy, rows: y.rows) }
            let (dw, addWeight) = weight.gradientToWrite()
            weightGradient(dy, dw, addWeight)
            guard x.requiresGradient else { return }
            let (dx, add) = x.gradientToWrite()
            inputGradient(dy, dx, add)
        }
    }

    /// Backward uses the operands as they were rounded in forward.
    private func roundedProduct(_ x: Tensor, weight: Tensor, bias: Tensor?, _ shape: Convolution) -> Tensor {
        let y = Tensor(rows: x.rows, columns: shape.output, requiresGradient: isRecording)
        precondition(x.rounded == nil || shape.kernel == 1, "a result in bfloat16 is laid out for linear layers")
        let input = x.rounded ?? RoundedMatrix(x.values, shape.inputLayout), rounded = PreparedWeights.of(weight)
        let forwardWeights = rounded.forward(shape, backwardFollows: isRecording)
        computing {
            withExtendedLifetime((input, forwardWeights)) {
                shape.forward(input.values, forwardWeights.values, bias: bias?.values, into: y.values)
            }
        }
        record(leaves: [weight] + (bias.map { [$0] } ?? [])) {
            guard let dy = y.gradient else { return }
            let gradient = RoundedMatrix(count: shape.outputLayout.count)
            if let bias {
                let (db, add) = bias.gradientToWrite()
                computing { shape.outputLayout.convert(dy, into: gradient.values, sums: db, add: add) }
            } else {
                computing { shape.outputLayout.convert(dy, into: gradient.values) }
            }
            let (dw, addWeight) = weight.gradientToWrite()
            withExtendedLifetime((gradient, input)) {
                computing { shape.backwardWeight(input.values, gradient.values, into: dw, add: addWeight) }
                guard x.requiresGradient else { return }
                let (dx, add) = x.gradientToWrite(), weights = rounded.backward(shape)
                computing { withExtendedLifetime(weights) { shape.backwardInput(gradient.values, weights.values, into: dx, add: add) } }
            }
        }
        return y
    }

    /// Convolution along time with one filter per channel.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - weight: [kernel, channels], kernel odd.
    ///   - bias: [1, channels] or nil.
    ///   - stride: rows from one result to the next.
    /// - Returns: sequences of ceil(length / stride) rows.
    public func depthwiseConvolution(_ x: PackedSequence, weight: Tensor, bias: Tensor? = nil, stride: Int) -> PackedSequence {
        precondition(x.columns == weight.columns, "depthwise convolution of \(weight.columns) channels given \(x.columns)")
        let y = strided(x, stride: stride), input = x.tensor, result = y.tensor, channels = x.columns
        computing {
            DepthwiseConvolution.forward(
                input.values, channels: channels, weight.values, kernel: weight.rows, stride: stride, offsets: x.offsets,
                outputOffsets: y.offsets, into: result.values)
        }
        computing { if let bias { Activations.addBias(bias.values, rows: result.rows, channels: channels, to: result.values) } }
        recordDepthwiseConvolution(x, y, weight: weight, bias: bias, stride: stride)
        return y
    }

    /// Undefined values in the place of x: sequences of ceil(length / stride) rows.
    func strided(_ x: PackedSequence, stride: Int) -> PackedSequence {
        let offsets = stride == 1 ? x.offsets : stridedOffsets(x.offsets, stride: stride)
        return PackedSequence(
            Tensor(rows: offsets[offsets.count - 1], columns: x.columns, requiresGradient: isRecording), offsets: offsets)
    }

    /// Records the backward of y = depthwise(x).
    func recordDepthwiseConvolution(_ x: PackedSequence, _ y: PackedSequence, weight: Tensor, bias: Tensor? = nil, stride: Int) {
        let input = x.tensor, result = y.tensor, offsets = x.offsets, outputOffsets = y.offsets, kernel = weight.rows, channels = x.columns
        record(leaves: [weight] + (bias.map { [$0] } ?? [])) {
            guard let dy = result.gradient else { return }
            if let bias { Self.biasGradient(bias, dy, rows: result.rows) }
            let (dw, addWeight) = weight.gradientToWrite()
            computing {
                DepthwiseConvolution.backwardWeight(
                    input.values, dy, channels: channels, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputOffsets, into: dw,
                    add: addWeight)
            }
            guard input.requiresGradient else { return }
            let (dx, add) = input.gradientToWrite()
            computing {
                DepthwiseConvolution.backwardInput(
                    dy, channels: channels, weight.values, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputOffsets, into: dx,
                    add: add)
            }
        }
    }
}
