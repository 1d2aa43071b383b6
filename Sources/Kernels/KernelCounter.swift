import Diagnostics
import Foundation
import Synchronization

/// Counts the operations and the time of kernels, by family. Off except in benchmarks, where each kernel costs two more clock readings. Kernels are
/// called from one thread.
public enum KernelCounter {
    /// Families of kernels.
    public enum Family: Int, CaseIterable, Sendable {
        case convolution, convolutionWeight, linear, linearWeight, matrixProduct, attention, depthwiseConvolution, layerNorm, groupNorm
        case elementWise, pooling, reduction, loss, conversion, optimizer

        /// As printed.
        public var name: String {
            switch self {
            case .convolution: "convolution"
            case .convolutionWeight: "convolution, dW"
            case .linear: "linear"
            case .linearWeight: "linear, dW"
            case .matrixProduct: "matrix product"
            case .attention: "attention"
            case .depthwiseConvolution: "depthwise convolution"
            case .layerNorm: "layer norm"
            case .groupNorm: "group norm"
            case .elementWise: "element-wise"
            case .pooling: "pooling"
            case .reduction: "reduction"
            case .loss: "loss"
            case .conversion: "conversion"
            case .optimizer: "optimizer"
            }
        }
    }

    /// What the kernels of a family did.
    public struct Total: Equatable, Sendable {
        public var calls = 0
        /// Floating-point operations: a multiplication and an addition are two.
        public var operations = 0
        /// Those of the same results by direct products: more, where convolutions take minimal filtering.
        public var directOperations = 0
        /// Bytes of the operands, each read or written once.
        public var bytes = 0
        /// Wall-clock time within the kernels.
        public var seconds = 0.0
        /// Processor time of all threads; other programs affect it less than wall-clock time.
        public var processorSeconds = 0.0
        /// Of no calls.
        public init() {}
    }

    private static let isCounting = Atomic<Bool>(false)
    private static let totals = Mutex([Total](repeating: Total(), count: Family.allCases.count))

    /// Runs `body` and returns the counts of its kernels.
    ///
    /// - Throws: whatever `body` throws.
    public static func counting<Result>(_ body: () throws -> Result) rethrows -> (result: Result, totals: [Family: Total]) {
        totals.withLock { $0 = [Total](repeating: Total(), count: Family.allCases.count) }
        isCounting.store(true, ordering: .relaxed)
        defer { isCounting.store(false, ordering: .relaxed) }
        let result = try body()
        let counted = totals.withLock { $0 }
        return (result, Dictionary(uniqueKeysWithValues: Family.allCases.map { ($0, counted[$0.rawValue]) }))
    }

    /// To be called where a kernel begins; it ends with `end`. A kernel that calls others counts as a whole. Every kernel counts as progress of its
    /// process (`Activity`), so that a long recording is not taken for a stuck rank.
    ///
    /// - Returns: nil when nothing is to be counted.
    @inline(__always)
    package static func begin() -> Mark? {
        Activity.tick()
        guard isCounting.load(ordering: .relaxed) else { return nil }
        isCounting.store(false, ordering: .relaxed)
        return Mark()
    }

    /// When a kernel began.
    package struct Mark {
        fileprivate let wall: UInt64
        fileprivate let processor: Double

        @inline(never)
        fileprivate init() {
            wall = DispatchTime.now().uptimeNanoseconds
            processor = KernelCounter.processorSeconds()
        }
    }

    /// Time that all threads of this process have spent on a processor.
    public static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }

    @inline(__always)
    package static func end(
        _ began: Mark?, _ family: Family, operations: @autoclosure () -> Int, direct: @autoclosure () -> Int? = nil, bytes: @autoclosure () -> Int
    ) {
        guard let began else { return }
        let executed = operations()
        add(family, began, operations: executed, direct: direct() ?? executed, bytes: bytes())
    }

    /// Operations of another family within a kernel that has begun and not ended; their bytes and time are the kernel's.
    @inline(__always)
    package static func within(_ began: Mark?, _ family: Family, operations: @autoclosure () -> Int) {
        guard began != nil else { return }
        let executed = operations()
        totals.withLock { totals in
            totals[family.rawValue].operations += executed
            totals[family.rawValue].directOperations += executed
        }
    }

    @inline(never)
    private static func add(_ family: Family, _ began: Mark, operations: Int, direct: Int, bytes: Int) {
        let ended = Mark()
        isCounting.store(true, ordering: .relaxed)
        totals.withLock { totals in
            totals[family.rawValue].calls += 1
            totals[family.rawValue].operations += operations
            totals[family.rawValue].directOperations += direct
            totals[family.rawValue].bytes += bytes
            totals[family.rawValue].seconds += Double(ended.wall - began.wall) * 1e-9
            totals[family.rawValue].processorSeconds += ended.processor - began.processor
        }
    }

    @inline(__always)
    package static func count(
        _ family: Family, operations: @autoclosure () -> Int, direct: @autoclosure () -> Int? = nil, bytes: @autoclosure () -> Int,
        _ body: () -> Void
    ) {
        let began = begin()
        body()
        end(began, family, operations: operations(), direct: direct(), bytes: bytes())
    }
}
