import Kernels

/// The recorded operations of one forward pass, the last one on top.
///
/// Every operation records one closure that propagates the gradient of its result to its inputs. `backward()` pops and runs the closures; popping a
/// closure releases its tensors, so their buffers are reused by the operations that follow.
public final class Tape {
    private struct Entry {
        let leaves: [Tensor]
        let run: () -> Void
    }

    /// False for inference: nothing is recorded, activations are freed as soon as they are used.
    public let isRecording: Bool
    /// Whether what `recomputed` is given is computed again in backward instead of being kept.
    public let recomputes: Bool
    /// Whether weights are read more often than they change, so that products read copies in the fastest form. What backward computes again must have
    /// been computed in the same way.
    let isOfInference: Bool
    private var entries: [Entry] = []

    /// Called once for every parameter, when its last recorded use has added its gradient.
    public var onGradientReady: ((Tensor) -> Void)?
    /// Called after every operation's backward: a place to let messages progress.
    public var onProgress: (() -> Void)?

    /// `recomputing` trades a second forward pass of the large operations for memory; without recording it has no effect.
    public init(recording: Bool = true, recomputing: Bool = false) {
        isRecording = recording
        recomputes = recording && recomputing
        isOfInference = !recording
    }

    /// A first pass that records nothing, of what is computed again in backward.
    private init(firstPassOf _: Tape) {
        isRecording = false
        recomputes = false
        isOfInference = false
    }

    /// - Parameters:
    ///   - leaves: the parameters that `run` adds gradients to.
    ///   - run: reads the result's gradient, writes the inputs' gradients.
    public func record(leaves: [Tensor] = [], _ run: @escaping () -> Void) {
        guard isRecording else { return }
        for leaf in leaves { leaf.pendingUses += 1 }
        entries.append(Entry(leaves: leaves, run: run))
    }

    /// The result of `body`, of which nothing but x is kept: backward runs `body` once more. Less memory, more work, the same bits.
    ///
    /// - Parameters:
    ///   - x: the only input that is kept.
    ///   - leaves: the parameters that `body` uses.
    ///   - body: computes on the tape it is given; twice the same.
    public func recomputed(_ x: Tensor, leaves: [Tensor], _ body: @escaping (Tape, Tensor) -> Tensor) -> Tensor {
        guard recomputes else { return body(self, x) }
        let first = body(Tape(firstPassOf: self), x)
        let y = Tensor(rows: first.rows, columns: first.columns, requiresGradient: true)
        if !Rehearsal.isRunning { y.values.update(from: first.values, count: y.count) }
        // The leaves are announced when this entry is done, not within.
        record(leaves: leaves) {
            guard let dy = y.gradient else { return }
            let tape = Tape()
            body(tape, x).addGradient(dy)
            tape.backward()
        }
        return y
    }

    public var isEmpty: Bool { entries.isEmpty }

    /// Runs all recorded operations backwards and forgets them.
    public func backward() {
        while let entry = entries.popLast() {
            entry.run()
            for leaf in entry.leaves {
                leaf.pendingUses -= 1
                if leaf.pendingUses == 0 { onGradientReady?(leaf) }
            }
            onProgress?()
        }
    }
}

extension Tape {
    /// A result of x's size, with undefined values.
    ///
    /// - Parameter onlyForProducts: nothing but linear layers reads it: where these round their operands it exists rounded alone (`Tensor.rounded`).
    func result(like x: Tensor, onlyForProducts: Bool) -> Tensor {
        guard onlyForProducts && ComputeContext.current.precision == .bfloat16 else {
            return Tensor(rows: x.rows, columns: x.columns, requiresGradient: isRecording)
        }
        return Tensor(roundedRows: x.rows, columns: x.columns, requiresGradient: isRecording)
    }
}
