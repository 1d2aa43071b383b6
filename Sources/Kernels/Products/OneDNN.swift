import COneDNN

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

    static let engine: dnnl_engine_t = {
        var engine: dnnl_engine_t?
        check(dnnl_engine_create(&engine, dnnl_cpu, 0), "use the processor")
        return engine!
    }()

    /// The callers have checked the shapes: what fails here is a fault of the program or a lack of memory.
    static func check(_ status: dnnl_status_t, _ action: @autoclosure () -> String) {
        guard status == dnnl_success else { fatalError("oneDNN could not \(action()): status \(status.rawValue)") }
    }

    /// What a worker of `Threads.overPieces` needs for itself.
    final class Worker {
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
            let taken = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
            start = taken
            return taken
        }
    }

    nonisolated(unsafe) private static var workers: [Worker] = []

    /// Workers 0..<count; to be called from the thread that starts them.
    static func workers(_ count: Int) -> [Worker] {
        while workers.count < count { workers.append(Worker()) }
        return workers
    }
}
