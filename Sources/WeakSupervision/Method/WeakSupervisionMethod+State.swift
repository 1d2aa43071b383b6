import Checkpoints
import PseudoLabels

/// What a checkpoint keeps, as the bytes of this machine's numbers.
///
/// Until the student begins: `generator_weights`, `generator_first_moments`, `generator_second_moments` in the order of the generator's parameters,
/// and `generator_step`; of further generators the same with `_1`, `_2` and so on behind the name. From then on the labels alone: `fustal_round` (see
/// `RoundLabels.numbers`), `fustal_labels`, and where there are stretches of which nothing is known `fustal_ignored`.
extension WeakSupervisionMethod {
    private var generatorArrays: [(name: String, values: UnsafeMutablePointer<Float>)] {
        training.enumerated().flatMap { number, one in
            let suffix = number == 0 ? "" : "_\(number)"
            return [
                ("generator_weights" + suffix, one.arena.values), ("generator_first_moments" + suffix, one.optimizer.firstMoments),
                ("generator_second_moments" + suffix, one.optimizer.secondMoments),
            ]
        }
    }
    /// Of each generator's array.
    private var generatorCount: Int { training[0].arena.count }

    public var learntArrays: [UnsafeBufferPointer<Float>] {
        round.round == 0 ? training.map { UnsafeBufferPointer(start: $0.arena.values, count: $0.arena.count) } : []
    }

    public var state: [String: [UInt8]] {
        guard round.round == 0 else {
            var result = ["fustal_round": StateBytes.bytes(round.numbers), "fustal_labels": StateBytes.bytes(round.rows)]
            if !round.ignored.isEmpty { result["fustal_ignored"] = StateBytes.bytes(round.ignoredRows) }
            return result
        }
        var result = ["generator_step": StateBytes.bytes([Double(training[0].optimizer.step)])]
        for (name, values) in generatorArrays { result[name] = StateBytes.bytes(values, count: generatorCount) }
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
            guard labels.add(rowWeights: [], ignoredRows: StateBytes.values(state["fustal_ignored"] ?? []), store: store) else {
                throw StateBytes.damaged("fustal_ignored", in: state)
            }
            return try take(labels)
        }
        let steps: [Double] = StateBytes.values(state["generator_step"] ?? [])
        guard steps.count == 1, let step = Int(exactly: steps[0]) else { throw StateBytes.damaged("generator_step", in: state) }
        for (name, values) in generatorArrays { try StateBytes.restore(name, of: state, into: values, count: generatorCount) }
        for one in training { one.optimizer.step = step }
        try take(RoundLabels())
    }
}
