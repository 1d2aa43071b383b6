import ActionDetection
import Detectors
import Diagnostics
import FeatureStore
import PseudoLabels
import RunRecords
import TemporalAnnotations
import Training
import TrainingMethods

extension WeakSupervisionMethod {
    /// Labels the training recordings: each rank its part, rank 0 gathers and writes the file, all ranks receive what is to be learnt from.
    func label(_ number: Int, name: String, _ run: RunContext, _ predict: () throws -> [PseudoLabel]) throws {
        let gathered = try PseudoLabelExchange.gather(try predict(), communicator: run.communicator)
        let thresholds = PseudoLabelThresholds(theta: number > 1 ? settings.distillScore : settings.filter == .none ? nil : settings.filterScore)
        var quality: PseudoLabelQuality?
        let chosen = try run.communicator.throwTogether { () throws -> [PseudoLabel] in
            guard let gathered else { return [] }
            quality = try RoundRecord.write(
                gathered, thresholds, round: number, name: name, videos: recordings, previous: round.quality, run)
            return gathered.filter(\.fate.isLabel)
        }
        let labels = try PseudoLabelExchange.broadcast(chosen, communicator: run.communicator)
        guard !labels.isEmpty || number > 1 else {
            throw Failure.failed(
                "the filter leaves none of the generator's proposals", at: .key("fustal.filter_score"),
                advice: "lower the thresholds of the filter, or train the generator longer")
        }
        var next = RoundLabels(round: number, quality: quality)
        next.add(labels, store: store)
        let learnable = next.learnable(configuration, store: store, detector: detector)
        let kind = number == 1 ? "proposals that the filter leaves" : "predictions that become labels"
        if number == 1 { try learnable.requireSome(kind, prefix: "\(name): ") }
        run.say(learnable.warnings(kind, prefix: "\(name): "))
        try take(next)
    }

    private func own(_ run: RunContext) -> [Int] {
        stride(from: run.communicator.rank, to: recordings.count, by: run.communicator.size).map { recordings[$0] }
    }

    /// The generator's proposals on this rank's part of the training recordings, filtered.
    func generatorLabels(_ run: RunContext, title: String) throws -> [PseudoLabel] {
        let own = own(run), localizer = ProposalLocalizer(training.generator, settings: settings), filter = ProposalFilter(settings)
        if settings.knownClasses { localizer.known = { [store] id in store.index(of: id).map { self.classes(of: $0) } ?? [] } }
        var result: [PseudoLabel] = []
        try Inference.forEach(own, store: store, communicator: run.communicator, title: title) { _, batch in
            let (proposals, scores) = localizer.detectWithScores(batch)[0]
            for (proposal, isKept) in zip(proposals, filter.keeps(proposals)) {
                result.append(
                    PseudoLabel(
                        video: proposal.video, segment: proposal.segment, label: proposal.label, score: proposal.score,
                        classScore: Double(scores[proposal.label]), fate: isKept ? .positive : .rejected))
            }
        }
        return result
    }

    /// The student's predictions on this rank's part of the training recordings, chosen as in a step of distillation.
    func studentLabels(_ run: RunContext, title: String) throws -> [PseudoLabel] {
        let own = own(run)
        var result: [PseudoLabel] = []
        try Inference.forEach(own, store: store, communicator: run.communicator, title: title) { place, batch in
            let found = try detector.detectWithParts(batch)[0], chosen = Set(choice(found, recording: own[place]))
            // Below the threshold the best alone is of interest; the rest would only lengthen the file.
            for (i, one) in found.enumerated() where chosen.contains(i) || one.detection.score > settings.distillScore {
                guard one.detection.segment.length > 0 else { continue }
                result.append(PseudoLabel(one, fate: chosen.contains(i) ? .positive : .rejected))
            }
        }
        return result
    }

    /// Places in a list of predictions, best first, of those that become labels: scores above the threshold, the best one when there is none; of the
    /// known classes alone when these are used, and apart from each other.
    func choice(_ found: [AssessedDetection], recording: Int) -> [Int] {
        let known = settings.knownClasses ? Set(classes(of: recording)) : nil
        let allowed = found.indices.filter { known?.contains(found[$0].detection.label) ?? true && found[$0].gridSegment.length > 0 }
        let sure = allowed.filter { found[$0].detection.score > settings.distillScore }
        guard !sure.isEmpty else { return Array(allowed.prefix(1)) }
        return ProposalFilter(settings).apart(sure) { found[$0].detection.segment }
    }
}
