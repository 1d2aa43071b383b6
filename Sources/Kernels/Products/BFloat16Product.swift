import COneDNN
import Synchronization

/// A product of bfloat16 operands with float32 sums and a float32 result, made by oneDNN for one shape.
///
/// Making one takes a third of a millisecond, so they are kept. Nothing in it changes, and oneDNN runs one primitive on several threads at once.
final class BFloat16Product: @unchecked Sendable {
    enum Shape: Hashable {
        /// C [m, n] = op(A) [m, k] * B [k, n] (+ C).
        case matrices(Matrices)
        /// Rows of a convolution along time: y [rows, output] of x [rows + kernel - 1, input], or, as `isBackward`, dx [rows, input] of
        /// dy [rows + kernel - 1, output]. Weights in the library's own order.
        case convolution(rows: Int, input: Int, output: Int, kernel: Int, isBackward: Bool)
    }

    struct Matrices: Hashable {
        var m: Int, n: Int, k: Int
        /// Elements from row to row as stored.
        var lda: Int, ldc: Int
        /// A is stored as [k, m].
        var transposeA = false
        var b: SecondOperand
        var accumulates = false

        var accumulating: Matrices {
            var result = self
            result.accumulates = true
            return result
        }
    }

    /// How B [k, n] is stored.
    enum SecondOperand: Hashable {
        case rows(ldb: Int)
        /// As [n, k].
        case transposed(ldb: Int)
        /// In the library's own order, so that nothing is repacked per product.
        case packed
        /// The library chooses the order of `packed` with this one.
        case free
    }

    /// The order of weights must serve pieces of all lengths: oneDNN chooses it for this many rows.
    private static let rowsThatChooseOrder = 256

    private let primitive: dnnl_primitive_t
    private let source: OneDNN.Descriptor, result: OneDNN.Descriptor, scratch: OneDNN.Descriptor
    let weights: OneDNN.Descriptor
    private let scratchBytes: Int
    private let sourceName: Int32, resultName: Int32

    private static let kept = Mutex<[Shape: BFloat16Product]>([:])
    /// Far more than a model needs; a bound nevertheless.
    private static let mostKept = 4096

    /// To be called from the thread that starts the kernels.
    static func of(_ shape: Shape) -> BFloat16Product {
        if let product = kept.withLock({ $0[shape] }) { return product }
        // Made outside the lock: it may ask for a product that chooses the order of its weights.
        let product = BFloat16Product(shape)
        kept.withLock { kept in
            if kept.count >= mostKept { kept.removeAll() }
            kept[shape] = product
        }
        return product
    }

    /// Weights in the library's own order, as `shape` reads them whatever its rows.
    static func weightsOrder(_ shape: Shape) -> OneDNN.Descriptor {
        switch shape {
        case .matrices(var matrices):
            (matrices.m, matrices.lda, matrices.ldc) = (rowsThatChooseOrder, matrices.k, matrices.n)
            (matrices.b, matrices.accumulates) = (.free, false)
            return of(.matrices(matrices)).weights
        case .convolution(_, let input, let output, let kernel, let isBackward):
            return of(.convolution(rows: rowsThatChooseOrder, input: input, output: output, kernel: kernel, isBackward: isBackward)).weights
        }
    }

    private init(_ shape: Shape) {
        OneDNN.useOneThread()
        let plan: dnnl_primitive_desc_t
        switch shape {
        case .matrices(let matrices):
            (plan, source, result) = Self.plan(matrices)
            (sourceName, resultName) = (kairos_onednn_arg_src(), kairos_onednn_arg_dst())
        case .convolution(let rows, let input, let output, let kernel, let isBackward):
            (plan, source, result) = Self.plan(rows: rows, input: input, output: output, kernel: kernel, isBackward: isBackward)
            (sourceName, resultName) =
                isBackward
                ? (kairos_onednn_arg_diff_dst(), kairos_onednn_arg_diff_src()) : (kairos_onednn_arg_src(), kairos_onednn_arg_dst())
        }
        defer { dnnl_primitive_desc_destroy(plan) }
        weights = OneDNN.Descriptor(plan, dnnl_query_weights_md)
        scratch = OneDNN.Descriptor(plan, dnnl_query_scratchpad_md)
        scratchBytes = scratch.bytes
        var primitive: dnnl_primitive_t?
        OneDNN.check(dnnl_primitive_create(&primitive, plan), "make a product \(shape)")
        self.primitive = primitive!
    }

    deinit { dnnl_primitive_destroy(primitive) }

    /// Multiplies on the calling thread.
    ///
    /// - Parameters:
    ///   - a: A, x or dy.
    ///   - b: B or the weights.
    func run(_ a: UnsafePointer<BFloat16>, _ b: UnsafePointer<BFloat16>, _ c: UnsafeMutablePointer<Float>, _ worker: OneDNN.Worker) {
        OneDNN.execute(
            primitive,
            [
                (sourceName, source, UnsafeMutableRawPointer(mutating: a)),
                (kairos_onednn_arg_weights(), weights, UnsafeMutableRawPointer(mutating: b)),
                (resultName, result, UnsafeMutableRawPointer(c)),
                (kairos_onednn_arg_scratchpad(), scratch, worker.scratch(scratchBytes)),
            ], worker)
    }
}

// MARK: What oneDNN is asked for

extension BFloat16Product {
    private typealias Plan = (dnnl_primitive_desc_t, source: OneDNN.Descriptor, result: OneDNN.Descriptor)

    private static func plan(_ shape: Matrices) -> Plan {
        let a = OneDNN.Descriptor([shape.m, shape.k], strides: shape.transposeA ? [1, shape.lda] : [shape.lda, 1], dnnl_bf16)
        let b =
            switch shape.b {
            case .rows(let ldb): OneDNN.Descriptor([shape.k, shape.n], strides: [ldb, 1], dnnl_bf16)
            case .transposed(let ldb): OneDNN.Descriptor([shape.k, shape.n], strides: [1, ldb], dnnl_bf16)
            case .packed: weightsOrder(.matrices(shape))
            case .free: OneDNN.Descriptor([shape.k, shape.n], strides: nil, dnnl_bf16)
            }
        let c = OneDNN.Descriptor([shape.m, shape.n], strides: [shape.ldc, 1], dnnl_f32)
        return (OneDNN.plan(.product(a: a, b: b, c: c, accumulates: shape.accumulates)), a, c)
    }

    private static func plan(rows: Int, input: Int, output: Int, kernel: Int, isBackward: Bool) -> Plan {
        // A batch of one, [1, channels, rows], channels last.
        func sequence(_ channels: Int, _ rows: Int, _ type: dnnl_data_type_t) -> OneDNN.Descriptor {
            OneDNN.Descriptor([1, channels, rows], strides: [channels * rows, 1, channels], type)
        }
        let shape = Shape.convolution(rows: rows, input: input, output: output, kernel: kernel, isBackward: isBackward)
        // The one that has as many rows as choose the order is free to choose it.
        let weights = rows == rowsThatChooseOrder ? OneDNN.Descriptor([output, input, kernel], strides: nil, dnnl_bf16) : weightsOrder(shape)
        guard isBackward else {
            let x = sequence(input, rows + kernel - 1, dnnl_bf16), y = sequence(output, rows, dnnl_f32)
            return (OneDNN.plan(.convolution(x: x, weights: weights, y: y, around: 0)), x, y)
        }
        // dx[0..<rows] of the dy around it is the gradient of a convolution that sees kernel - 1 zeros at both ends.
        let x = sequence(input, rows, dnnl_bf16), dx = sequence(input, rows, dnnl_f32), dy = sequence(output, rows + kernel - 1, dnnl_bf16)
        return (OneDNN.plan(.inputGradient(dx: dx, weights: weights, dy: dy, x: x, around: kernel - 1)), dy, dx)
    }
}
