import Autograd
import DataParallel
import Detectors
import NeuralNetworks
import TrainingMethods

extension AdaptivePseudoLabelMethod {
    public func memoryDemand(_ planner: MemoryPlanner) -> MemoryDemand {
        let data = configuration.data, apl = settings.pseudoLabels, shards = planner.shards.count
        let labeled = planner.longestBatch(recordings.labeled, perStep: data.batchSize / shards)
        let unlabeled = planner.longestBatch(recordings.unlabeled, perStep: apl.unlabeledBatchSize / shards)
        let everything = planner.longestBatch(recordings.labeled + recordings.unlabeled, perStep: data.batchSize / shards)
        let hasContrast = settings.contrast.isOn && settings.contrast.weight > 0
        func joint(_ name: String, _ groups: [[Int]]) -> MemoryEstimate.Phase? {
            let beside = hasContrast ? groups.map { contrastBytes($0.count * shards, planner.shards) } : []
            return planner.training(
                name, groups: groups, forwardOfAllFirst: hasContrast, copies: mixing.copies, beside: beside.max() ?? 0
            ) { _, features, pass in self.rehearse(features, pass, hasContrast: hasContrast) }
        }
        var demand = MemoryDemand(phases: [joint("burn-in", [labeled])])
        func add(_ phase: MemoryEstimate.Phase?) { if let phase { demand.phases.append(phase) } }
        if stages.first?.name == "pre-training" {
            add(
                planner.training(
                    "pre-training", groups: [everything], forwardOfAllFirst: true, beside: contrastBytes(everything.count * shards, planner.shards),
                    key: "acp.frames"
                ) { _, features, pass in self.rehearsePretraining(features, pass) })
        }
        if apl.rounds > 0 {
            add(joint("a round", [labeled, unlabeled]))
            add(planner.detection("labelling", videos: recordings.unlabeled + heldOut))
        }
        if hasStudents, stages.first?.name == "pre-training" {
            demand.parts.append(.init("the pre-trained pyramid", bytes: 4 * pyramid.reduce(0) { $0 + $1.count }))
        }
        if apl.guardsRounds, apl.rounds > 0 {
            demand.parts.append(.init("the best weights and their average", bytes: 2 * 4 * MemoryPlanner.count(detector)))
        }
        if share > 0 {
            demand.parts.append(.init("the burn-in's weights and their average", bytes: 2 * 4 * MemoryPlanner.count(detector)))
        }
        if let discriminator {
            let reduction = GradientReduction.Options(bucketElements: discriminator.arena.count)
            demand.parts += planner.trainedParts(
                discriminator.discriminator, name: "the discriminator", hasAverage: false, reduction: reduction)
            let instances = recordings.labeled.reduce(0) { $0 + store.videos[$1].annotation.instances.count }
            // The bank, and what was gathered for it.
            demand.parts.append(.init("labelled instances", bytes: 3 * 4 * instances * discriminator.bank.columns))
        }
        return demand
    }

    private func rehearse(_ features: PackedSequence, _ pass: ForwardPass, hasContrast: Bool) {
        switch contrasted {
        case .levels(let detector):
            let levels = (detector as? any RehearsedDetector & LevelFeatures).map { Self.rehearsedLevels($0, features, pass) }
            if hasContrast { sampleFrames(levels ?? detector.pyramid(features, pass), pass) }
        case .proposals(let detector as any RehearsedDetector & ContrastedProposals):
            Self.rehearseProposals(detector, features, pass, hasContrast: hasContrast)
        case .proposals, .nothing: (detector as? any RehearsedDetector).map { _ = $0.rehearse(features, pass) }
        }
    }

    private func rehearsePretraining(_ features: PackedSequence, _ pass: ForwardPass) {
        switch contrasted {
        case .levels(let detector): sampleFrames(detector.pyramid(features, pass), pass)
        case .proposals(let detector):
            _ = detector.rehearseContrasted(features, most: settings.contrast.frames, pass).gradientToWrite()
        case .nothing: break
        }
    }

    private static func rehearseProposals<D: RehearsedDetector & ContrastedProposals>(
        _ detector: D, _ features: PackedSequence, _ pass: ForwardPass, hasContrast: Bool
    ) {
        let outputs = detector.rehearse(features, pass)
        if hasContrast { _ = detector.contrasted(outputs, pass).embedding.tensor.gradientToWrite() }
    }

    private static func rehearsedLevels<D: RehearsedDetector & LevelFeatures>(
        _ detector: D, _ features: PackedSequence, _ pass: ForwardPass
    ) -> [PackedSequence] { detector.levels(detector.rehearse(features, pass), pass) }

    private func sampleFrames(_ levels: [PackedSequence], _ pass: ForwardPass) {
        let frames = (0..<levels[0].count).map { Array(0..<min(settings.contrast.frames, levels[0].rows(of: $0).count)) }
        _ = pass.tape.multiScaleRows(levels, frames: frames).tensor.gradientToWrite()
    }

    /// Beside what is drawn of all shards and travels (unit vectors, gradients and their sums, inputs), the frames of this rank: copies of embeddings
    /// and inputs, unit vectors, gradients. Similarities are a shard's; centers and their sums are in float64.
    private func contrastBytes(_ videos: Int, _ shards: VirtualShards) -> Int {
        let levels = Double(contrasted.columns)
        let contrast = settings.contrast, columns = Double(store.dimension)
        let frames = Double(videos) * Double(contrast.frames), drawn = min(frames, contrast.globalFrames.map(Double.init) ?? frames)
        let perShard = frames / Double(shards.count), own = frames / Double(shards.ranks), clusters = Double(contrast.clusters(batch: videos))
        let values = (3 * own + 5 * drawn) * levels + (own + 2 * drawn) * columns + 2 * perShard * drawn + 8 * clusters * columns
        return Int(min(4 * values, 0x1p62))
    }
}
