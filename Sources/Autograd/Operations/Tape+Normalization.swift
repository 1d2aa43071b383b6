import Kernels

extension Tape {
    /// Layer norm over the channels of each row, optionally followed by ReLU in the same pass.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - weight, bias: [1, channels].
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
        return y
    }

    /// Group norm: statistics over all rows of a sequence and the channels of a group.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - groups: divides the channels.
    ///   - weight, bias: [1, channels].
    public func groupNorm(_ x: PackedSequence, groups: Int, weight: Tensor, bias: Tensor) -> PackedSequence {
        let input = x.tensor, channels = x.columns, offsets = x.offsets
        precondition(channels == weight.count && channels % groups == 0, "group norm of \(weight.count) channels given \(channels)")
        let y = Tensor(rows: input.rows, columns: channels, requiresGradient: isRecording)
        let statistics = Tensor(rows: 2 * x.count, columns: channels, requiresGradient: false)
        computing {
            GroupNorm.forward(
                input.values, channels: channels, groups: groups, offsets: offsets, weight.values, bias.values, into: y.values,
                statistics: statistics.values)
        }
        record(leaves: [weight, bias]) {
            guard let dy = y.gradient else { return }
            let (dWeight, addWeight) = weight.gradientToWrite()
            let (dBias, addBias) = bias.gradientToWrite()
            precondition(addWeight == addBias, "weight and bias of a norm are used together")
            let dx = input.requiresGradient ? input.gradientToWrite() : nil
            computing {
                GroupNorm.backward(
                    dy, input.values, statistics: statistics.values, channels: channels, groups: groups, offsets: offsets, weight.values,
                    dx: dx?.pointer, addInput: dx?.add ?? false, dWeight: dWeight, dBias: dBias, addWeight: addWeight)
            }
        }
        return x.with(y)
    }
}
