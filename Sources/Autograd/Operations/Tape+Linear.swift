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
        let y = Tensor(rows: x.rows, columns: weight.columns, requiresGradient: isRecording)
        MatrixMultiply.multiply(
            m: x.rows, n: weight.columns, k: x.columns, x.values, lda: x.columns, weight.values, ldb: weight.columns, into: y.values, ldc: y.columns)
        if let bias { Activations.addBias(bias.values, rows: y.rows, channels: y.columns, to: y.values) }
        record(leaves: [weight] + (bias.map { [$0] } ?? [])) {
            guard let dy = y.gradient else { return }
            if let bias { Self.biasGradient(bias, dy, rows: y.rows) }
            let (dw, addWeight) = weight.gradientToWrite()
            MatrixMultiply.multiply(
                m: x.columns, n: y.columns, k: x.rows, x.values, lda: x.columns, transposeA: true, dy, ldb: y.columns, into: dw, ldc: y.columns,
                accumulate: addWeight)
            guard x.requiresGradient else { return }
            let (dx, add) = x.gradientToWrite()
            MatrixMultiply.multiply(
                m: x.rows, n: x.columns, k: y.columns, dy, lda: y.columns, weight.values, ldb: y.columns, transposeB: true, into: dx,
                ldc: x.columns, accumulate: add)
        }
        return y
    }

    static func biasGradient(_ bias: Tensor, _ dy: UnsafePointer<Float>, rows: Int) {
        let (db, add) = bias.gradientToWrite()
        Reductions.columnSums(dy, rows: rows, channels: bias.count, into: db, add: add)
    }

    /// Convolution along time, stride 1, same length; zeros beyond the ends of each sequence.
    ///
    /// - Parameters:
    ///   - x: [rows, input].
    ///   - weight: [kernel * input, output], kernel odd.
    ///   - bias: [1, output] or nil.
    /// - Returns: [rows, output].
    public func convolution(_ x: PackedSequence, weight: Tensor, bias: Tensor?, kernel: Int) -> PackedSequence {
        if kernel == 1 { return x.with(linear(x.tensor, weight: weight, bias: bias)) }
        precondition(kernel * x.columns == weight.rows, "convolution of \(weight.rows / kernel) channels given \(x.columns)")
        let input = x.tensor, offsets = x.offsets, rows = x.rows, width = weight.rows, output = weight.columns
        let y = Tensor(rows: rows, columns: output, requiresGradient: isRecording)
        do {
            let windows = Tensor(rows: rows, columns: width, requiresGradient: false)
            Convolution.gatherWindows(input.values, channels: input.columns, kernel: kernel, offsets: offsets, into: windows.values)
            MatrixMultiply.multiply(
                m: rows, n: output, k: width, windows.values, lda: width, weight.values, ldb: output, into: y.values, ldc: output)
        }
        if let bias { Activations.addBias(bias.values, rows: rows, channels: output, to: y.values) }
        record(leaves: [weight] + (bias.map { [$0] } ?? [])) {
            guard let dy = y.gradient else { return }
            if let bias { Self.biasGradient(bias, dy, rows: rows) }
            // The windows are gathered anew: copying costs less than keeping three times the input.
            let windows = Tensor(rows: rows, columns: width, requiresGradient: false)
            Convolution.gatherWindows(input.values, channels: input.columns, kernel: kernel, offsets: offsets, into: windows.values)
            let (dw, addWeight) = weight.gradientToWrite()
            MatrixMultiply.multiply(
                m: width, n: output, k: rows, windows.values, lda: width, transposeA: true, dy, ldb: output, into: dw, ldc: output,
                accumulate: addWeight)
            guard input.requiresGradient else { return }
            MatrixMultiply.multiply(
                m: rows, n: width, k: output, dy, lda: output, weight.values, ldb: output, transposeB: true, into: windows.values, ldc: width)
            let (dx, add) = input.gradientToWrite()
            Convolution.scatterWindows(windows.values, channels: input.columns, kernel: kernel, offsets: offsets, into: dx, add: add)
        }
        return x.with(y)
    }

    /// Convolution along time with one filter per channel.
    ///
    /// - Parameters:
    ///   - weight: [kernel, channels], kernel odd.
    ///   - bias: [1, channels] or nil.
    /// - Returns: sequences of ceil(length / stride) rows.
    public func depthwiseConvolution(_ x: PackedSequence, weight: Tensor, bias: Tensor? = nil, stride: Int) -> PackedSequence {
        precondition(x.columns == weight.columns, "depthwise convolution of \(weight.columns) channels given \(x.columns)")
        let input = x.tensor, offsets = x.offsets, kernel = weight.rows, channels = x.columns
        let outputOffsets = stride == 1 ? offsets : stridedOffsets(offsets, stride: stride)
        let y = Tensor(rows: outputOffsets[outputOffsets.count - 1], columns: channels, requiresGradient: isRecording)
        DepthwiseConvolution.forward(
            input.values, channels: channels, weight.values, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputOffsets,
            into: y.values)
        if let bias { Activations.addBias(bias.values, rows: y.rows, channels: channels, to: y.values) }
        record(leaves: [weight] + (bias.map { [$0] } ?? [])) {
            guard let dy = y.gradient else { return }
            if let bias { Self.biasGradient(bias, dy, rows: y.rows) }
            let (dw, addWeight) = weight.gradientToWrite()
            DepthwiseConvolution.backwardWeight(
                input.values, dy, channels: channels, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputOffsets, into: dw,
                add: addWeight)
            guard input.requiresGradient else { return }
            let (dx, add) = input.gradientToWrite()
            DepthwiseConvolution.backwardInput(
                dy, channels: channels, weight.values, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputOffsets, into: dx,
                add: add)
        }
        return PackedSequence(y, offsets: outputOffsets)
    }
}
