import Autograd
import Foundation
import NeuralNetworks

/// The convolutions (each with norm and ReLU) that a head runs before its last one; shared by all levels, so they run once over all of them.
final class HeadTower {
    private let convolutions: [Convolution1D]
    private let norms: [ChannelNorm]

    init(input: Int, channels: Int, layers: Int, kernel: Int, hasNorm: Bool) {
        convolutions = (0..<layers - 1).map { i in
            Convolution1D(i == 0 ? input : channels, channels, kernel: kernel, bias: hasNorm ? nil : .constant(0))
        }
        norms = hasNorm ? convolutions.map { _ in ChannelNorm(channels) } : []
    }

    func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        var x = x
        for (i, convolution) in convolutions.enumerated() { x = convolution(x, norm: norms.isEmpty ? nil : norms[i], pass) }
        return x
    }

    func visitParameters(_ visitor: ParameterVisitor) {
        for (i, convolution) in convolutions.enumerated() {
            visitor.visit("head.\(i)", Wrapped(convolution, as: "conv"))
            if !norms.isEmpty { visitor.visit("norm.\(i)", norms[i]) }
        }
    }
}

/// Class logits for every point of the pyramid: [points, classes].
public final class ClassificationHead: Module {
    private let tower: HeadTower
    private let classifier: Convolution1D

    /// - Parameters:
    ///   - priorProbability: the probability every class begins with (bias -log((1 - p) / p)).
    ///   - emptyClasses: classes without data; they begin at probability 1e-6.
    public init(
        input: Int, channels: Int, classes: Int, layers: Int, kernel: Int, hasNorm: Bool, priorProbability: Float, emptyClasses: [Int]
    ) {
        tower = HeadTower(input: input, channels: channels, layers: layers, kernel: kernel, hasNorm: hasNorm)
        func logit(_ p: Double) -> Float { Float(-log((1 - p) / p)) }
        var bias = [Float](repeating: priorProbability > 0 ? logit(Double(priorProbability)) : 0, count: classes)
        for index in emptyClasses { bias[index] = logit(1e-6) }
        classifier = Convolution1D(layers > 1 ? channels : input, classes, kernel: kernel, bias: .values(bias))
    }

    /// - Parameter pyramid: all levels, packed one after another.
    public func callAsFunction(_ pyramid: PackedSequence, _ pass: ForwardPass) -> Tensor { classifier(tower(pyramid, pass), pass).tensor }

    public func visitParameters(_ visitor: ParameterVisitor) {
        tower.visitParameters(visitor)
        visitor.visit("cls_head", Wrapped(classifier, as: "conv"))
    }
}

/// Distances to start and end for every point, in units of the level's stride: ReLU(scale of the level * convolution), [points, 2].
public final class RegressionHead: Module {
    private let tower: HeadTower
    private let offsets: Convolution1D
    private let scales: [Parameter]

    public init(input: Int, channels: Int, levels: Int, layers: Int, kernel: Int, hasNorm: Bool) {
        tower = HeadTower(input: input, channels: channels, layers: layers, kernel: kernel, hasNorm: hasNorm)
        offsets = Convolution1D(layers > 1 ? channels : input, 2, kernel: kernel)
        scales = (0..<levels).map { _ in Parameter(.scalar, count: 1, isDecayed: false, initialization: .constant(1)) }
    }

    /// - Parameter levelOffsets: rows at which the levels end, first 0.
    public func callAsFunction(_ pyramid: PackedSequence, levelOffsets: [Int], _ pass: ForwardPass) -> Tensor {
        pass.tape.scaledReLU(offsets(tower(pyramid, pass), pass).tensor, scales: scales.map(\.tensor), groupOffsets: levelOffsets)
    }

    public func visitParameters(_ visitor: ParameterVisitor) {
        tower.visitParameters(visitor)
        visitor.visit("offset_head", Wrapped(offsets, as: "conv"))
        for (level, scale) in scales.enumerated() { visitor.visit("scale.\(level).scale", scale) }
    }
}
