import COneDNN
import Synchronization

/// The weights of a convolution in bfloat16, in the order in which oneDNN's products read them, so that nothing is repacked per product.
///
/// Threads divide a matrix: each packs some rows of its first dimension, as far as the library's order can be split there. Nothing in it changes, and
/// oneDNN runs one primitive on several threads at once.
public final class PackedWeights: @unchecked Sendable {
    /// Neighbouring rows of a matrix, in both orders, and what moves them.
    private struct Part {
        let plain: dnnl_memory_desc_t, packed: dnnl_memory_desc_t
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
        let plain = OneDNN.descriptor(sizes, strides: strides, dnnl_bf16)
        let order = PackedWeights(plain, sizes, as: BFloat16Product.weightsOrder(shape), matrices: matrices)
        kept.withLock { $0[key] = order }
        return order
    }

    private init(_ plain: dnnl_memory_desc_t, _ sizes: [Int], as packed: dnnl_memory_desc_t, matrices: Int) {
        self.matrices = matrices
        plainCount = sizes.reduce(1, *)
        // A cache line's multiple, so that every matrix begins on one.
        matrixCount = (withUnsafePointer(to: packed) { dnnl_memory_desc_get_size($0) } + 63) / 64 * 32
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
        _ plain: dnnl_memory_desc_t, _ packed: dnnl_memory_desc_t, _ sizes: [Int]
    ) -> [(dnnl_memory_desc_t, dnnl_memory_desc_t)] {
        func rows(_ range: Range<Int>, of whole: dnnl_memory_desc_t) -> dnnl_memory_desc_t? {
            let counts = [Int64(range.count)] + sizes.dropFirst().map(Int64.init)
            let begins = [Int64(range.lowerBound)] + sizes.dropFirst().map { _ in 0 }
            var part = dnnl_memory_desc_t()
            let status = withUnsafePointer(to: whole) { dnnl_memory_desc_init_submemory(&part, $0, counts, begins) }
            return status == dnnl_success ? part : nil
        }
        var result: [(dnnl_memory_desc_t, dnnl_memory_desc_t)] = []
        for begin in stride(from: 0, to: sizes[0], by: rowsOfPart) {
            let range = begin..<min(sizes[0], begin + rowsOfPart)
            guard let plainPart = rows(range, of: plain), let packedPart = rows(range, of: packed) else { return [(plain, packed)] }
            result.append((plainPart, packedPart))
        }
        return result
    }

    private static func reorder(_ plain: dnnl_memory_desc_t, _ packed: dnnl_memory_desc_t) -> dnnl_primitive_t {
        var plan: dnnl_primitive_desc_t?, primitive: dnnl_primitive_t?
        withUnsafePointer(to: plain) { plain in
            withUnsafePointer(to: packed) { packed in
                OneDNN.check(
                    dnnl_reorder_primitive_desc_create(&plan, plain, OneDNN.engine, packed, OneDNN.engine, nil), "plan the packing of weights")
            }
        }
        defer { dnnl_primitive_desc_destroy(plan) }
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
