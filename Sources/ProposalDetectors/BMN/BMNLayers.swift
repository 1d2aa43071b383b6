import Autograd
import Kernels
import NeuralNetworks

extension BMNSettings {
    /// The first weights of a layer, and of its biases.
    func initialization(inputs: Int, outputs: Int) -> (weight: Initialization, bias: Initialization) {
        switch firstWeights {
        case .uniform:
            let bound = 1 / Float(max(inputs, 1)).squareRoot()
            return (.uniform(bound: bound), .uniform(bound: bound))
        case .xavier: return (.uniform(bound: (6 / Float(max(inputs + outputs, 1))).squareRoot()), .constant(0))
        }
    }
}

/// Weights and biases of a convolution in groups of channels.
///
/// Published names `weight` [output, input / groups] + kernel and `bias` [output].
package class ConvolutionWeights: Module {
    let input: Int
    let output: Int
    let groups: Int
    let weight: Parameter
    let bias: Parameter

    init(_ input: Int, _ output: Int, kernel: [Int], groups: Int = 1, _ settings: BMNSettings) {
        self.input = input
        self.output = output
        self.groups = groups
        let positions = kernel.reduce(1, *), seen = input / groups
        let first = settings.initialization(inputs: positions * seen, outputs: positions * output / groups)
        weight = Parameter(
            .kernelOverMaps(kernel: kernel, input: seen, output: output), count: positions * seen * output, isDecayed: true,
            initialization: first.weight)
        bias = Parameter(.vector, count: output, isDecayed: false, initialization: first.bias)
    }

    package func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("weight", weight)
        visitor.visit("bias", bias)
    }
}

/// Convolution of kernel 1 or 3 along the rows of sequences of equal length, in groups of channels.
package final class RowConvolution: ConvolutionWeights {
    private let kernel: Int

    package init(_ input: Int, _ output: Int, kernel: Int = 3, groups: Int = 1, _ settings: BMNSettings) {
        self.kernel = kernel
        super.init(input, output, kernel: [kernel], groups: groups, settings)
    }

    /// - Parameters:
    ///   - x: [sequences * rows, input].
    ///   - rows: of a sequence.
    /// - Returns: [sequences * rows, output].
    package func callAsFunction(_ x: Tensor, rows: Int, relu: Bool, _ pass: ForwardPass) -> Tensor {
        let line = MapRegion(rows: 1, columns: rows)
        return pass.tape.mapConvolution(
            x, weight: weight.tensor, bias: bias.tensor,
            MapConvolution(
                input: input, output: output, height: 1, width: kernel, groups: groups, source: line, target: line, maps: x.rows / max(rows, 1)),
            relu: relu)
    }
}

/// Convolution of kernel 1 x 1 or 3 x 3 over the cells of maps.
package final class CellConvolution: ConvolutionWeights {
    private let kernel: Int

    package init(_ input: Int, _ output: Int, kernel: Int, _ settings: BMNSettings) {
        self.kernel = kernel
        super.init(input, output, kernel: [kernel, kernel], settings)
    }

    /// - Parameters:
    ///   - x: [maps * cells of `source`, input].
    ///   - source: cells of x; holds those that the results see.
    ///   - target: cells of the result.
    /// - Returns: [maps * cells of `target`, output].
    package func callAsFunction(_ x: Tensor, from source: MapRegion, to target: MapRegion, relu: Bool, _ pass: ForwardPass) -> Tensor {
        pass.tape.mapConvolution(
            x, weight: weight.tensor, bias: bias.tensor,
            MapConvolution(
                input: input, output: output, height: kernel, width: kernel, source: source, target: target, maps: x.rows / max(source.count, 1)),
            relu: relu)
    }
}

/// Boundary matching and the convolution over its samples, with ReLU.
///
/// Published names `weight` [output, input, samples, 1, 1] and `bias` [output].
package final class BoundaryMatchingLayer: ConvolutionWeights {
    let mask: BoundaryMatchingMask

    package init(_ input: Int, _ output: Int, mask: BoundaryMatchingMask, _ settings: BMNSettings) {
        self.mask = mask
        super.init(input, output, kernel: [mask.samples, 1, 1], settings)
    }

    /// - Parameters:
    ///   - x: [maps * scale, input].
    ///   - target: cells of the result; holds the valid ones.
    /// - Returns: [maps * cells of `target`, output].
    package func callAsFunction(_ x: Tensor, to target: MapRegion, _ pass: ForwardPass) -> Tensor {
        pass.tape.boundaryMatching(
            x, weight: weight.tensor, bias: bias.tensor,
            BoundaryMatching(mask, target: target, input: input, output: output, maps: x.rows / max(mask.map.scale, 1)))
    }
}
