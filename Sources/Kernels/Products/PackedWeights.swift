import COneDNN

/// The weights of a convolution in bfloat16, in the order in which oneDNN's products read them, so that nothing is left to arrange for each product.
public struct PackedWeights {
    /// Weights as `convertToBFloat16` leaves them: one matrix per tap, or all in one.
    private let plain: dnnl_memory_desc_t
    private let packed: dnnl_memory_desc_t
    private let matrices: Int
    private let plainCount: Int
    /// BFloat16 elements from a matrix to the next.
    let matrixCount: Int
    /// BFloat16 elements of all.
    public var count: Int { matrices * matrixCount }

    init(_ plain: dnnl_memory_desc_t, as packed: dnnl_memory_desc_t, matrices: Int, of plainCount: Int) {
        self.plain = plain
        self.packed = packed
        self.matrices = matrices
        self.plainCount = plainCount
        // A cache line's multiple, so that every matrix begins on one.
        matrixCount = (withUnsafePointer(to: packed) { dnnl_memory_desc_get_size($0) } + 63) / 64 * 32
    }

    /// Packs w [kernel, input, output] into `result` of `count` elements. To be called from the thread that starts the kernels.
    public func pack(_ w: UnsafePointer<BFloat16>, into result: UnsafeMutablePointer<BFloat16>) {
        KernelCounter.count(.conversion, operations: 0, bytes: 4 * matrices * plainCount) {
            var plan: dnnl_primitive_desc_t?, primitive: dnnl_primitive_t?
            OneDNN.useOneThread()
            withUnsafePointer(to: plain) { plain in
                withUnsafePointer(to: packed) { packed in
                    OneDNN.check(dnnl_reorder_primitive_desc_create(&plan, plain, OneDNN.engine, packed, OneDNN.engine, nil), "plan the packing of weights")
                }
            }
            OneDNN.check(dnnl_primitive_create(&primitive, plan), "make the packing of weights")
            defer {
                dnnl_primitive_destroy(primitive)
                dnnl_primitive_desc_destroy(plan)
            }
            let worker = OneDNN.workers(1)[0]
            for matrix in 0..<matrices {
                OneDNN.execute(
                    primitive!,
                    [
                        (kairos_onednn_arg_from(), plain, UnsafeMutableRawPointer(mutating: w + matrix * plainCount)),
                        (kairos_onednn_arg_to(), packed, UnsafeMutableRawPointer(result + matrix * matrixCount)),
                    ], worker)
            }
        }
    }
}
