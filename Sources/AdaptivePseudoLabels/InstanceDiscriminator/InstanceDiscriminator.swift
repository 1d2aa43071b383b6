import Autograd
import Kernels
import NeuralNetworks

/// Labelled instances as the discriminator compares with them: W1b b + b1, per class [instances, hidden].
public struct ProjectedInstances {
    let byClass: [Tensor]
}

/// APL's instance-level consistency discriminator (Eq. 9): the probability that two instances are of one class,
/// `D(a, b) = sigmoid(W2 ReLU(W1 [a; b] + b1) + b2)`.
///
/// Parameter names `icd.0.weight` [hidden, 2 * columns, 1], `icd.0.bias`, `icd.2.weight` [1, hidden, 1], `icd.2.bias`.
public final class InstanceDiscriminator: Module {
    /// Width of an instance's feature.
    public let columns: Int
    public let hidden: Int
    /// [2 * columns, hidden]; the upper half takes the first member of a pair.
    private let firstWeight: Parameter
    private let firstBias: Parameter
    private let secondWeight: Parameter
    private let secondBias: Parameter

    public init(columns: Int, hidden: Int = 128) {
        self.columns = columns
        self.hidden = hidden
        func layer(_ input: Int, _ output: Int) -> (Parameter, Parameter) {
            let initialization = Initialization.uniform(bound: 1 / Float(input).squareRoot())
            return (
                Parameter(
                    .convolution(kernel: 1, input: input, output: output), count: input * output, isDecayed: true, initialization: initialization),
                Parameter(.vector, count: output, isDecayed: false, initialization: initialization)
            )
        }
        (firstWeight, firstBias) = layer(2 * columns, hidden)
        (secondWeight, secondBias) = layer(hidden, 1)
    }

    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("icd.0.weight", firstWeight)
        visitor.visit("icd.0.bias", firstBias)
        visitor.visit("icd.2.weight", secondWeight)
        visitor.visit("icd.2.bias", secondBias)
    }

    /// Logits of D for pairs, [pairs, 1].
    ///
    /// - Parameters:
    ///   - a: instance features, [instances, columns].
    ///   - b: the same, of the second members.
    ///   - firsts: the pairs' rows in `a`.
    ///   - seconds: the pairs' rows in `b`.
    ///   - tape: the operations are recorded here.
    public func logits(_ a: Tensor, _ b: Tensor, firsts: [Int], seconds: [Int], tape: Tape) -> Tensor {
        let hidden = tape.relu(
            tape.pairedLinear(a, b, firsts: firsts, seconds: seconds, weight: firstWeight.tensor, bias: firstBias.tensor))
        return tape.linear(hidden, weight: secondWeight.tensor, bias: secondBias.tensor)
    }

    /// Mean cross-entropy over pairs (Eq. 8), recorded, its gradient seeded.
    ///
    /// - Parameters:
    ///   - pairs: rows of `bank`.
    ///   - bank: features of all instances.
    ///   - normalizer: what the sum is divided by; nil for the number of pairs (with several shards, the global number).
    ///   - tape: the operations are recorded here.
    /// - Returns: the sum over these pairs divided by the normaliser.
    public func loss(_ pairs: InstancePairs, bank: InstanceSet, normalizer: Float? = nil, tape: Tape) -> Double {
        guard pairs.count > 0 else { return 0 }
        precondition(bank.columns == columns)
        // The members alone are projected, not the whole bank.
        let members = Set(pairs.firsts + pairs.seconds).sorted()
        let place = Dictionary(uniqueKeysWithValues: members.enumerated().map { ($1, $0) })
        var features: [Float] = []
        features.reserveCapacity(members.count * columns)
        for member in members { features += bank.features[member * columns..<(member + 1) * columns] }
        let x = Tensor(rows: members.count, columns: columns, features)
        let logits = logits(
            x, x, firsts: pairs.firsts.map { place[$0, default: 0] }, seconds: pairs.seconds.map { place[$0, default: 0] }, tape: tape)
        let divisor = normalizer ?? Float(pairs.count)
        let gradient = logits.requiresGradient ? logits.gradientToWrite().pointer : nil
        return BinaryCrossEntropy.withLogits(logits.values, pairs.targets, count: pairs.count, scale: 1 / divisor, gradient: gradient)
            / Double(divisor)
    }

    /// Projects labelled instances, once for all predictions that are compared with them. Valid while the weights stay as they are.
    public func projected(_ labelled: InstanceSet) -> ProjectedInstances {
        precondition(labelled.columns == columns)
        let bias = firstBias.tensor.values
        return ProjectedInstances(
            byClass: labelled.indices(classes: 1 + (labelled.labels.max() ?? -1)).map { indices in
                let b = project(labelled, indices[...], firstWeight.tensor.values + columns * hidden)
                for row in 0..<b.rows { for c in 0..<hidden { b.values[row * hidden + c] += bias[c] } }
                return b
            })
    }

    /// Similarity of each instance to the labelled ones of its class: the mean of D(instance, labelled) (Eq. 10); not a number for a class
    /// without any.
    public func similarities(_ instances: InstanceSet, to labelled: ProjectedInstances) -> [Float] {
        precondition(instances.columns == columns)
        var result = [Float](repeating: .nan, count: instances.count)
        for (label, ours) in instances.indices(classes: 1 + (instances.labels.max() ?? -1)).enumerated() {
            guard !ours.isEmpty, label < labelled.byClass.count, labelled.byClass[label].rows > 0 else { continue }
            let b = labelled.byClass[label]
            // In pieces, so that memory does not grow with the number of predictions.
            for begin in stride(from: 0, to: ours.count, by: 4096) {
                let piece = ours[begin..<min(begin + 4096, ours.count)]
                let a = project(instances, piece, firstWeight.tensor.values)
                var means = [Float](repeating: 0, count: piece.count)
                PairComparison.meanSimilarity(
                    a.values, rows: a.rows, b.values, others: b.rows, columns: hidden, w: secondWeight.tensor.values,
                    bias: secondBias.tensor.values[0], into: &means)
                for (i, index) in piece.enumerated() { result[index] = means[i] }
            }
        }
        return result
    }

    /// Features of some instances times one half of W1, [indices, hidden].
    private func project(_ set: InstanceSet, _ indices: ArraySlice<Int>, _ weight: UnsafePointer<Float>) -> Tensor {
        let x = Tensor(rows: indices.count, columns: columns, requiresGradient: false)
        set.features.withUnsafeBufferPointer { features in
            guard let base = features.baseAddress else { return }
            for (i, index) in indices.enumerated() { (x.values + i * columns).update(from: base + index * columns, count: columns) }
        }
        let y = Tensor(rows: indices.count, columns: hidden, requiresGradient: false)
        MatrixMultiply.multiply(
            m: x.rows, n: hidden, k: columns, x.values, lda: columns, weight, ldb: hidden, into: y.values, ldc: hidden)
        return y
    }
}
