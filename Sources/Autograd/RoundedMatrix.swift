import Kernels

/// A matrix in bfloat16, its memory from the `BufferPool`.
final class RoundedMatrix {
    private let storage: Tensor

    init(count: Int) { storage = Tensor(rows: 1, columns: (count + 1) / 2, requiresGradient: false) }

    /// x [rows, columns] in the layout that a convolution's products ask for.
    convenience init(_ x: UnsafePointer<Float>, _ layout: BFloat16Layout) {
        self.init(count: layout.count)
        layout.convert(x, into: values)
    }

    /// The memory lasts as long as the object: to be used within `withExtendedLifetime`.
    var values: UnsafeMutablePointer<BFloat16> { UnsafeMutableRawPointer(storage.values).assumingMemoryBound(to: BFloat16.self) }
}

/// Weights rounded to bfloat16: anew for every use, or once for all uses within `keeping`.
public enum RoundedWeights {
    nonisolated(unsafe) private static var kept: [UnsafeMutablePointer<Float>: RoundedMatrix] = [:]
    nonisolated(unsafe) private static var scopes = 0

    /// Runs `body`, in which weights change only where `forget` is called.
    public static func keeping<Result>(_ body: () throws -> Result) rethrows -> Result {
        scopes += 1
        defer {
            scopes -= 1
            if scopes == 0 { forget() }
        }
        return try body()
    }

    /// To be called by what changes weights.
    public static func forget() {
        if !kept.isEmpty { kept.removeAll() }
    }

    static func of(_ weight: Tensor) -> RoundedMatrix {
        if let rounded = kept[weight.values] { return rounded }
        let rounded = RoundedMatrix(count: weight.count)
        convertToBFloat16(weight.values, count: weight.count, into: rounded.values)
        if scopes > 0 { kept[weight.values] = rounded }
        return rounded
    }
}
