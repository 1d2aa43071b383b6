import Detectors
import RandomStreams

/// Recordings of a step, each with another mixed in.
public struct Mixture {
    /// Mixed features; actions and weights of the first recordings.
    public let batch: PackedBatch
    /// Mixed features; actions and weights of the partners, where they lie in the mixture.
    public let moved: PackedBatch
    /// Per recording.
    public let mixes: [MixUp]

    /// Draws weight and place for every recording.
    ///
    /// - Parameters:
    ///   - own: the recordings that learn.
    ///   - partners: as many, to be mixed in.
    ///   - alpha: of Beta(alpha, alpha), above 0 and at most 1.
    ///   - random: draws for one recording after the other.
    public init(_ own: PackedBatch, with partners: PackedBatch, alpha: Double, random: RandomStream) {
        var random = random
        let mixes = (0..<own.features.count).map { video in
            MixUp(first: own.features.rows(of: video).count, second: partners.features.rows(of: video).count, alpha: Float(alpha), random: &random)
        }
        let batch = MixUp.batch(own, with: partners, mixes: mixes)
        var moved = batch
        let kept = zip(mixes, partners.instances).map { $0.movedWithPlaces($1) }
        moved.instances = kept.map { $0.map(\.instance) }
        moved.weights = partners.weights.map { weights in
            LabelWeights(
                instances: zip(kept, weights.instances).map { kept, weights in kept.map { weights[$0.place] } },
                ignored: zip(mixes, weights.ignored).map { $0.movedStretches($1) })
        }
        self.moved = moved
        self.batch = batch
        self.mixes = mixes
    }
}
