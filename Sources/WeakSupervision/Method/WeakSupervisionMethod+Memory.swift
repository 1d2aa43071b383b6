import Autograd
import NeuralNetworks
import TrainingMethods

extension WeakSupervisionMethod {
    /// The generator over whole recordings, its proposals for every recording, and with a student its training on crops and its labelling.
    public func memoryDemand(_ planner: MemoryPlanner) -> MemoryDemand {
        let shards = planner.shards.count
        // The generator sees rows of whole recordings.
        let whole = planner.longestBatch(recordings, perStep: settings.generatorBatchSize / shards, isCropped: false)
        let generator = planner.training("the generator", groups: [whole], forwardOfAllFirst: true, key: "fustal.generator_batch_size") {
            _, features, pass in
            let outputs = self.generate(features, pass)
            for tensor in [outputs.embeddings.tensor, outputs.activations.tensor] { _ = tensor.gradientToWrite() }
        }
        let parts = training.enumerated().flatMap { number, one in
            planner.trainedParts(
                one.generator, name: number == 0 ? "the generator" : "generator \(number + 1)", hasAverage: false,
                reduction: configuration.training.reductionOptions)
        }
        var demand = MemoryDemand(
            parts: parts,
            phases: [generator, proposing(planner, "proposing", recordings)])
        guard settings.student else { return demand }
        let cropped = planner.longestBatch(recordings, perStep: configuration.data.batchSize / shards)
        // The features with noise.
        let student = planner.training("the student", groups: [cropped], copies: mixing.copies + (settings.inputNoise > 0 ? 1 : 0))
        demand.phases += [student, planner.detection("labelling", videos: recordings)].compactMap { $0 }
        return demand
    }

    /// The generator over the longest of this rank's evaluated recordings; nil when it has none.
    public func localizerDemand(_ planner: MemoryPlanner, evaluated: [Int]) -> MemoryEstimate.Phase? {
        proposing(planner, "detection", evaluated)
    }

    private func proposing(_ planner: MemoryPlanner, _ name: String, _ videos: [Int]) -> MemoryEstimate.Phase? {
        planner.detection(name, videos: videos) { features, pass in _ = self.generate(features, pass) }
    }

    /// A generator on as many rows as it takes of every recording, whichever.
    private func generate(_ features: PackedSequence, _ pass: ForwardPass) -> ProposalGenerator.Outputs {
        let rows = (0..<features.count).map { Array(0..<min(settings.segments, features.rows(of: $0).count)) }
        return training[0].generator(SegmentSampling.take(features, rows: rows), pass)
    }
}
