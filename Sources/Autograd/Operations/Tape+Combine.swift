import Kernels

extension Tape {
    /// x + factor(sequence) * scale(channel) * branch: a residual connection with layer scale and drop path.
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - branch: what is added, packed like `x`.
    ///   - scale: [1, channels], learnt.
    ///   - factors: one per sequence: 1 in evaluation; in training 0 (dropped) or 1 / keep probability.
    public func residual(_ x: PackedSequence, branch: PackedSequence, scale: Tensor, factors: [Float]) -> PackedSequence {
        precondition(x.offsets == branch.offsets && factors.count == x.count)
        let a = x.tensor, b = branch.tensor, offsets = x.offsets, channels = x.columns
        let y = Tensor(rows: a.rows, columns: channels, requiresGradient: isRecording)
        computing {
            ResidualScale.forward(a.values, b.values, scale.values, factors: factors, channels: channels, offsets: offsets, into: y.values)
        }
        record(leaves: [scale]) {
            guard let dy = y.gradient else { return }
            let (ds, addScale) = scale.gradientToWrite()
            computing { ResidualScale.backwardScale(dy, b.values, factors: factors, channels: channels, offsets: offsets, into: ds, add: addScale) }
            if b.requiresGradient {
                let (db, add) = b.gradientToWrite()
                computing {
                    ResidualScale.backwardBranch(dy, scale.values, factors: factors, channels: channels, offsets: offsets, into: db, add: add)
                }
            }
            a.addGradient(dy)
        }
        return x.with(y)
    }

    /// a + b.
    public func sum(_ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.rows == b.rows && a.columns == b.columns)
        let y = Tensor(rows: a.rows, columns: a.columns, requiresGradient: isRecording)
        computing { Activations.sum(a.values, b.values, count: a.count, into: y.values) }
        record {
            guard let dy = y.gradient else { return }
            a.addGradient(dy)
            b.addGradient(dy)
        }
        return y
    }

    /// The sequences of all inputs, one input after another: pyramid levels packed for a shared head.
    public func concatenated(_ inputs: [PackedSequence]) -> PackedSequence {
        let columns = inputs[0].columns
        var offsets = [0]
        for input in inputs {
            precondition(input.columns == columns)
            let base = offsets[offsets.count - 1]
            offsets += input.offsets.dropFirst().map { base + $0 }
        }
        let y = Tensor(rows: offsets[offsets.count - 1], columns: columns, requiresGradient: isRecording)
        var begin = 0
        for input in inputs {
            computing { (y.values + begin).update(from: input.tensor.values, count: input.tensor.count) }
            begin += input.tensor.count
        }
        let tensors = inputs.map(\.tensor)
        record {
            guard let dy = y.gradient else { return }
            var begin = 0
            for tensor in tensors {
                tensor.addGradient(dy + begin)
                begin += tensor.count
            }
        }
        return PackedSequence(y, offsets: offsets)
    }

    /// The same values, detached: no gradient passes.
    public func detached(_ x: PackedSequence) -> PackedSequence {
        let y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: false)
        computing { y.values.update(from: x.tensor.values, count: x.tensor.count) }
        return x.with(y)
    }
}
