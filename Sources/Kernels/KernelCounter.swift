import Dispatch

/// Counts what kernels compute and how long they take, by family. Off unless a benchmark asks; then a kernel costs two readings of the clock more.
/// Kernels are called from one thread.
public enum KernelCounter {
    /// Kernels that are told apart.
    public enum Family: Int, CaseIterable, Sendable {
        case convolution, linear, matrixProduct, attention, depthwiseConvolution, layerNorm, elementWise, pooling, reduction, loss, conversion, optimizer

        /// As printed.
        public var name: String {
            switch self {
            case .convolution: "convolution"
            case .linear: "linear"
            case .matrixProduct: "matrix product"
            case .attention: "attention"
            case .depthwiseConvolution: "depthwise convolution"
            case .layerNorm: "layer norm"
            case .elementWise: "element-wise"
            case .pooling: "pooling"
            case .reduction: "reduction"
            case .loss: "loss"
            case .conversion: "conversion"
            case .optimizer: "optimizer"
            }
        }
    }

    public struct Total: Equatable, Sendable {
        public var calls = 0
        /// Floating-point operations: a multiplication and an addition are two.
        public var operations = 0
        /// Bytes of the operands, each read or written once.
        public var bytes = 0
        public var seconds = 0.0
        public init() {}
    }

    nonisolated(unsafe) private static var isCounting = false
    nonisolated(unsafe) private static var totals = [Total](repeating: Total(), count: Family.allCases.count)

    /// Runs `body` and says what its kernels did.
    public static func counting<Result>(_ body: () throws -> Result) rethrows -> (result: Result, totals: [Family: Total]) {
        totals = [Total](repeating: Total(), count: Family.allCases.count)
        isCounting = true
        defer { isCounting = false }
        let result = try body()
        return (result, Dictionary(uniqueKeysWithValues: Family.allCases.map { ($0, totals[$0.rawValue]) }))
    }

    /// To be called where a kernel begins; it ends with `end`. A kernel that calls others counts as a whole.
    ///
    /// - Returns: the time, 0 when nothing is to be counted.
    @inline(__always)
    package static func begin() -> UInt64 {
        guard isCounting else { return 0 }
        isCounting = false
        return DispatchTime.now().uptimeNanoseconds
    }

    @inline(__always)
    package static func end(_ began: UInt64, _ family: Family, operations: @autoclosure () -> Int, bytes: @autoclosure () -> Int) {
        guard began != 0 else { return }
        add(family, seconds: Double(DispatchTime.now().uptimeNanoseconds - began) * 1e-9, operations: operations(), bytes: bytes())
    }

    @inline(never)
    private static func add(_ family: Family, seconds: Double, operations: Int, bytes: Int) {
        isCounting = true
        totals[family.rawValue].calls += 1
        totals[family.rawValue].operations += operations
        totals[family.rawValue].bytes += bytes
        totals[family.rawValue].seconds += seconds
    }

    @inline(__always)
    package static func count(
        _ family: Family, operations: @autoclosure () -> Int, bytes: @autoclosure () -> Int, _ body: () -> Void
    ) {
        let began = begin()
        body()
        end(began, family, operations: operations(), bytes: bytes())
    }
}
