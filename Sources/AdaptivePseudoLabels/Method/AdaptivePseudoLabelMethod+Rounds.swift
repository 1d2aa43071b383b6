import ActionDetection
import Collectives
import Detectors
import Diagnostics
import Foundation
import PseudoLabels
import RandomStreams
import RunRecords
import TemporalAnnotations
import Training
import TrainingMethods

extension AdaptivePseudoLabelMethod {
    /// Labels the unlabelled recordings again: each rank predicts on its part, rank 0 selects and refines over the whole set and writes the round's
    /// file, all ranks receive what is to be learnt from.
    func beginRound(_ number: Int, name: String, _ run: RunContext) throws {
        try learnToCompare(round: number, run)
        let trust = comparisonsTrusted(name, run)
        let gathered = try taught(recordings.unlabeled, round: number, run, title: "\(name): labelling")
        let precise = settings.pseudoLabels.selection == .precision
        let known = precise ? try taught(heldOut, round: number, run, title: "\(name): held-out recordings, labelling") : nil
        var quality: PseudoLabelQuality?
        let chosen = try run.communicator.throwTogether { () throws -> [PseudoLabel] in
            guard let gathered else { return [] }
            let (labels, thresholds) = selected(gathered, knowing: known, trusting: trust)
            quality = try RoundRecord.write(
                labels, thresholds, round: number, name: name, videos: recordings.unlabeled, previous: round.quality,
                expectedActions: expectedActions.reduce(0, +), run)
            return settings.pseudoLabels.uncertain == .background ? labels.filter(\.fate.isLabel) : labels
        }
        let labels = try PseudoLabelExchange.broadcast(chosen, communicator: run.communicator)
        var next = RoundLabels(round: number, normalizers: number == 1 ? run.state.normalizers.values : round.normalizers, quality: quality)
        next.add(labels.filter(\.fate.isLabel), store: store)
        let uncertain = labels.filter { !$0.fate.isLabel }
        switch settings.pseudoLabels.uncertain {
        case .background: break
        case .ignore: next.ignore(uncertain, store: store)
        case .soft:
            next.weigh(uncertain.filter { $0.fate == .rejected }, overlap: Self.uncertainOverlap, store: store)
            // Sure of itself and unlike its class: nothing is known of it.
            next.ignore(uncertain.filter { $0.fate == .removed }, store: store)
        }
        try take(next)
        beginStudent(round: number, run.state)
        if run.communicator.isRoot { run.say(warnings(next, name: name)) }
    }

    /// A new discriminator on what the teacher has learnt, where instances are compared by it.
    private func learnToCompare(round: Int, _ run: RunContext) throws {
        guard let discriminator, !instanceRows.isFixed else { return }
        func learn() throws { try discriminator.learn(run, labeled: recordings.labeled, round: round) { instanceRows($0) } }
        try run.state.with(settings.pseudoLabels.teacher, learn)
    }

    /// Whether comparisons are worth what `icd.required_precision` asks for; all ranks find the same.
    private func comparisonsTrusted(_ name: String, _ run: RunContext) -> (removal: Bool, promotion: Bool) {
        guard let required = settings.discriminator.requiredPrecision, let discriminator else { return (true, true) }
        let found = discriminator.leftOut(), trust = found.trusted(required)
        if run.communicator.isRoot { run.say(["\(name): \(found.summary(required))"]) }
        return trust
    }

    /// Uncertain candidates that overlap a label, or a better candidate, by more are not learnt from.
    private static let uncertainOverlap = 0.1

    /// What of a round's labels cannot be learnt.
    package func warnings(_ labels: RoundLabels, name: String) -> [String] {
        let learnable = labels.learnable(configuration, store: store, detector: detector)
        guard learnable.learnable == 0 else { return learnable.warnings("pseudo-labels", prefix: "\(name): ") }
        let unlabeled = "the \(recordings.unlabeled.count) unlabelled recordings"
        guard learnable.total > 0 else {
            return [
                "warning: \(name): no prediction on \(unlabeled) became a pseudo-label, they are learnt as background alone; lower "
                    + "apl.selection_floor, or train the burn-in longer"
            ]
        }
        return ["warning: \(name): no pseudo-label can be positive, \(unlabeled) are learnt as background alone"]
            + learnable.warnings("pseudo-labels", prefix: "\(name): ")
    }

    /// The teacher's predictions on recordings that are not trained on with their labels, gathered on rank 0; nil on the other ranks.
    private func taught(_ all: [Int], round: Int, _ run: RunContext, title: String) throws -> [PseudoLabel]? {
        func predict() throws -> [PseudoLabel] { try predictions(on: all, round: round, run, title: title) }
        let own = try run.state.with(settings.pseudoLabels.teacher, predict)
        return try PseudoLabelExchange.gather(own, communicator: run.communicator)
    }

    /// Of this rank's part of the recordings, those that are not too unsure, with their similarity to the labelled instances.
    private func predictions(on all: [Int], round: Int, _ run: RunContext, title: String) throws -> [PseudoLabel] {
        let own = Inference.own(all, of: store, run.communicator).map { all[$0] }
        let labelled = discriminator.map { $0.discriminator.projected($0.bank) }
        let views = TeacherViews(count: settings.pseudoLabels.teacherViews, dropout: settings.pseudoLabels.viewDropout)
        var result: [PseudoLabel] = []
        try Inference.forEach(own, store: store, communicator: run.communicator, title: title) { place, batch in
            var predicted = try views.predictions(detector, batch) { RandomStream(seed: seed, "view", own[place], round, $0) }
            if let classScores { predicted = try classScores(predicted, of: store.videos[own[place]].id) }
            let found = predicted.filter {
                score(PseudoLabel($0)) >= settings.pseudoLabels.selectionFloor && $0.detection.segment.length > 0
            }
            var similarities = [Float](repeating: .nan, count: found.count)
            if let discriminator, let labelled, !found.isEmpty {
                var instances = discriminator.emptySet
                let rows = instanceRows(batch)
                for one in found {
                    instances.append(one.gridSegment, label: one.detection.label, video: rows.tensor.values, rows: rows.rows)
                }
                similarities = discriminator.discriminator.similarities(instances, to: labelled)
            }
            for (one, similarity) in zip(found, similarities) { result.append(PseudoLabel(one, similarity: similarity)) }
        }
        return result
    }

    /// The score from which on predictions on the held-out recordings have the wanted precision; nil without any prediction there.
    private func preciseThreshold(_ known: [PseudoLabel]) -> Double? {
        PrecisionThreshold.threshold(
            known, truth: heldOut.map { store.videos[$0].annotation }, target: settings.pseudoLabels.precisionTarget, score: score)
    }

    /// Per class, how many actions the unlabelled recordings would have at the labelled ones' rate per second.
    package var expectedActions: [Double] {
        func seconds(_ videos: [Int]) -> Double { videos.reduce(0) { $0 + store.videos[$1].annotation.duration } }
        let labeled = recordings.labeled + heldOut, ratio = seconds(recordings.unlabeled) / seconds(labeled)
        var counts = [Double](repeating: 0, count: store.classes.count)
        for video in labeled { for instance in store.videos[video].annotation.instances { counts[instance.label] += 1 } }
        return counts.map { $0 * ratio }
    }

    /// What selection looks at: the joint score, or P_cls, lowered by Soft-NMS just as much.
    private func score(_ label: PseudoLabel) -> Double {
        guard settings.pseudoLabels.selectionScore == .classScore else { return label.score }
        guard let overlap = label.tIoU else { return label.score }
        let quality = settings.quality, reliability = label.tND.map { max(overlap - $0, Double(quality.floor)) } ?? overlap
        return min(1, label.score / max(pow(reliability, Double(quality.power)), .leastNormalMagnitude))
    }

    /// Selection by score (Eq. 6), refinement by similarity (EAP, MPP), over all recordings.
    ///
    /// - Parameters:
    ///   - gathered: predictions on the unlabelled recordings.
    ///   - known: those on the held-out ones, for selection by precision.
    ///   - trust: whether comparisons may remove labels, and promote candidates.
    func selected(
        _ gathered: [PseudoLabel], knowing known: [PseudoLabel]? = nil, trusting trust: (removal: Bool, promotion: Bool) = (true, true)
    ) -> (labels: [PseudoLabel], thresholds: PseudoLabelThresholds) {
        let apl = settings.pseudoLabels, icd = settings.discriminator, classes = store.classes
        let threshold: SelectionSettings.Threshold =
            switch apl.selection {
            case .adaptive: .adaptive
            case .adaptivePerClass: .adaptivePerClass
            case .fixed: .fixed(apl.fixedThreshold)
            case .matched: .matched(expected: expectedActions)
            case .mixture: .mixture
            case .precision: preciseThreshold(known ?? []).map { .fixed($0) } ?? .adaptive
            }
        var videos: [VideoID: Int] = [:]
        let instances = gathered.map { label in
            if videos[label.video] == nil { videos[label.video] = videos.count }
            return PseudoInstance(
                video: videos[label.video] ?? 0, label: label.label, start: Float(label.segment.start), end: Float(label.segment.end),
                jointScore: Float(score(label)), classScore: Float(label.classScore), similarity: label.similarity.map { Float($0) } ?? .nan)
        }
        let selection = PseudoLabelSelection(
            instances, classes: classes.count, settings: SelectionSettings(threshold: threshold, floor: apl.selectionFloor))
        let refinement = RefinementSettings(
            eap: icd.eap && trust.removal, mpp: icd.mpp && trust.promotion, eapThreshold: Float(icd.eapThreshold),
            mppThreshold: Float(icd.mppThreshold),
            mppOverlap: Float(icd.mppOverlap))
        let fates = selection.refined(instances, settings: refinement)
        var labels: [PseudoLabel] = []
        for (label, fate) in zip(gathered, fates) {
            guard let known = PseudoLabelFate(fate) else { continue }
            labels.append(label)
            labels[labels.count - 1].fate = known
        }
        let perClass = zip(classes.names, selection.perClass).filter { $1.threshold.isFinite }.map { ($0, $1.threshold) }
        let isOne = selection.perClass.isEmpty && selection.overall.threshold.isFinite
        let thresholds = PseudoLabelThresholds(
            theta: isOne ? selection.overall.threshold : nil, thetaPerClass: Dictionary(uniqueKeysWithValues: perClass),
            removedBelow: icd.eap && trust.removal ? icd.eapThreshold : nil, promotedFrom: icd.mpp && trust.promotion ? icd.mppThreshold : nil)
        return (labels, thresholds)
    }
}

extension PseudoLabelFate {
    /// nil for predictions that were dropped first.
    init?(_ fate: PseudoInstanceFate) {
        switch fate {
        case .dropped: return nil
        case .positive: self = .positive
        case .removed: self = .removed
        case .promoted: self = .promoted
        case .candidate, .rejected: self = .rejected
        }
    }
}
