import Synchronization

/// How this process computes: the settings that kernels read, all in this one place.
///
/// Kernels are called deep inside operations and by several threads, so that the settings belong to the process. Their owner is whoever begins a run:
/// `ProductChoice` sets library and precision, `ComputeThreads` the threads, before the first kernel. Whoever needs others for a while, such as a test
/// or a plan of memory, changes them within `with`. Kernels read them where they begin, never in an inner loop; they are changed between kernels, by the
/// thread that starts these.
///
/// What operations keep from one call to the next is not a setting: `TapeContext` of Autograd holds it, and oneDNN's primitives lie with `OneDNN`.
public struct ComputeContext: Equatable, Sendable {
    /// Which library computes float32 products; decides bits.
    public var backend = MatrixMultiplyBackend.openblas
    /// What linear layers and convolutions round their operands to; decides bits.
    public var precision = ProductPrecision.float32
    /// How float32 convolutions with kernel 3 are computed; decides bits.
    public var convolution = ConvolutionForm.direct
    /// Threads per process, the calling one among them; changes no result.
    public var threads = 1
    /// Whether every thread has a core of its own. Then one that waits for the next kernel stays awake for a moment; where threads share cores, it
    /// would hold up those that work, and sleeps. Changes no result.
    public var threadsHaveOwnCores = true

    /// One thread of its own, OpenBLAS, float32, direct products.
    public init() {}

    /// The settings of this process. Reading them costs a load.
    public static var current: ComputeContext {
        get { ComputeContext(bits: stored.load(ordering: .relaxed)) }
        set { stored.store(newValue.bits, ordering: .relaxed) }
    }

    /// Runs `body` under changed settings; afterwards they are what they were before.
    ///
    /// - Throws: whatever `body` throws.
    public static func with<Result>(_ change: (inout ComputeContext) -> Void, do body: () throws -> Result) rethrows -> Result {
        let before = current
        defer { current = before }
        change(&current)
        return try body()
    }

    // MARK: In one word, so that every thread sees all settings or none

    private static let stored = Atomic<Int>(ComputeContext().bits)

    private var bits: Int {
        threads << 5 | (backend == .byShape ? 16 : 0) | (convolution == .winograd ? 8 : 0) | (threadsHaveOwnCores ? 4 : 0)
            | (precision == .bfloat16 ? 2 : 0) | (backend == .onednn ? 1 : 0)
    }

    private init(bits: Int) {
        backend = bits & 16 != 0 ? .byShape : bits & 1 != 0 ? .onednn : .openblas
        precision = bits & 2 != 0 ? .bfloat16 : .float32
        threadsHaveOwnCores = bits & 4 != 0
        convolution = bits & 8 != 0 ? .winograd : .direct
        threads = bits >> 5
    }
}
