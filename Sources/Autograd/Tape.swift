/// The recorded operations of one forward pass, last one on top.
///
/// Every operation puts one closure here that takes the gradient of its result to its inputs. `backward()` pops and runs them; popping a closure lets go
/// of its tensors, so their buffers serve the operations that follow.
public final class Tape {
    private struct Entry {
        let leaves: [Tensor]
        let run: () -> Void
    }

    /// False for inference: nothing is recorded, activations are freed as soon as they are used.
    public let isRecording: Bool
    private var entries: [Entry] = []

    /// Called once for every parameter, when its last recorded use has added its gradient.
    public var onGradientReady: ((Tensor) -> Void)?
    /// Called after every operation's backward: a place to let messages progress.
    public var onProgress: (() -> Void)?

    public init(recording: Bool = true) { isRecording = recording }

    /// - Parameters:
    ///   - leaves: the parameters that `run` adds gradients to.
    ///   - run: reads the result's gradient, writes the inputs' gradients.
    public func record(leaves: [Tensor] = [], _ run: @escaping () -> Void) {
        guard isRecording else { return }
        for leaf in leaves { leaf.pendingUses += 1 }
        entries.append(Entry(leaves: leaves, run: run))
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
