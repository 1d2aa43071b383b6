import COneDNN
import Diagnostics
import Synchronization

/// oneDNN on the processor, one thread per call.
package enum OneDNN {
    private static let setThreads = kairos_openmp_set_threads()

    /// To be called on a thread before it uses the library.
    @inline(__always)
    static func useOneThread() { setThreads?(1) }

    /// Float32 products.
    static func multiply(
        _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ transposeA: Bool, _ b: UnsafePointer<Float>, _ ldb: Int,
        _ transposeB: Bool, _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ accumulate: Bool, _ alpha: Float
    ) {
        useOneThread()
        check(
            dnnl_sgemm(
                transposeA ? letterT : letterN, transposeB ? letterT : letterN, Int64(m), Int64(n), Int64(k), alpha, a, Int64(lda), b, Int64(ldb),
                accumulate ? 1 : 0, c, Int64(ldc)), "multiply matrices")
    }

    /// Whether it uses AVX-512 here; the environment may forbid it (`ONEDNN_MAX_CPU_ISA`).
    package static let usesAVX512 = uses(dnnl_cpu_isa_avx512_core)

    /// The widest vector instructions that its float32 products use here.
    static let instructionSet = usesAVX512 ? "AVX-512" : uses(dnnl_cpu_isa_avx2) ? "AVX2" : uses(dnnl_cpu_isa_avx) ? "AVX" : "SSE4.1"

    private static func uses(_ isa: dnnl_cpu_isa_t) -> Bool { dnnl_get_effective_cpu_isa().rawValue & isa.rawValue == isa.rawValue }

    private static let letterT = CChar(UInt8(ascii: "T")), letterN = CChar(UInt8(ascii: "N"))

    /// Safe: made once and not changed; an engine may be used by several threads.
    nonisolated(unsafe) static let engine: dnnl_engine_t = {
        var engine: dnnl_engine_t?
        check(dnnl_engine_create(&engine, dnnl_cpu, 0), "use the processor")
        return engine!
    }()

    /// How values lie in memory. Nothing in it changes.
    final class Descriptor: @unchecked Sendable {
        fileprivate let pointer: kairos_onednn_memory

        fileprivate init(_ pointer: kairos_onednn_memory) { self.pointer = pointer }

        /// - Parameter strides: elements from one index to the next, per dimension; nil leaves the order to the library.
        convenience init(_ sizes: [Int], strides: [Int]?, _ type: dnnl_data_type_t) {
            var result: kairos_onednn_memory?
            let sizes = sizes.map(Int64.init), count = Int32(sizes.count)
            let status = strides.map { kairos_onednn_describe(&result, count, sizes, type, $0.map(Int64.init)) }
            check(status ?? kairos_onednn_describe(&result, count, sizes, type, nil), "describe \(sizes)")
            self.init(result!)
        }

        /// What a plan has chosen.
        convenience init(_ plan: dnnl_primitive_desc_t, _ what: dnnl_query_t) {
            var result: kairos_onednn_memory?
            check(kairos_onednn_asked(&result, plan, what), "read a plan")
            self.init(result!)
        }

        deinit { kairos_onednn_memory_destroy(pointer) }

        var bytes: Int { dnnl_memory_desc_get_size(pointer) }

        /// Some rows of the first dimension; nil where the order cannot be cut there.
        func rows(_ range: Range<Int>, of sizes: [Int]) -> Descriptor? {
            let counts = [Int64(range.count)] + sizes.dropFirst().map(Int64.init)
            let begins = [Int64(range.lowerBound)] + sizes.dropFirst().map { _ in 0 }
            var part: kairos_onednn_memory?
            return kairos_onednn_part(&part, pointer, counts, begins) == dnnl_success ? part.map { Descriptor($0) } : nil
        }
    }

    /// What is computed.
    enum Operation {
        /// c = a b.
        case product(a: Descriptor, b: Descriptor, c: Descriptor, accumulates: Bool)
        /// y of x along time, with so many zeros at both ends.
        case convolution(x: Descriptor, weights: Descriptor, y: Descriptor, around: Int)
        /// dx of dy; `x` is that of the convolution.
        case inputGradient(dx: Descriptor, weights: Descriptor, dy: Descriptor, x: Descriptor, around: Int)
    }

    /// How an operation is to be done; the caller destroys it. The library's own scratch memory would belong to the thread that made the primitive,
    /// so the one who runs it brings some.
    static func plan(_ operation: Operation) -> dnnl_primitive_desc_t {
        var attributes: dnnl_primitive_attr_t?
        check(dnnl_primitive_attr_create(&attributes), "make attributes")
        defer { dnnl_primitive_attr_destroy(attributes) }
        check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "set attributes")
        var plan: dnnl_primitive_desc_t?
        switch operation {
        case .product(let a, let b, let c, let accumulates):
            if accumulates { addsToResult(attributes) }
            check(kairos_onednn_plan_product(&plan, engine, a.pointer, b.pointer, c.pointer, attributes), "plan a product")
        case .convolution(let x, let weights, let y, let around):
            check(
                kairos_onednn_plan_convolution(&plan, engine, x.pointer, weights.pointer, y.pointer, Int64(around), attributes), "plan a convolution")
        case .inputGradient(let dx, let weights, let dy, let x, let around):
            let forward = self.plan(.convolution(x: x, weights: weights, y: dy, around: around))
            defer { dnnl_primitive_desc_destroy(forward) }
            check(
                kairos_onednn_plan_input_gradient(
                    &plan, engine, dx.pointer, weights.pointer, dy.pointer, Int64(around), forward, attributes), "plan the gradient of a convolution")
        }
        return plan!
    }

    /// How values in one order are put into another; the caller destroys it.
    static func reordering(_ from: Descriptor, _ to: Descriptor) -> dnnl_primitive_desc_t {
        var plan: dnnl_primitive_desc_t?
        check(dnnl_reorder_primitive_desc_create(&plan, from.pointer, engine, to.pointer, engine, nil), "plan the packing of weights")
        return plan!
    }

    private static func addsToResult(_ attributes: dnnl_primitive_attr_t?) {
        var operations: dnnl_post_ops_t?
        check(dnnl_post_ops_create(&operations), "make attributes")
        check(kairos_onednn_append_sum(operations), "set attributes")
        check(dnnl_primitive_attr_set_post_ops(attributes, operations), "set attributes")
        dnnl_post_ops_destroy(operations)
    }

    /// Runs a primitive on the calling thread.
    static func execute(_ primitive: dnnl_primitive_t, _ operands: [(name: Int32, Descriptor, UnsafeMutableRawPointer)], _ worker: Worker) {
        useOneThread()
        let arguments = operands.map { name, descriptor, pointer in
            var memory: dnnl_memory_t?
            check(dnnl_memory_create(&memory, descriptor.pointer, engine, pointer), "describe memory")
            return dnnl_exec_arg_t(arg: name, memory: memory)
        }
        check(dnnl_primitive_execute(primitive, worker.stream, Int32(arguments.count), arguments), "compute")
        for argument in arguments { dnnl_memory_destroy(argument.memory) }
    }

    /// The callers have checked the shapes: what fails here is a fault of the program or a lack of memory.
    static func check(_ status: dnnl_status_t, _ action: @autoclosure () -> String) {
        guard status != dnnl_success else { return }
        guard status != dnnl_out_of_memory else {
            Failure.failed(
                "oneDNN has no memory to \(action())",
                advice: "give the process more memory, start fewer ranks on this machine, or lower data.max_rows or data.batch_size"
            ).end()
        }
        KernelFault.end("oneDNN could not \(action()): status \(status.rawValue)")
    }

    /// What a worker of `Threads.overPieces` needs for itself. One thread at a time uses it, so that it may be handed from one to another.
    final class Worker: @unchecked Sendable {
        let stream: dnnl_stream_t
        private var forPrimitives = Memory(), forTile = Memory()

        init() {
            var stream: dnnl_stream_t?
            check(dnnl_stream_create(&stream, OneDNN.engine, kairos_onednn_default_stream()), "make a stream")
            self.stream = stream!
        }

        /// What a primitive asks for, undefined, valid until the next call.
        func scratch(_ bytes: Int) -> UnsafeMutableRawPointer { forPrimitives.take(bytes) }
        /// A tile of a result, undefined, valid until the next call.
        func tile(_ count: Int) -> UnsafeMutablePointer<Float> { forTile.take(4 * count).bindMemory(to: Float.self, capacity: count) }
    }

    /// Memory that grows as asked.
    private struct Memory {
        private var start: UnsafeMutableRawPointer?
        private var capacity = 0

        mutating func take(_ bytes: Int) -> UnsafeMutableRawPointer {
            if let start, bytes <= capacity { return start }
            start?.deallocate()
            capacity = max(bytes, 1 << 16)
            let taken = UnsafeMutableRawPointer(CheckedMemory.allocateOrEnd(UInt8.self, count: capacity, for: "the work of a matrix product"))
            start = taken
            return taken
        }
    }

    private static let workers = Mutex<[Worker]>([])

    /// Workers 0..<count; to be called from the thread that starts them.
    static func workers(_ count: Int) -> [Worker] {
        workers.withLock { workers in
            while workers.count < count { workers.append(Worker()) }
            return workers
        }
    }
}
