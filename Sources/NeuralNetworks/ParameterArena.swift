import Autograd
import Diagnostics

/// All parameters of a model in one array, and their gradients in another of the same order.
///
/// The order is that of `Module.visitParameters`, which follows the forward pass: backward fills the gradient array from its end to its beginning, so
/// a gradient bucket is a slice. Optimiser, clipping, averaging and checkpoints walk one long array.
public final class ParameterArena {
    /// In the order of `Module.visitParameters`.
    public let parameters: [Parameter]
    /// Elements in each of the arrays.
    public let count: Int
    /// All weights, `count` elements; parameters begin at multiples of 16.
    public let values: UnsafeMutablePointer<Float>
    /// The gradient array now written to by backward.
    public private(set) var gradients: UnsafeMutablePointer<Float>

    /// Moves the parameters of `module` into one array and names them.
    public init(_ module: any Module) {
        let named = module.namedParameters
        parameters = named.map(\.parameter)
        var offset = 0
        for (name, parameter) in named {
            parameter.name = name
            parameter.arenaOffset = offset
            // 64-byte boundaries; the gaps stay zero.
            offset += (parameter.count + 15) / 16 * 16
        }
        count = offset
        values = Self.makeArray(count)
        gradients = Self.makeArray(count)
        for parameter in parameters {
            if parameter.tensor.hasStorage { (values + parameter.arenaOffset).update(from: parameter.tensor.values, count: parameter.count) }
            parameter.tensor.rebind(values: values + parameter.arenaOffset, gradient: gradients + parameter.arenaOffset)
        }
    }

    deinit {
        UnsafeMutableRawPointer(values).deallocate()
        UnsafeMutableRawPointer(gradients).deallocate()
    }

    /// A zeroed array with the arena's alignment (moments, averages, further gradient arrays). The caller deallocates it as raw memory.
    public static func makeArray(_ count: Int) -> UnsafeMutablePointer<Float> {
        let array = CheckedMemory.allocateOrEnd(Float.self, count: max(count, 16), for: "\(count) parameters, gradients or moments")
        array.initialize(repeating: 0, count: count)
        return array
    }

    /// Begins a new backward pass: every parameter's next gradient is stored, not added.
    public func beginGradients() {
        for parameter in parameters { parameter.tensor.clearGradient() }
    }

    /// Parameters that took no part get a gradient of zero.
    public func finishGradients() {
        for parameter in parameters where !parameter.tensor.hasGradient {
            let (pointer, _) = parameter.tensor.gradientToWrite()
            pointer.update(repeating: 0, count: parameter.count)
        }
    }

    /// Exchanges the gradient array for another of the same size (one per virtual shard) and returns the one used so far.
    public func exchangeGradients(for other: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
        let previous = gradients
        gradients = other
        for parameter in parameters {
            parameter.tensor.rebind(values: values + parameter.arenaOffset, gradient: other + parameter.arenaOffset)
        }
        return previous
    }

    /// Learnt elements, without the padding between parameters.
    public var learntCount: Int { parameters.reduce(0) { $0 + $1.count } }
}
