import COneDNN
import Synchronization

/// The weights of a convolution in bfloat16, in the order in which oneDNN's products read them, so that nothing is repacked per product.
///
/// Threads divide a matrix: each packs some rows of its first dimension, as far as the library's order can be split there. Nothing in it changes, and
/// oneDNN runs one primitive on several threads at once.
public final class PackedWeights: @unchecked Sendable {
    /// Neighbouring rows of a matrix, in both orders, and what moves them.
    private struct Part {
        let plain: OneDNN.Descriptor, packed: OneDNN.Descriptor
        let primitive: dnnl_primitive_t
    }

    private let parts: [Part]
    private let matrices: Int
    private let plainCount: Int
    /// BFloat16 elements from a matrix to the next.
    let matrixCount: Int
    /// BFloat16 elements of all.
    public var count: Int { matrices * matrixCount }

    private struct Key: Hashable {
        let shape: BFloat16Product.Shape
        let matrices: Int
    }

    private static let kept = Mutex<[Key: PackedWeights]>([:])

    /// Weights as the products of `shape` read them whatever its rows. To be called from the thread that starts the kernels.
    ///
    /// - Parameters:
    ///   - sizes: of a matrix as `convertToBFloat16` leaves it, `strides` its elements from one index to the next.
    ///   - matrices: one per tap, or 1: all taps in one.
    static func of(_ shape: BFloat16Product.Shape, sizes: [Int], strides: [Int], matrices: Int) -> PackedWeights {
        let key = Key(shape: shape, matrices: matrices)
        if let order = kept.withLock({ $0[key] }) { return order }
        let plain = OneDNN.Descriptor(sizes, strides: strides, dnnl_bf16)
        let order = PackedWeights(plain, sizes, as: BFloat16Product.weightsOrder(shape), matrices: matrices)
        kept.withLock { $0[key] = order }
        return order
    }

    private init(_ plain: OneDNN.Descriptor, _ sizes: [Int], as packed: OneDNN.Descriptor, matrices: Int) {
        self.matrices = matrices
        plainCount = sizes.reduce(1, *)
        // A cache line's multiple, so that every matrix begins on one.
        matrixCount = (packed.bytes + 63) / 64 * 32
        OneDNN.useOneThread()
        parts = Self.cut(plain, packed, sizes).map { Part(plain: $0, packed: $1, primitive: Self.reorder($0, $1)) }
    }

    deinit {
        for part in parts { dnnl_primitive_destroy(part.primitive) }
    }

    /// Rows of a part: a multiple of the blocks in which the library lays rows together.
    private static let rowsOfPart = 64

    /// Both orders cut alike; whole where the library's order cannot be cut.
    private static func cut(
        _ plain: OneDNN.Descriptor, _ packed: OneDNN.Descriptor, _ sizes: [Int]
    ) -> [(OneDNN.Descriptor, OneDNN.Descriptor)] {
        var result: [(OneDNN.Descriptor, OneDNN.Descriptor)] = []
        for begin in stride(from: 0, to: sizes[0], by: rowsOfPart) {
            let range = begin..<min(sizes[0], begin + rowsOfPart)
            guard let plainPart = plain.rows(range, of: sizes), let packedPart = packed.rows(range, of: sizes) else { return [(plain, packed)] }
            result.append((plainPart, packedPart))
        }
        return result
    }

    private static func reorder(_ plain: OneDNN.Descriptor, _ packed: OneDNN.Descriptor) -> dnnl_primitive_t {
        let plan = OneDNN.reordering(plain, packed)
        defer { dnnl_primitive_desc_destroy(plan) }
        var primitive: dnnl_primitive_t?
        OneDNN.check(dnnl_primitive_create(&primitive, plan), "make the packing of weights")
        return primitive!
    }

    /// Packs w [kernel, input, output] into `result` of `count` elements. To be called from the thread that starts the kernels.
    public func pack(_ w: UnsafePointer<BFloat16>, into result: UnsafeMutablePointer<BFloat16>) {
        KernelCounter.count(.conversion, operations: 0, bytes: 4 * matrices * plainCount) {
            let workers = OneDNN.workers(ComputeContext.current.threads), pieces = matrices * parts.count
            Threads.overPieces(pieces, isParallel: true) { piece, worker in
                let matrix = piece / parts.count, part = parts[piece % parts.count]
                OneDNN.execute(
                    part.primitive,
                    [
                        (kairos_onednn_arg_from(), part.plain, UnsafeMutableRawPointer(mutating: w + matrix * plainCount)),
                        (kairos_onednn_arg_to(), part.packed, UnsafeMutableRawPointer(result + matrix * matrixCount)),
                    ], workers[worker])
            }
        }
    }
}
