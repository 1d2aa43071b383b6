import Kernels

/// A weight in the forms in which products read it: rounded to bfloat16 and packed, or in float32 with rows further apart.
final class PreparedWeight {
    private let weight: Tensor
    private var spread: Tensor?
    private var transformed: Tensor?
    private var plain: RoundedMatrix?
    private var packedForward: RoundedMatrix?
    private var packedBackward: RoundedMatrix?

    fileprivate init(_ weight: Tensor) { self.weight = weight }

    /// The weight for float32 products that do not change it: itself, or a copy where its rows would crowd the cache.
    func forInference() -> Tensor {
        let stride = MatrixMultiply.rowsApart(ofKeptWeights: weight.columns)
        guard stride != weight.columns else { return weight }
        if let spread { return spread }
        let copy = Tensor(rows: weight.rows, columns: stride, requiresGradient: false)
        if !Rehearsal.isRunning { MatrixMultiply.spread(weight.values, rows: weight.rows, columns: weight.columns, into: copy.values) }
        spread = copy
        return copy
    }

    /// The weight transformed for minimal filtering.
    func transformed(by filter: MinimalFiltering) -> Tensor {
        if let transformed { return transformed }
        let result = Tensor(rows: 1, columns: filter.keptWeightCount, requiresGradient: false)
        if !Rehearsal.isRunning { filter.transform(weight.values, into: result.values) }
        transformed = result
        return result
    }

    private func rounded() -> RoundedMatrix {
        if let plain { return plain }
        let result = RoundedMatrix(count: weight.count)
        if !Rehearsal.isRunning { convertToBFloat16(weight.values, count: weight.count, into: result.values) }
        return result
    }

    private func packed(_ order: PackedWeights, keepsPlain: Bool) -> RoundedMatrix {
        let source = rounded(), result = RoundedMatrix(count: order.count)
        if !Rehearsal.isRunning { withExtendedLifetime(source) { order.pack(source.values, into: result.values) } }
        plain = keepsPlain ? source : nil
        return result
    }

    /// - Parameter backwardFollows: what is rounded now will be packed once more.
    func forward(_ shape: Convolution, backwardFollows: Bool) -> RoundedMatrix {
        if packedForward == nil { packedForward = packed(shape.forwardWeights, keepsPlain: backwardFollows) }
        return packedForward!
    }

    func backward(_ shape: Convolution) -> RoundedMatrix {
        guard let order = shape.backwardWeights else {
            plain = rounded()
            return plain!
        }
        if packedBackward == nil { packedBackward = packed(order, keepsPlain: false) }
        return packedBackward!
    }
}

/// Weights in the forms in which products read them: made for every use, or once for all uses within `keeping`.
public enum PreparedWeights {
    /// Runs `body`, in which weights change only where `forget` is called.
    ///
    /// - Throws: whatever `body` throws.
    public static func keeping<Result>(_ body: () throws -> Result) rethrows -> Result {
        let context = TapeContext.current
        context.preparingScopes += 1
        defer {
            context.preparingScopes -= 1
            if context.preparingScopes == 0 { forget() }
        }
        return try body()
    }

    /// Whether what is prepared is kept for the next use.
    static var isKeeping: Bool { TapeContext.current.preparingScopes > 0 }

    /// To be called by what changes weights.
    public static func forget() {
        let context = TapeContext.current
        if !context.preparedWeights.isEmpty { context.preparedWeights.removeAll() }
    }

    static func of(_ weight: Tensor) -> PreparedWeight {
        let context = TapeContext.current
        if let prepared = context.preparedWeights[ObjectIdentifier(weight)] { return prepared }
        let prepared = PreparedWeight(weight)
        if isKeeping { context.preparedWeights[ObjectIdentifier(weight)] = prepared }
        return prepared
    }
}
