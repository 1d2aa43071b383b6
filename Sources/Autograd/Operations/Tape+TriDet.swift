import Kernels

extension Tape {
    /// The sum at the end of a scalable-granularity perception layer: `instant * gate(sequence) + (narrow + wide) * modulation + x`.
    ///
    /// - Parameters:
    ///   - instant: the instant branch, [rows, channels].
    ///   - gate: [sequences, channels].
    ///   - narrow: the narrow window's result, [rows, channels].
    ///   - wide: the wide window's result, [rows, channels].
    ///   - modulation: the factor of the windowed branches, [rows, channels].
    ///   - x: the layer's input, packed like the others.
    public func scalableGranularity(
        instant: Tensor, gate: Tensor, narrow: Tensor, wide: Tensor, modulation: Tensor, _ x: PackedSequence
    ) -> PackedSequence {
        let input = x.tensor, offsets = x.offsets, channels = x.columns
        precondition([instant, narrow, wide, modulation].allSatisfy { $0.rows == x.rows && $0.columns == channels })
        precondition(gate.rows == x.count && gate.columns == channels)
        let y = Tensor(rows: x.rows, columns: channels, requiresGradient: isRecording)
        computing {
            ScalableGranularity.forward(
                instant: instant.values, gate: gate.values, narrow: narrow.values, wide: wide.values, modulation: modulation.values, x: input.values,
                channels: channels, offsets: offsets, into: y.values)
        }
        record {
            guard let dy = y.gradient else { return }
            func destination(_ tensor: Tensor) -> ScalableGranularity.Destination? { tensor.requiresGradient ? tensor.gradientToWrite() : nil }
            let into = [instant, narrow, wide, modulation, input].map(destination)
            computing {
                ScalableGranularity.backward(
                    dy, gate: gate.values, narrow: narrow.values, wide: wide.values, modulation: modulation.values, channels: channels,
                    offsets: offsets, instant: into[0], narrow: into[1], wide: into[2], modulation: into[3], x: into[4])
            }
            guard let dGate = destination(gate) else { return }
            computing {
                ScalableGranularity.backwardGate(
                    dy, instant: instant.values, channels: channels, offsets: offsets, into: dGate.pointer, add: dGate.add)
            }
        }
        return x.with(y)
    }

    /// The trident head's distances where they are asked for (`TridentOffsets`).
    ///
    /// - Parameters:
    ///   - start: logits of the start head, [rows, classes].
    ///   - end: logits of the end head, [rows, classes].
    ///   - center: [rows, 2 * (bins + 1)], what the centre-offset head says.
    ///   - places: the points and classes that are asked for.
    /// - Returns: [places, 2], distances to start and end, in rows.
    public func tridentOffsets(start: Tensor, end: Tensor, center: Tensor, at places: [TridentOffsets.Place]) -> Tensor {
        precondition(start.rows == center.rows && end.rows == center.rows && start.columns == end.columns)
        precondition(center.columns % 2 == 0 && places.allSatisfy { $0.row < start.rows && $0.label < start.columns })
        let head = TridentOffsets(
            start: start.values, end: end.values, center: center.values, classes: start.columns, bins: center.columns / 2 - 1)
        let y = Tensor(rows: places.count, columns: 2, requiresGradient: isRecording)
        // Per bin: a sum, a comparison, an exponential, two sums and a product, a division.
        let logits = 2 * (head.bins + 1) * places.count
        computing {
            KernelCounter.count(.loss, operations: 26 * logits, bytes: 8 * logits) {
                for (i, place) in places.enumerated() { (y.values[2 * i], y.values[2 * i + 1]) = head.distances(place) }
            }
        }
        record {
            guard let dy = y.gradient else { return }
            func cleared(_ tensor: Tensor) -> UnsafeMutablePointer<Float>? {
                guard tensor.requiresGradient else { return nil }
                let (pointer, add) = tensor.gradientToWrite()
                computing { if !add { pointer.update(repeating: 0, count: tensor.count) } }
                return pointer
            }
            let dStart = cleared(start), dEnd = cleared(end), dCenter = cleared(center)
            computing {
                KernelCounter.count(.loss, operations: 31 * logits, bytes: 24 * logits) {
                    for (i, place) in places.enumerated() {
                        head.addGradients(place, slope: (dy[2 * i], dy[2 * i + 1]), start: dStart, end: dEnd, center: dCenter)
                    }
                }
            }
        }
        return y
    }
}
