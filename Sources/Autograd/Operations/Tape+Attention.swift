import Kernels

extension Tape {
    /// Multi-head attention in which position t sees positions |t - u| <= window / 2 of its sequence, all of them when `window` <= 1.
    ///
    /// - Parameters:
    ///   - q: queries, [rows, heads * head channels], packed.
    ///   - k: keys, packed like the queries.
    ///   - v: values, packed like the queries.
    ///   - heads: number of heads; divides the channels.
    ///   - window: positions that a position sees, itself in the middle; at most 1 for all of its sequence.
    ///   - relative: [heads, window], added to the scores (window odd), or nil; for windowed attention alone.
    /// - Returns: [rows, heads * head channels].
    public func attention(
        _ q: PackedSequence, _ k: PackedSequence, _ v: PackedSequence, heads: Int, window: Int, relative: Tensor? = nil
    ) -> PackedSequence {
        precondition(q.columns % heads == 0 && q.offsets == k.offsets && q.offsets == v.offsets)
        return window > 1
            ? windowedAttention(q, k, v, heads: heads, reach: window / 2, relative: relative) : globalAttention(q, k, v, heads: heads)
    }

    private func windowedAttention(
        _ q: PackedSequence, _ k: PackedSequence, _ v: PackedSequence, heads: Int, reach: Int, relative: Tensor?
    ) -> PackedSequence {
        // No position sees beyond its sequence: entries for what lies farther would all be zero. Relative positions have an entry for each of them.
        let longest = zip(q.offsets, q.offsets.dropFirst()).map { $1 - $0 }.max() ?? 0
        let reach = relative == nil ? min(reach, max(longest - 1, 0)) : reach
        let shape = WindowedAttention.Shape(heads: heads, headChannels: q.columns / heads, reach: reach, offsets: q.offsets)
        precondition(relative == nil || relative!.columns == shape.width, "relative positions need an odd window")
        let q = q.tensor, k = k.tensor, v = v.tensor
        let y = Tensor(rows: q.rows, columns: q.columns, requiresGradient: isRecording)
        let probabilities = Tensor(rows: q.rows, columns: heads * shape.width, requiresGradient: false)
        computing {
            WindowedAttention.forward(
                q.values, k.values, v.values, relative: relative?.values, shape, into: y.values, probabilities: probabilities.values)
        }
        record(leaves: relative.map { [$0] } ?? []) {
            guard let dy = y.gradient else { return }
            let scratch = Tensor(rows: probabilities.rows, columns: probabilities.columns, requiresGradient: false)
            let dRelative = relative?.gradientToWrite()
            Self.withFreshGradients(q, k, v) { dq, dk, dv in
                computing {
                    WindowedAttention.backward(
                        dy, q.values, k.values, v.values, probabilities: probabilities.values, shape, scratch: scratch.values, dq: dq, dk: dk, dv: dv,
                        dRelative: dRelative?.pointer, addRelative: dRelative?.add ?? false)
                }
            }
        }
        return PackedSequence(y, offsets: shape.offsets)
    }

    private func globalAttention(_ q: PackedSequence, _ k: PackedSequence, _ v: PackedSequence, heads: Int) -> PackedSequence {
        let shape = GlobalAttention.Shape(heads: heads, headChannels: q.columns / heads, offsets: q.offsets)
        let q = q.tensor, k = k.tensor, v = v.tensor
        let y = Tensor(rows: q.rows, columns: q.columns, requiresGradient: isRecording)
        // Without backward no probabilities are kept.
        let probabilities = isRecording ? Tensor(rows: 1, columns: shape.probabilityCount, requiresGradient: false) : nil
        do {
            let scratch = Tensor(rows: 1, columns: shape.forwardScratchCount(keepsProbabilities: isRecording), requiresGradient: false)
            computing {
                GlobalAttention.forward(
                    q.values, k.values, v.values, shape, into: y.values, probabilities: probabilities?.values, scratch: scratch.values)
            }
        }
        guard let probabilities else { return PackedSequence(y, offsets: shape.offsets) }
        record {
            guard let dy = y.gradient else { return }
            let scratch = Tensor(rows: 1, columns: shape.backwardScratchCount, requiresGradient: false)
            Self.withFreshGradients(q, k, v) { dq, dk, dv in
                computing {
                    GlobalAttention.backward(
                        dy, q.values, k.values, v.values, probabilities: probabilities.values, shape, scratch: scratch.values, dq: dq, dk: dk, dv: dv)
                }
            }
        }
        return PackedSequence(y, offsets: shape.offsets)
    }

    /// Gradients for kernels that only store: straight into q, k, v when nothing is there yet, by way of a buffer otherwise.
    private static func withFreshGradients(
        _ q: Tensor, _ k: Tensor, _ v: Tensor,
        _ body: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let tensors = [q, k, v]
        let distinct = q !== k && k !== v && q !== v
        let buffers = tensors.map { tensor in
            distinct && tensor.requiresGradient && tensor.gradient == nil
                ? nil : Tensor(rows: tensor.rows, columns: tensor.columns, requiresGradient: false)
        }
        let pointers = zip(tensors, buffers).map { tensor, buffer in buffer?.values ?? tensor.gradientToWrite().pointer }
        body(pointers[0], pointers[1], pointers[2])
        for (tensor, buffer) in zip(tensors, buffers) { if let buffer { tensor.addGradient(buffer.values) } }
    }
}
