import Autograd
import NeuralNetworks

/// A detector that can go over shapes alone (`Rehearsal`), so that the memory of its steps and of its detection is known beforehand.
///
/// A detector that does not adopt it can be trained all the same; its activations are then left out of the estimate of a run's memory.
public protocol RehearsedDetector: Detector {
    /// Runs the network, and where the tape records seeds every gradient that the losses seed; reads and writes no value.
    ///
    /// - Parameter features: [rows, input dimension], packed; without values.
    func rehearse(_ features: PackedSequence, _ pass: ForwardPass)
}

extension PyramidDetector {
    public func rehearse(_ features: PackedSequence, _ pass: ForwardPass) { rehearseHeads(pyramid(features, pass), pass) }

    /// The heads' part of it, for methods that need the levels too.
    public func rehearseHeads(_ levels: [PackedSequence], _ pass: ForwardPass) { rehearse(heads(levels, pass), pass) }

    private func rehearse(_ outputs: Outputs, _ pass: ForwardPass) {
        guard pass.tape.isRecording else { return }
        for tensor in outputs.predictions where tensor.requiresGradient { _ = tensor.gradientToWrite() }
    }
}
