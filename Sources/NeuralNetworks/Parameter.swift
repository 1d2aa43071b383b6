import Autograd

/// How a parameter's values are laid out here and in PyTorch.
public enum ParameterLayout: Equatable, Sendable {
    /// [C] in both.
    case vector
    /// One number; PyTorch shape [].
    case scalar
    /// [rows, columns] in both.
    case matrix(rows: Int, columns: Int)
    /// [C] here, [1, C, 1] in PyTorch (channel norms and layer scales of the published code).
    case channels
    /// [kernel, input, output] here, [output, input, kernel] in PyTorch. Linear layers are kernel 1.
    case convolution(kernel: Int, input: Int, output: Int)
    /// [positions of the kernel, input, output] here, [output, input] + `kernel` in PyTorch: convolutions over maps. In groups, input is that of a group.
    case kernelOverMaps(kernel: [Int], input: Int, output: Int)
    /// [kernel, C] here, [C, 1, kernel] in PyTorch.
    case depthwise(kernel: Int, channels: Int)
    /// [heads, window] here, [1, 1, heads, window] in PyTorch.
    case relativePositions(heads: Int, window: Int)
}

/// A learnt array. It has no memory before it is first written to or read; its storage is its own until a `ParameterArena` takes it in.
public final class Parameter {
    public let layout: ParameterLayout
    /// Whether AdamW's weight decay applies: only to convolution and linear weights.
    public let isDecayed: Bool
    /// False: the array is a figure of the data that the model needs, which no optimiser changes.
    public let isLearnt: Bool
    public let initialization: Initialization
    /// [rows, columns] view that operations take.
    public let tensor: Tensor
    /// The published name, for example `backbone.branch.0.attn.key.weight`; set by the arena.
    public internal(set) var name = ""
    /// First element in the arena; set by the arena.
    public internal(set) var arenaOffset = 0

    /// An array of `count` elements, without memory until it is first used.
    ///
    /// - Parameters:
    ///   - layout: shape and order of the elements, and how they stand in published files.
    ///   - count: elements; as many as the layout's shape has.
    ///   - isDecayed: whether weight decay applies.
    ///   - initialization: the distribution of the first values.
    ///   - isLearnt: whether optimisers change it.
    public init(_ layout: ParameterLayout, count: Int, isDecayed: Bool, initialization: Initialization, isLearnt: Bool = true) {
        self.layout = layout
        self.isLearnt = isLearnt
        self.isDecayed = isDecayed
        self.initialization = initialization
        let (rows, columns): (Int, Int) =
            switch layout {
            case .vector, .channels: (1, count)
            case .scalar: (1, 1)
            case .matrix(let rows, let columns): (rows, columns)
            case .convolution(let kernel, let input, let output): (kernel * input, output)
            case .kernelOverMaps(let kernel, let input, let output): (kernel.reduce(1, *) * input, output)
            case .depthwise(let kernel, let channels): (kernel, channels)
            case .relativePositions(let heads, let window): (heads, window)
            }
        precondition(rows * columns == count, "\(layout) does not hold \(count) values")
        tensor = Tensor(parameterRows: rows, columns: columns)
    }

    /// Number of elements.
    public var count: Int { tensor.count }
    public var values: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: tensor.values, count: count) }

    /// Shape as PyTorch has it.
    public var publishedShape: [Int] {
        switch layout {
        case .vector: [count]
        case .scalar: []
        case .matrix(let rows, let columns): [rows, columns]
        case .channels: [1, count, 1]
        case .convolution(let kernel, let input, let output): [output, input, kernel]
        case .kernelOverMaps(let kernel, let input, let output): [output, input] + kernel
        case .depthwise(let kernel, let channels): [channels, 1, kernel]
        case .relativePositions(let heads, let window): [1, 1, heads, window]
        }
    }

    /// Values of an array of this parameter's size (the values, a gradient, a moment) in PyTorch's order.
    public func published(_ array: UnsafePointer<Float>) -> [Float] {
        transposed(array, toPublished: true)
    }

    /// The reverse of `published(_:)`.
    public func native(fromPublished array: UnsafePointer<Float>) -> [Float] {
        transposed(array, toPublished: false)
    }

    private func transposed(_ array: UnsafePointer<Float>, toPublished: Bool) -> [Float] {
        let (kernel, input, output): (Int, Int, Int)
        switch layout {
        case .convolution(let k, let i, let o): (kernel, input, output) = (k, i, o)
        case .kernelOverMaps(let k, let i, let o): (kernel, input, output) = (k.reduce(1, *), i, o)
        case .depthwise(let k, let c): (kernel, input, output) = (k, 1, c)
        default: return Array(UnsafeBufferPointer(start: array, count: count))
        }
        var result = [Float](repeating: 0, count: count)
        for k in 0..<kernel {
            for i in 0..<input {
                for o in 0..<output {
                    let native = (k * input + i) * output + o
                    let published = (o * input + i) * kernel + k
                    if toPublished { result[published] = array[native] } else { result[native] = array[published] }
                }
            }
        }
        return result
    }
}
