import Kernels

/// A matrix in bfloat16, its memory from the `BufferPool`.
final class RoundedMatrix {
    private let storage: Tensor

    init(count: Int) { storage = Tensor(rows: 1, columns: (count + 1) / 2, requiresGradient: false) }

    /// x [rows, columns] in the layout that a convolution's products ask for.
    convenience init(_ x: UnsafePointer<Float>, _ layout: BFloat16Layout) {
        self.init(count: layout.count)
        if !Rehearsal.isRunning { layout.convert(x, into: values) }
    }

    /// The memory lasts as long as the object: to be used within `withExtendedLifetime`.
    var values: UnsafeMutablePointer<BFloat16> { UnsafeMutableRawPointer(storage.values).assumingMemoryBound(to: BFloat16.self) }
}

/// Weights rounded to bfloat16, in the orders in which products read them.
final class RoundedWeight {
    private let weight: Tensor
    private var plain: RoundedMatrix?
    private var packedForward: RoundedMatrix?
    private var packedBackward: RoundedMatrix?

    fileprivate init(_ weight: Tensor) { self.weight = weight }

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

/// Weights rounded to bfloat16: for every use, or once for all uses within `keeping`.
public enum RoundedWeights {
    /// Runs `body`, in which weights change only where `forget` is called.
    ///
    /// - Throws: whatever `body` throws.
    public static func keeping<Result>(_ body: () throws -> Result) rethrows -> Result {
        let context = TapeContext.current
        context.roundingScopes += 1
        defer {
            context.roundingScopes -= 1
            if context.roundingScopes == 0 { forget() }
        }
        return try body()
    }

    /// To be called by what changes weights.
    public static func forget() {
        let context = TapeContext.current
        if !context.roundedWeights.isEmpty { context.roundedWeights.removeAll() }
    }

    static func of(_ weight: Tensor) -> RoundedWeight {
        let context = TapeContext.current
        if let rounded = context.roundedWeights[ObjectIdentifier(weight)] { return rounded }
        let rounded = RoundedWeight(weight)
        if context.roundingScopes > 0 { context.roundedWeights[ObjectIdentifier(weight)] = rounded }
        return rounded
    }
}
