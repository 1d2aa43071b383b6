import Kernels

extension Tape {
    /// Layer norm over the channels of each row, optionally followed by ReLU in the same pass.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - weight: [1, channels].
    ///   - bias: [1, channels].
    ///   - relu: whether negative results become 0.
    ///   - onlyForProducts: nothing but linear layers reads the result: where these round their operands it is made rounded. Without `relu`.
    public func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor, relu: Bool = false, onlyForProducts: Bool = false) -> Tensor {
        precondition(x.columns == weight.count, "layer norm of \(weight.count) channels given \(x.columns)")
        let statistics = Tensor(rows: x.rows, columns: 2, requiresGradient: false)
        let y = result(like: x, onlyForProducts: onlyForProducts && !relu)
        computing {
            if let rounded = y.rounded {
                LayerNorm.forward(
                    x.values, rows: x.rows, channels: x.columns, weight.values, bias.values, into: rounded.values, statistics: statistics.values)
            } else {
                LayerNorm.forward(
                    x.values, rows: x.rows, channels: x.columns, weight.values, bias.values, relu: relu, into: y.values,
                    statistics: statistics.values)
            }
        }
        recordLayerNorm(x, y, statistics: statistics, weight: weight, bias: bias, relu: relu)
        return y
    }

    /// Records the backward of y = norm(x), which has left its statistics [rows, 2].
    func recordLayerNorm(_ x: Tensor, _ y: Tensor, statistics: Tensor, weight: Tensor, bias: Tensor, relu: Bool = false) {
        record(leaves: [weight, bias]) {
            guard let dy = y.gradient else { return }
            let (dWeight, addWeight) = weight.gradientToWrite()
            let (dBias, addBias) = bias.gradientToWrite()
            precondition(addWeight == addBias, "weight and bias of a norm are used together")
            let dx = x.requiresGradient ? x.gradientToWrite() : nil
            computing {
                LayerNorm.backward(
                    dy, x.values, relu ? y.values : nil, statistics: statistics.values, rows: x.rows, channels: x.columns, weight.values,
                    dx: dx?.pointer, addInput: dx?.add ?? false, dWeight: dWeight, dBias: dBias, addWeight: addWeight)
            }
        }
    }

    /// Group norm: statistics over all rows of a sequence and the channels of a group.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - groups: divides the channels.
    ///   - weight: [1, channels].
    ///   - bias: [1, channels].
    public func groupNorm(_ x: PackedSequence, groups: Int, weight: Tensor, bias: Tensor) -> PackedSequence {
        precondition(x.columns == weight.count, "group norm of \(weight.count) channels given \(x.columns)")
        return groupNorm(x, groups: groups, leaves: [weight, bias], weight: { weight.values }, bias: { bias.values }) {
            let (dWeight, addWeight) = weight.gradientToWrite()
            let (dBias, addBias) = bias.gradientToWrite()
            precondition(addWeight == addBias, "weight and bias of a norm are used together")
            return (dWeight, dBias, addWeight)
        }
    }

    /// Group norm without weight and bias.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - groups: divides the channels.
    public func groupNorm(_ x: PackedSequence, groups: Int) -> PackedSequence {
        let constants = NormConstants(channels: x.columns)
        return groupNorm(x, groups: groups, leaves: [], weight: { constants.ones }, bias: { constants.zeros }) {
            (constants.scratch, constants.scratch + x.columns, false)
        }
    }

    /// - Parameter gradients: where those of weight and bias go, and whether they are added to what is there.
    private func groupNorm(
        _ x: PackedSequence, groups: Int, leaves: [Tensor], weight: @escaping () -> UnsafeMutablePointer<Float>,
        bias: @escaping () -> UnsafeMutablePointer<Float>,
        gradients: @escaping () -> (weight: UnsafeMutablePointer<Float>, bias: UnsafeMutablePointer<Float>, add: Bool)
    ) -> PackedSequence {
        let input = x.tensor, channels = x.columns, offsets = x.offsets
        precondition(channels % groups == 0, "\(groups) groups do not divide \(channels) channels")
        let y = Tensor(rows: input.rows, columns: channels, requiresGradient: isRecording)
        let statistics = Tensor(rows: 2 * x.count, columns: channels, requiresGradient: false)
        computing {
            GroupNorm.forward(
                input.values, channels: channels, groups: groups, offsets: offsets, weight(), bias(), into: y.values,
                statistics: statistics.values)
        }
        record(leaves: leaves) {
            guard let dy = y.gradient else { return }
            let affine = gradients()
            let dx = input.requiresGradient ? input.gradientToWrite() : nil
            computing {
                GroupNorm.backward(
                    dy, input.values, statistics: statistics.values, channels: channels, groups: groups, offsets: offsets, weight(),
                    dx: dx?.pointer, addInput: dx?.add ?? false, dWeight: affine.weight, dBias: affine.bias, addWeight: affine.add)
            }
        }
        return x.with(y)
    }
}

/// Weight and bias of a norm that has none, and a place for gradients that nobody reads.
private final class NormConstants {
    let ones: UnsafeMutablePointer<Float>
    let zeros: UnsafeMutablePointer<Float>
    let scratch: UnsafeMutablePointer<Float>

    init(channels: Int) {
        ones = .allocate(capacity: 4 * channels)
        ones.initialize(repeating: 1, count: channels)
        zeros = ones + channels
        scratch = zeros + channels
        zeros.initialize(repeating: 0, count: 3 * channels)
    }

    deinit { ones.deallocate() }
}
