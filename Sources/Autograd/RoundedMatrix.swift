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
