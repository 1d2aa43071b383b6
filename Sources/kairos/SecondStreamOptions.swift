import ActionDetection
import ArgumentParser
import Collectives
import CommandSupport
import Diagnostics
import StandardRegistry
import TrainingMethods

/// A second detector, whose scores are joined with those of the first.
struct SecondStreamOptions: ParsableArguments {
    @Option(help: "A checkpoint of the same detector on other features (P-GCN), whose scores are joined with the first's; --set is said of both.")
    var secondCheckpoint: String?
    @Option(help: "The feature store of --second-checkpoint.")
    var secondStore: String?
    @Option(help: "Weight of its scores; those of --checkpoint weigh 1 (default 1.2: flow beside RGB).")
    var secondWeight: Double?

    /// - Throws: `Failure.wrongUsage` for options that do not go together.
    func check(store: String?) throws {
        guard secondCheckpoint != nil else {
            if secondStore != nil || secondWeight != nil {
                throw Failure.wrongUsage(
                    "\(secondStore != nil ? "--second-store" : "--second-weight") was given without --second-checkpoint", advice: "give both")
            }
            return
        }
        guard secondStore != nil, store != nil else {
            throw Failure.wrongUsage(
                "--second-checkpoint was given without \(store == nil ? "--store" : "--second-store")",
                advice: "streams are joined on two feature stores: give --store and --second-store")
        }
        if let secondWeight, !(secondWeight > 0 && secondWeight < 1000) {
            throw Failure.wrongUsage("--second-weight is \(secondWeight)", advice: "give a number above 0 and below 1000")
        }
    }

    /// Joins the second detector with the first; all ranks together. Without one it does nothing.
    ///
    /// - Throws: `Failure` on all ranks when the two do not go together.
    func join(
        _ first: TrainedDetector, videos: [Int], weights: TrainingConfiguration.Weights?, overrides: [String], resampling: Bool, _ world: Communicator
    ) throws {
        try world.agree(on: secondCheckpoint ?? "none", name: "--second-checkpoint")
        try world.agree(on: "\(secondWeight ?? 1.2)", name: "--second-weight")
        guard let secondCheckpoint, let secondStore else { return }
        let second = try world.throwTogether {
            try TrainedDetector(checkpoint: secondCheckpoint, store: secondStore, weights: weights, overrides: overrides, registry: .standard)
        }
        try second.agree(world)
        try world.throwTogether {
            try first.join(second, weight: secondWeight ?? 1.2, videos: videos)
            try second.fitRate(
                videos: videos.compactMap { second.store.index(of: first.store.videos[$0].id) }, resampling: resampling)
        }
        if world.isRoot { second.notes.forEach(note) }
    }
}
