import Autograd
import Collectives
import Detectors
import Diagnostics
import NeuralNetworks
import Sampling

/// The ordinary step of a detector, whichever way it finds its targets.
extension TrainingStep {
    /// Forward, losses and backward over one or several views of each shard's recordings.
    ///
    /// - Parameters:
    ///   - detector: what is trained.
    ///   - views: for each shard of this rank; as many for every shard.
    /// - Returns: for each shard the parts of the loss, `total` among them.
    /// - Throws: `Failure` for weights of labels that the detector does not heed, and when the exchange between ranks fails.
    public func learn<D: Detector>(_ detector: D, views: [[LearningView]]) throws -> [[String: Double]] {
        try learn(detector, views: views, LearningRules())
    }

    /// Like `learn(_:views:)`, with what the method adds.
    ///
    /// - Throws: as `learn(_:views:)`, and whatever the rules throw.
    public func learn<D: Detector>(_ detector: D, views: [[LearningView]], _ rules: LearningRules<D>) throws -> [[String: Double]] {
        try requireWeights(detector, views)
        if parts > 1 { return try learnInParts(detector, views: views) }
        switch detector.assignment {
        case .fromAnnotations(let assign):
            var targets = try views.map { try $0.map { try self.targets(detector, of: $0, assign) } }
            let normalizers = try normalizers(&targets, of: views, rules.normalizers)
            return try learn(detector, views, targets, normalizers, rules)
        case .fromOutputs(let assign): return try learn(detector, views, assigning: assign, rules)
        }
    }

    /// Targets are known: a shard's gradients are seeded in its forward pass, and sums travel while the next shard runs.
    private func learn<D: Detector>(
        _ detector: D, _ views: [[LearningView]], _ targets: [[D.Targets]], _ normalizers: [[Float]], _ rules: LearningRules<D>
    ) throws -> [[String: Double]] {
        let first = shards.owned.lowerBound
        func forward(_ shard: Int, _ tape: Tape) throws -> [String: Double] {
            let place = shard - first
            var losses = ViewLosses()
            for (number, view) in views[place].enumerated() {
                let (outputs, pass) = forwarded(detector, view, shard: shard, tape: tape)
                losses.add(
                    detector.seedLosses(outputs, targets: targets[place][number], normalizers: view.divisors(normalizers[number]), tape: tape),
                    of: view)
                losses.add(further: try rules.further?(place, number, outputs, pass) ?? [:])
            }
            return losses.parts
        }
        guard let together = rules.together else { return try forwardAndBackward { shard, _, tape in try forward(shard, tape) } }
        return try forwardThenBackward { shard, _, tape in
            try forward(shard, tape)
        } together: { losses in
            var losses = losses
            try together(&losses)
            return losses
        }
    }

    /// What a shard's forward pass leaves behind where targets depend on outputs.
    private struct Forwarded<D: Detector> {
        var tape: Tape
        var outputs: [D.Outputs]
        /// What the method has added, view by view.
        var further: [[String: Double]]
    }

    /// Targets need the outputs: all shards run forward, targets are made, their counts travel, losses are seeded; then backward.
    private func learn<D: Detector>(
        _ detector: D, _ views: [[LearningView]], assigning assign: @escaping (PackedBatch, D.Outputs) -> D.Targets,
        _ rules: LearningRules<D>
    ) throws -> [[String: Double]] {
        let first = shards.owned.lowerBound
        return try forwardThenBackward { shard, _, tape -> Forwarded<D> in
            var result = Forwarded<D>(tape: tape, outputs: [], further: [])
            for (number, view) in views[shard - first].enumerated() {
                let (outputs, pass) = forwarded(detector, view, shard: shard, tape: tape)
                result.outputs.append(outputs)
                result.further.append(try rules.further?(shard - first, number, outputs, pass) ?? [:])
            }
            return result
        } together: { results in
            var targets = try zip(views, results).map { views, result in
                try zip(views, result.outputs).map { view, outputs in try self.targets(detector, of: view) { assign($0, outputs) } }
            }
            let normalizers = try normalizers(&targets, of: views, rules.normalizers)
            var losses = results.enumerated().map { place, result in
                var losses = ViewLosses()
                for (number, view) in views[place].enumerated() {
                    losses.add(
                        detector.seedLosses(
                            result.outputs[number], targets: targets[place][number], normalizers: view.divisors(normalizers[number]),
                            tape: result.tape), of: view)
                    losses.add(further: result.further[number])
                }
                return losses.parts
            }
            try rules.together?(&losses)
            return losses
        }
    }

    /// - Throws: `Failure.wrongUsage` where the view is a mixture, and the detector's targets are not those of points.
    private func targets<D: Detector>(_ detector: D, of view: LearningView, _ assign: (PackedBatch) -> D.Targets) throws -> D.Targets {
        let own = assign(view.batch)
        guard let mixture = view.mixture else { return own }
        guard let points = (detector as? any PointClassifier)?.points(view.batch.features), let first = own as? PointTargets,
            let second = assign(mixture.moved) as? PointTargets,
            let mixed = MixUp.targets(
                first, second, points: points, classes: first.classes.count / max(1, points.count), mixes: mixture.mixes) as? D.Targets
        else { throw Failure.wrongUsage("MixUp needs a detector whose points classify", at: .key("model.name"), advice: "mix nothing") }
        return mixed
    }

    private func forwarded<D: Detector>(_ detector: D, _ view: LearningView, shard: Int, tape: Tape) -> (D.Outputs, ForwardPass) {
        let pass = ForwardPass(tape: tape, isTraining: true, random: random(view.purpose, shard: shard))
        var batch = view.batch
        if let augment = view.augment { batch.features = augment(batch.features) }
        return (detector(batch, pass), pass)
    }

    /// - Parameters:
    ///   - targets: [shard of this rank][view]; what they draw from the sums of their counts is drawn.
    ///   - views: likewise.
    ///   - rule: of the method.
    /// - Returns: for each view what its losses are divided by.
    private func normalizers<Targets: DetectorTargets>(
        _ targets: inout [[Targets]], of views: [[LearningView]], _ rule: (([[Double]]) -> [[Float]])?
    ) throws -> [[Float]] {
        var counts = try sumCounts(targets.map { $0.map(\.counts) })
        let further = targets.indices.map { place in
            targets[place].indices.map { number in
                var stream = random("targets of \(views[place][number].purpose)", shard: shards.owned.lowerBound + place)
                return targets[place][number].settle(counts[number], random: &stream)
            }
        }
        counts = zip(counts, try sumFurtherCounts(further)).map { $0 + $1 }
        if let rule { return rule(counts) }
        let sums = counts.dropFirst().reduce(counts.first ?? []) { zip($0, $1).map { $0 + $1 } }
        let shared = state.normalizers.update(sums)
        return counts.map { _ in shared }
    }

    /// - Throws: `Failure.wrongUsage` where labels have weights that the detector does not heed.
    private func requireWeights<D: Detector>(_ detector: D, _ views: [[LearningView]]) throws {
        guard views.joined().contains(where: { $0.batch.weights != nil }), !(detector is any WeightedTargets) else { return }
        throw Failure.wrongUsage(
            "the method weighs its labels, which the detector does not heed", at: .key("model.name"),
            advice: "choose a detector whose targets have weights")
    }
}

extension LearningView {
    /// Dividing by less weighs more.
    fileprivate func divisors(_ normalizers: [Float]) -> [Float] { normalizers.map { $0 / Float(weight) } }
}

/// The parts of a shard's loss, summed up view by view.
private struct ViewLosses {
    private(set) var parts: [String: Double] = [:]
    private var total = 0.0

    /// - Parameter losses: with the view's weight.
    mutating func add(_ losses: [String: Double], of view: LearningView) {
        for (name, value) in losses where name != "total" { parts[view.prefix + name, default: 0] += value / view.weight }
        addTotal(losses)
    }

    mutating func add(further losses: [String: Double]) {
        for (name, value) in losses where name != "total" { parts[name, default: 0] += value }
        addTotal(losses)
    }

    private mutating func addTotal(_ losses: [String: Double]) {
        total += losses["total"] ?? 0
        parts["total"] = total
    }
}
