import COneDNN
import Diagnostics
import Synchronization

/// oneDNN on the processor, one thread per call.
enum OneDNN {
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

    private static let letterT = CChar(UInt8(ascii: "T")), letterN = CChar(UInt8(ascii: "N"))

    /// Safe: made once and not changed; an engine may be used by several threads.
    nonisolated(unsafe) static let engine: dnnl_engine_t = {
        var engine: dnnl_engine_t?
        check(dnnl_engine_create(&engine, dnnl_cpu, 0), "use the processor")
        return engine!
    }()

    /// - Parameter strides: elements from one index to the next, per dimension; nil leaves the order to the library.
    static func descriptor(_ sizes: [Int], strides: [Int]?, _ type: dnnl_data_type_t) -> dnnl_memory_desc_t {
        var result = dnnl_memory_desc_t()
        let dimensions = sizes.map(Int64.init)
        if let strides {
            check(dnnl_memory_desc_init_by_strides(&result, Int32(sizes.count), dimensions, type, strides.map(Int64.init)), "describe \(sizes)")
        } else {
            check(dnnl_memory_desc_init_by_tag(&result, Int32(sizes.count), dimensions, type, dnnl_format_tag_any), "describe \(sizes)")
        }
        return result
    }

    /// How an operation is to be done; the caller destroys it. The library's own scratch memory would belong to the thread that made the primitive,
    /// so the one who runs it brings some.
    ///
    /// - Parameter accumulates: add to what the result holds.
    static func plan<Operation>(
        _ operation: inout Operation, accumulates: Bool = false, hint: dnnl_primitive_desc_t? = nil
    ) -> dnnl_primitive_desc_t {
        var attributes: dnnl_primitive_attr_t?
        check(dnnl_primitive_attr_create(&attributes), "make attributes")
        defer { dnnl_primitive_attr_destroy(attributes) }
        check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "set attributes")
        if accumulates {
            var operations: dnnl_post_ops_t?
            check(dnnl_post_ops_create(&operations), "make attributes")
            check(dnnl_post_ops_append_sum(operations, 1), "set attributes")
            check(dnnl_primitive_attr_set_post_ops(attributes, operations), "set attributes")
            dnnl_post_ops_destroy(operations)
        }
        var plan: dnnl_primitive_desc_t?
        check(withUnsafePointer(to: &operation) { dnnl_primitive_desc_create(&plan, $0, attributes, engine, hint) }, "plan \(Operation.self)")
        return plan!
    }

    /// Runs a primitive on the calling thread.
    static func execute(_ primitive: dnnl_primitive_t, _ operands: [(name: Int32, dnnl_memory_desc_t, UnsafeMutableRawPointer)], _ worker: Worker) {
        useOneThread()
        let arguments = operands.map { name, descriptor, pointer in
            var memory: dnnl_memory_t?
            withUnsafePointer(to: descriptor) { check(dnnl_memory_create(&memory, $0, engine, pointer), "describe memory") }
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
