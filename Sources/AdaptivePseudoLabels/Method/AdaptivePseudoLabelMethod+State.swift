import Checkpoints
import PseudoLabels

/// What a checkpoint keeps, as the bytes of doubles and floats of this machine.
///
/// `apl_round`: round, first normaliser, whether the quality is known and its four numbers, the discriminator's steps. `apl_normalizers`: the others, where the detector has several. `apl_labels`: position of the
/// recording in the store, start, end (seconds), class of each pseudo-label. `apl_label_weights`: their weights, unless all are 1. `apl_ignored`:
/// position of the recording, start, end of each stretch of which nothing is known. `apl_pyramid`: the pre-trained pyramid that students begin with.
/// `apl_guard`, `apl_guard_weights`, `apl_guard_average`: the best average mAP on the held-out recordings, and the weights that had it.
/// `apl_burn_in_weights`, `apl_burn_in_average`: those of the burn-in's end, until the last round's. `icd_weights`, `icd_first_moments`,
/// `icd_second_moments`: in the order of the discriminator's parameters.
extension AdaptivePseudoLabelMethod {
    private var discriminatorArrays: [(name: String, values: UnsafeMutablePointer<Float>, count: Int)] {
        guard let icd = discriminator else { return [] }
        return [
            ("icd_weights", icd.arena.values, icd.arena.count), ("icd_first_moments", icd.optimizer.firstMoments, icd.arena.count),
            ("icd_second_moments", icd.optimizer.secondMoments, icd.arena.count),
        ]
    }

    public var learntArrays: [UnsafeBufferPointer<Float>] {
        discriminatorArrays.prefix(1).map { UnsafeBufferPointer(start: $0.values, count: $0.count) }
    }

    public var state: [String: [UInt8]] {
        var result = ["apl_round": StateBytes.bytes(round.numbers + [Double(discriminator?.optimizer.step ?? 0)])]
        let labels = round.rows
        if round.normalizers.count > 1 { result["apl_normalizers"] = StateBytes.bytes(Array(round.normalizers.dropFirst())) }
        if !labels.isEmpty { result["apl_labels"] = StateBytes.bytes(labels) }
        if !round.weights.isEmpty { result["apl_label_weights"] = StateBytes.bytes(round.rowWeights) }
        if !round.ignored.isEmpty { result["apl_ignored"] = StateBytes.bytes(round.ignoredRows) }
        if !pretrained.isEmpty { result["apl_pyramid"] = StateBytes.bytes(pretrained) }
        if let best {
            result["apl_guard"] = StateBytes.bytes([best.score])
            result.merge(best.saved.state("apl_guard")) { $1 }
        }
        if let burnIn { result.merge(burnIn.state("apl_burn_in")) { $1 } }
        for (name, values, count) in discriminatorArrays { result[name] = StateBytes.bytes(values, count: count) }
        return result
    }

    public func restore(_ state: [String: [UInt8]]) throws {
        let numbers: [Double] = StateBytes.values(state["apl_round"] ?? [])
        guard numbers.count == RoundLabels.numberCount + 1, var labels = RoundLabels(numbers: numbers.dropLast()),
            let steps = Int(exactly: numbers[RoundLabels.numberCount])
        else { throw StateBytes.damaged("apl_round", in: state) }
        labels.normalizers += StateBytes.values(state["apl_normalizers"] ?? [])
        guard labels.round == 0 || labels.normalizers.count == detector.normalizers.count else {
            throw StateBytes.damaged("apl_normalizers", in: state)
        }
        guard labels.add(rows: StateBytes.values(state["apl_labels"] ?? []), store: store) else {
            throw StateBytes.damaged("apl_labels", in: state)
        }
        let weights: [Float] = StateBytes.values(state["apl_label_weights"] ?? []), ignored: [Double] = StateBytes.values(state["apl_ignored"] ?? [])
        guard labels.add(rowWeights: weights, ignoredRows: ignored, store: store) else {
            throw StateBytes.damaged(weights.isEmpty ? "apl_ignored" : "apl_label_weights", in: state)
        }
        let values: [Float] = StateBytes.values(state["apl_pyramid"] ?? [])
        guard values.isEmpty || values.count == pyramid.reduce(0, { $0 + $1.count }) else {
            throw StateBytes.damaged("apl_pyramid", in: state)
        }
        pretrained = values
        best = try guarded(state)
        burnIn = try keptBurnIn(state)
        for (name, values, count) in discriminatorArrays { try StateBytes.restore(name, of: state, into: values, count: count) }
        discriminator?.optimizer.step = steps
        try take(labels)
    }
}
