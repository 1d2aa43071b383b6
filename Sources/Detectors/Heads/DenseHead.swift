import Autograd
import Foundation
import NeuralNetworks

/// Class logits for every point of the pyramid: [points, classes].
public final class ClassificationHead: Module {
    private let tower: ConvolutionStack
    private let classifier: Convolution1D

    /// - Parameters:
    ///   - input: channels of the pyramid.
    ///   - channels: channels of the head's layers.
    ///   - classes: number of classes.
    ///   - layers: convolutions, the last one included.
    ///   - kernel: rows of the kernels, odd.
    ///   - hasNorm: whether layer norm follows each layer but the last.
    ///   - priorProbability: the probability every class begins with (bias -log((1 - p) / p)).
    ///   - emptyClasses: classes without data; they begin at probability 1e-6.
    public init(
        input: Int, channels: Int, classes: Int, layers: Int, kernel: Int, hasNorm: Bool, priorProbability: Float, emptyClasses: [Int]
    ) {
        tower = ConvolutionStack(input: input, channels: channels, count: layers - 1, kernel: kernel, hasNorm: hasNorm, names: ("head", "norm"))
        func logit(_ p: Double) -> Float { Float(-log((1 - p) / p)) }
        var bias = [Float](repeating: priorProbability > 0 ? logit(Double(priorProbability)) : 0, count: classes)
        for index in emptyClasses { bias[index] = logit(1e-6) }
        classifier = Convolution1D(layers > 1 ? channels : input, classes, kernel: kernel, bias: .values(bias))
    }

    /// - Parameters:
    ///   - pyramid: all levels, packed one after another.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    public func callAsFunction(_ pyramid: PackedSequence, _ pass: ForwardPass) -> Tensor { classifier(tower(pyramid, pass), pass).tensor }

    /// The tower's `head` and `norm`, then `cls_head`.
    public func visitParameters(_ visitor: ParameterVisitor) {
        tower.visitParameters(visitor)
        visitor.visit("cls_head", Wrapped(classifier, as: "conv"))
    }
}

/// Distances to start and end for every point, in units of the level's stride: ReLU(scale of the level * convolution), [points, 2]; below a trident
/// head, what the centre says about every bin, [points, 2 (bins + 1)].
/// With quality branches also one logit per branch and point, from convolutions that share the tower.
public final class RegressionHead: Module {
    private let tower: ConvolutionStack
    private let offsets: Convolution1D
    private let scales: [Parameter]
    private let branches: QualityBranches
    private let quality: [Convolution1D]

    /// - Parameters:
    ///   - input: channels of the pyramid.
    ///   - channels: channels of the head's layers.
    ///   - outputs: per point: 2, or 2 (bins + 1) below a trident head.
    ///   - levels: levels of the pyramid, each with a scale of its own.
    ///   - layers: convolutions, the last one included.
    ///   - kernel: rows of the kernels, odd.
    ///   - hasNorm: whether layer norm follows each layer but the last.
    ///   - branches: the branches of quality beside the distances.
    public init(
        input: Int, channels: Int, outputs: Int = 2, levels: Int, layers: Int, kernel: Int, hasNorm: Bool,
        quality branches: QualityBranches = .none
    ) {
        tower = ConvolutionStack(input: input, channels: channels, count: layers - 1, kernel: kernel, hasNorm: hasNorm, names: ("head", "norm"))
        offsets = Convolution1D(layers > 1 ? channels : input, outputs, kernel: kernel)
        scales = (0..<levels).map { _ in Parameter(.scalar, count: 1, isDecayed: false, initialization: .constant(1)) }
        self.branches = branches
        quality = branches.layerNames.map { _ in Convolution1D(layers > 1 ? channels : input, 1, kernel: kernel) }
    }

    /// - Parameters:
    ///   - pyramid: all levels, packed one after another.
    ///   - levelOffsets: rows at which the levels end, first 0.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    /// - Returns: the distances and, with branches, their logits.
    public func callAsFunction(
        _ pyramid: PackedSequence, levelOffsets: [Int], _ pass: ForwardPass
    ) -> (offsets: Tensor, quality: QualityLogits?) {
        let x = tower(pyramid, pass)
        let distances = pass.tape.scaledReLU(offsets(x, pass).tensor, scales: scales.map(\.tensor), groupOffsets: levelOffsets)
        return (distances, quality.isEmpty ? nil : QualityLogits(quality.map { $0(x, pass).tensor }))
    }

    /// The tower, `offset_head`, a `scale` per level, and the quality branches.
    public func visitParameters(_ visitor: ParameterVisitor) {
        tower.visitParameters(visitor)
        visitor.visit("offset_head", Wrapped(offsets, as: "conv"))
        for (level, scale) in scales.enumerated() { visitor.visit("scale.\(level).scale", scale) }
        for (name, layer) in zip(branches.layerNames, quality) { visitor.visit(name, Wrapped(layer, as: "conv")) }
    }
}
