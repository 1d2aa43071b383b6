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
    func label(_ number: Int, name: String, _ run: RunContext, _ predict: () throws -> Predicted) throws {
        let predicted = try predict()
        let gathered = try PseudoLabelExchange.gather(predicted.labels, communicator: run.communicator)
        let divided = try exchange(predicted.divided, run)
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
        next.ignored = divided
        let learnable = next.learnable(configuration, store: store, detector: detector)
        let kind = number == 1 ? "proposals that the filter leaves" : "predictions that become labels"
        if number == 1 { try learnable.requireSome(kind, prefix: "\(name): ") }
        run.say(learnable.warnings(kind, prefix: "\(name): "))
        try take(next)
    }

    /// What a rank says of its part of the training recordings.
    struct Predicted {
        var labels: [PseudoLabel]
        /// Stretches that the student is not to learn from, by position of the recording in the store.
        var divided: [Int: [Segment]] = [:]
    }

    /// The stretches of all ranks; each recording is one rank's.
    private func exchange(_ divided: [Int: [Segment]], _ run: RunContext) throws -> [Int: [Segment]] {
        guard settings.maskDisagreement != nil else { return [:] }
        var own = RoundLabels(), all = RoundLabels()
        own.ignored = divided
        for rows in try run.communicator.allGather(own.ignoredRows) { _ = all.add(rowWeights: [], ignoredRows: rows, store: store) }
        return all.ignored
    }

    private func own(_ run: RunContext) -> [Int] {
        Inference.own(recordings, of: store, run.communicator).map { recordings[$0] }
    }

    /// The generators' proposals on this rank's part of the training recordings, filtered, and where the sources are divided.
    func generatorLabels(_ run: RunContext, title: String) throws -> Predicted {
        let own = own(run), localizer = ProposalLocalizer(training.map(\.generator), settings: settings), filter = ProposalFilter(settings)
        if settings.knownClasses { localizer.known = { [store] id in store.index(of: id).map { self.classes(of: $0) } ?? [] } }
        var result = Predicted(labels: [])
        try Inference.forEach(own, store: store, communicator: run.communicator, title: title) { place, batch in
            let found = localizer.detectWithScores(batch)[0]
            if !found.divided.isEmpty { result.divided[own[place]] = found.divided }
            for (proposal, isKept) in zip(found.proposals, filter.keeps(found.proposals, densities: found.densities)) {
                result.labels.append(
                    PseudoLabel(
                        video: proposal.video, segment: proposal.segment, label: proposal.label, score: proposal.score,
                        classScore: Double(found.videoScores[proposal.label]), fate: isKept ? .positive : .rejected))
            }
        }
        return result
    }

    /// The student's predictions on this rank's part of the training recordings, chosen as in a step of distillation.
    func studentLabels(_ run: RunContext, title: String) throws -> Predicted {
        let own = own(run)
        var result: [PseudoLabel] = []
        try Inference.forEach(own, store: store, communicator: run.communicator, title: title) { place, batch in
            let found = try candidates(batch)[0], chosen = Set(choice(found, recording: own[place]))
            // Below the threshold the best alone is of interest; the rest would only lengthen the file.
            for (i, one) in found.enumerated() where chosen.contains(i) || one.detection.score > settings.distillScore {
                guard one.detection.segment.length > 0 else { continue }
                result.append(PseudoLabel(one, fate: chosen.contains(i) ? .positive : .rejected))
            }
        }
        return Predicted(labels: result)
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
