import Diagnostics
import Kernels

/// A float32 matrix [rows, columns], row-major, and the gradient of the loss with respect to it.
///
/// Activations take their buffers from the `BufferPool` and return them when the last reference is released; parameters live in storage that a
/// `ParameterArena` owns.
public final class Tensor {
    public let rows: Int
    public let columns: Int
    private var storage: UnsafeMutablePointer<Float>?
    /// In place of `values`, of a result that only products read.
    let rounded: RoundedMatrix?
    public let requiresGradient: Bool
    private let ownsValues: Bool
    private var gradientPointer: UnsafeMutablePointer<Float>?
    private var gradientIsExternal = false
    /// A parameter's, until it moves to an arena: values, then gradient. Made when first asked for, so that a model's shapes cost nothing.
    private var ownStorage: UnsafeMutablePointer<Float>?
    private let isParameter: Bool
    /// Whether the gradient buffer holds something: the first writer stores, the later ones add.
    public private(set) var hasGradient = false
    /// Recorded uses on the tape whose backward has not run yet.
    var pendingUses = 0

    /// Number of elements.
    public var count: Int { rows * columns }

    /// [rows, columns], row-major. Ends the program for a result that is kept rounded alone.
    public var values: UnsafeMutablePointer<Float> { storage ?? missingValues() }

    @inline(never)
    private func missingValues() -> UnsafeMutablePointer<Float> {
        guard isParameter else { preconditionFailure("a result that was asked for products alone is read by something else") }
        if Rehearsal.isRunning { return Rehearsal.nowhere }
        return makeStorage()
    }

    /// Zeros, for a parameter that has no storage yet.
    private func makeStorage() -> UnsafeMutablePointer<Float> {
        let made = CheckedMemory.zeroedOrEnd(Float.self, count: 2 * count, for: "a parameter of \(rows) x \(columns)")
        ownStorage = made
        storage = made
        gradientPointer = made + count
        return made
    }

    /// Whether there are values: a parameter has none before it is first used.
    public var hasStorage: Bool { storage != nil }

    /// An activation with undefined values.
    public init(rows: Int, columns: Int, requiresGradient: Bool) {
        self.rows = rows
        self.columns = columns
        self.requiresGradient = requiresGradient
        storage = BufferPool.shared.take(rows * columns)
        rounded = nil
        ownsValues = true
        isParameter = false
    }

    /// An activation that exists in bfloat16 alone, with undefined values: [rows, columns], laid out for linear layers.
    init(roundedRows rows: Int, columns: Int, requiresGradient: Bool) {
        self.rows = rows
        self.columns = columns
        self.requiresGradient = requiresGradient
        let layout = BFloat16Layout(columns: columns, kernel: 1, offsets: [0, rows])
        let rounded = RoundedMatrix(count: layout.count)
        if !Rehearsal.isRunning { layout.clearRest(of: rounded.values) }
        self.rounded = rounded
        ownsValues = false
        isParameter = false
    }

    /// A matrix over storage owned elsewhere, which must outlive it.
    public init(rows: Int, columns: Int, values: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>?) {
        self.rows = rows
        self.columns = columns
        storage = values
        rounded = nil
        requiresGradient = gradient != nil
        ownsValues = false
        isParameter = false
        gradientPointer = gradient
        gradientIsExternal = gradient != nil
    }

    /// A parameter, all zeros until it is written to, which has no memory before.
    public init(parameterRows rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        storage = nil
        rounded = nil
        requiresGradient = true
        ownsValues = false
        isParameter = true
        gradientIsExternal = true
    }

    /// A constant copied from an array.
    public convenience init(rows: Int, columns: Int, _ array: [Float], requiresGradient: Bool = false) {
        precondition(array.count == rows * columns, "\(array.count) values for \(rows) x \(columns)")
        self.init(rows: rows, columns: columns, requiresGradient: requiresGradient)
        array.withUnsafeBufferPointer { if let base = $0.baseAddress, !Rehearsal.isRunning { values.update(from: base, count: $0.count) } }
    }

    deinit {
        if ownsValues, let storage { BufferPool.shared.giveBack(storage) }
        if let gradientPointer, !gradientIsExternal { BufferPool.shared.giveBack(gradientPointer) }
        ownStorage?.deallocate()
    }

    /// Moves a parameter to other storage of the same size (its arena's, or the buffer of another shard).
    public func rebind(values: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>) {
        precondition(!ownsValues && gradientIsExternal, "only parameters are rebound")
        storage = values
        gradientPointer = gradient
        ownStorage?.deallocate()
        ownStorage = nil
    }

    /// The gradient for a kernel about to write it: `add` is false for the first writer, who must store every element.
    public func gradientToWrite() -> (pointer: UnsafeMutablePointer<Float>, add: Bool) {
        if gradientIsExternal {
            // A rehearsal leaves no trace in parameters.
            if Rehearsal.isRunning { return (Rehearsal.nowhere, false) }
            if gradientPointer == nil { _ = makeStorage() }
        } else if gradientPointer == nil {
            gradientPointer = BufferPool.shared.take(count)
        }
        let add = hasGradient
        hasGradient = true
        return (gradientPointer!, add)
    }

    /// The gradient received so far, nil when nothing has been written.
    public var gradient: UnsafeMutablePointer<Float>? { hasGradient ? gradientPointer : nil }

    /// Forgets the gradient: the next writer stores.
    public func clearGradient() { hasGradient = false }

    /// A copy of the values.
    public var array: [Float] { Array(UnsafeBufferPointer(start: values, count: count)) }
    /// A copy of the gradient; nil: there is none.
    public var gradientArray: [Float]? { gradient.map { Array(UnsafeBufferPointer(start: $0, count: count)) } }
}
