import Checkpoints
import PseudoLabels

/// What a checkpoint keeps, as the bytes of this machine's numbers.
///
/// Until the student begins: `generator_weights`, `generator_first_moments`, `generator_second_moments` in the order of the generator's parameters,
/// and `generator_step`. From then on the labels alone: `fustal_round` (see `RoundLabels.numbers`) and `fustal_labels`.
extension WeakSupervisionMethod {
    private var generatorArrays: [(name: String, values: UnsafeMutablePointer<Float>)] {
        [
            ("generator_weights", training.arena.values), ("generator_first_moments", training.optimizer.firstMoments),
            ("generator_second_moments", training.optimizer.secondMoments),
        ]
    }

    public var learntArrays: [UnsafeBufferPointer<Float>] {
        round.round == 0 ? [UnsafeBufferPointer(start: training.arena.values, count: training.arena.count)] : []
    }

    public var state: [String: [UInt8]] {
        guard round.round == 0 else {
            return ["fustal_round": StateBytes.bytes(round.numbers), "fustal_labels": StateBytes.bytes(round.rows)]
        }
        var result = ["generator_step": StateBytes.bytes([Double(training.optimizer.step)])]
        for (name, values) in generatorArrays { result[name] = StateBytes.bytes(values, count: training.arena.count) }
        return result
    }

    /// Takes up the round's labels if there are any, otherwise the generator's weights and moments.
    ///
    /// - Throws: `Failure.badInput` when the bytes are not what `state` writes.
    public func restore(_ state: [String: [UInt8]]) throws {
        if let bytes = state["fustal_round"] {
            let numbers: [Double] = StateBytes.values(bytes)
            guard var labels = RoundLabels(numbers: numbers), labels.round > 0 else { throw StateBytes.damaged("fustal_round", in: state) }
            guard labels.add(rows: StateBytes.values(state["fustal_labels"] ?? []), store: store) else {
                throw StateBytes.damaged("fustal_labels", in: state)
            }
            return try take(labels)
        }
        let steps: [Double] = StateBytes.values(state["generator_step"] ?? [])
        guard steps.count == 1, let step = Int(exactly: steps[0]) else { throw StateBytes.damaged("generator_step", in: state) }
        for (name, values) in generatorArrays { try StateBytes.restore(name, of: state, into: values, count: training.arena.count) }
        training.optimizer.step = step
        try take(RoundLabels())
    }
}
