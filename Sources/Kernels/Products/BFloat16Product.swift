import COneDNN
import Dispatch

/// A product of bfloat16 matrices with float32 sums and a float32 result, made by oneDNN for one shape: C [m, n] = op(A) [m, k] * op(B) [k, n] (+ C).
///
/// Making one takes a third of a millisecond, so they are kept.
final class BFloat16Product {
    struct Shape: Hashable {
        var m: Int, n: Int, k: Int
        /// Elements from row to row as stored.
        var lda: Int, ldb: Int, ldc: Int
        /// A is stored as [k, m], B as [n, k].
        var transposeA = false, transposeB = false
        var accumulates = false
    }

    private let primitive: dnnl_primitive_t
    private var a: dnnl_memory_desc_t, b: dnnl_memory_desc_t, c: dnnl_memory_desc_t
    private var scratch: dnnl_memory_desc_t
    private let scratchBytes: Int

    nonisolated(unsafe) private static var kept: [Shape: BFloat16Product] = [:]
    /// Far more than a model needs; a bound all the same.
    private static let mostKept = 4096

    /// To be called from the thread that starts the kernels.
    static func of(_ shape: Shape) -> BFloat16Product {
        if let product = kept[shape] { return product }
        if kept.count >= mostKept { kept.removeAll() }
        let product = BFloat16Product(shape)
        kept[shape] = product
        return product
    }

    private init(_ shape: Shape) {
        OneDNN.useOneThread()
        func descriptor(_ rows: Int, _ columns: Int, _ stride: Int, _ isTransposed: Bool, _ type: dnnl_data_type_t) -> dnnl_memory_desc_t {
            var result = dnnl_memory_desc_t()
            let sizes = [Int64(rows), Int64(columns)], strides = isTransposed ? [1, Int64(stride)] : [Int64(stride), 1]
            OneDNN.check(dnnl_memory_desc_init_by_strides(&result, 2, sizes, type, strides), "describe a matrix \(rows) x \(columns)")
            return result
        }
        a = descriptor(shape.m, shape.k, shape.lda, shape.transposeA, dnnl_bf16)
        b = descriptor(shape.k, shape.n, shape.ldb, shape.transposeB, dnnl_bf16)
        c = descriptor(shape.m, shape.n, shape.ldc, false, dnnl_f32)
        var description = dnnl_matmul_desc_t()
        OneDNN.check(dnnl_matmul_desc_init(&description, &a, &b, nil, &c), "describe a product \(shape)")
        var attributes: dnnl_primitive_attr_t?
        OneDNN.check(dnnl_primitive_attr_create(&attributes), "make attributes")
        defer { dnnl_primitive_attr_destroy(attributes) }
        // The library's own scratch memory belongs to the thread that made the primitive.
        OneDNN.check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "set attributes")
        if shape.accumulates {
            var operations: dnnl_post_ops_t?
            OneDNN.check(dnnl_post_ops_create(&operations), "make attributes")
            OneDNN.check(dnnl_post_ops_append_sum(operations, 1), "set attributes")
            OneDNN.check(dnnl_primitive_attr_set_post_ops(attributes, operations), "set attributes")
            dnnl_post_ops_destroy(operations)
        }
        var plan: dnnl_primitive_desc_t?
        OneDNN.check(
            withUnsafePointer(to: &description) { dnnl_primitive_desc_create(&plan, $0, attributes, OneDNN.engine, nil) }, "plan a product \(shape)")
        defer { dnnl_primitive_desc_destroy(plan) }
        scratch = dnnl_primitive_desc_query_md(plan, dnnl_query_scratchpad_md, 0).pointee
        scratchBytes = dnnl_memory_desc_get_size(&scratch)
        var primitive: dnnl_primitive_t?
        OneDNN.check(dnnl_primitive_create(&primitive, plan), "make a product \(shape)")
        self.primitive = primitive!
    }

    deinit { dnnl_primitive_destroy(primitive) }

    /// Multiplies on the calling thread.
    func run(_ a: UnsafePointer<BFloat16>, _ b: UnsafePointer<BFloat16>, _ c: UnsafeMutablePointer<Float>, _ worker: OneDNN.Worker) {
        OneDNN.useOneThread()
        func memory(_ descriptor: inout dnnl_memory_desc_t, _ pointer: UnsafeMutableRawPointer) -> dnnl_memory_t? {
            var result: dnnl_memory_t?
            OneDNN.check(dnnl_memory_create(&result, &descriptor, OneDNN.engine, pointer), "describe memory")
            return result
        }
        var (A, B, C, S) = (self.a, self.b, self.c, self.scratch)
        let memories = [
            memory(&A, UnsafeMutableRawPointer(mutating: a)), memory(&B, UnsafeMutableRawPointer(mutating: b)), memory(&C, c),
            memory(&S, worker.scratch(scratchBytes)),
        ]
        let arguments = [
            dnnl_exec_arg_t(arg: kairos_onednn_arg_src(), memory: memories[0]),
            dnnl_exec_arg_t(arg: kairos_onednn_arg_weights(), memory: memories[1]),
            dnnl_exec_arg_t(arg: kairos_onednn_arg_dst(), memory: memories[2]),
            dnnl_exec_arg_t(arg: kairos_onednn_arg_scratchpad(), memory: memories[3]),
        ]
        OneDNN.check(dnnl_primitive_execute(primitive, worker.stream, Int32(arguments.count), arguments), "multiply")
        for memory in memories { dnnl_memory_destroy(memory) }
    }
}
