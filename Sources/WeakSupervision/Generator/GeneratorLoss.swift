import Autograd
import Kernels
import NeuralNetworks
import RandomStreams
import TrainingMethods

/// The generator's losses over the global mini-batch: classes of the videos, contrast within videos, contrast between videos of all shards.
///
/// `total = BCE(video scores) + contrast_weight (within + cross_video_weight * across)`; `within` is the mean over videos, `across` that over the
/// pairs of videos with equal class sets, of the mean of both directions.
public struct GeneratorLoss {
    let settings: WeakSupervisionConfiguration
    private let mining: SnippetMining
    /// Videos of the global mini-batch.
    private let videos: Int

    /// `videos` is the number of recordings in the global mini-batch, by which the means divide.
    public init(_ settings: WeakSupervisionConfiguration, videos: Int) {
        self.settings = settings
        self.videos = videos
        mining = SnippetMining(
            easyRatio: settings.easyRatio, hardRatio: settings.hardRatio, inner: settings.hardInner, outer: settings.hardOuter)
    }

    /// A shard's part, recorded, with gradients seeded for what it can tell alone.
    public struct ShardPart {
        /// Per video, sorted.
        public let classSets: [[Int]]
        /// Per video, as indices of its segments.
        public let snippets: [MinedSnippets]
        /// softmax over classes, [videos, classes].
        public let videoScores: [Float]
        /// Rows of `SnippetContrast`, and where each video's stand.
        public let contrastRows: Tensor
        /// Per video, in the rows of `contrastRows`.
        public let places: [SnippetContrast.Place]
        /// Parts of the loss; `classes` and `within` are this shard's share of the mean.
        public let classification: Double
        public let within: Double
    }

    /// - Parameters:
    ///   - outputs: of the generator.
    ///   - classSets: per video its classes, sorted, none empty.
    ///   - tape: that of the outputs.
    ///   - random: for the dropout of mining; nil in evaluation.
    public func seed(_ outputs: ProposalGenerator.Outputs, classSets: [[Int]], tape: Tape, random: RandomStream?) -> ShardPart {
        let activations = outputs.activations, classes = activations.columns, count = activations.count
        let top = tape.topMeans(activations, counts: (0..<count).map { max(1, activations.rows(of: $0).count / settings.easyRatio) })
        var targets = [Float](repeating: 0, count: count * classes)
        for (video, set) in classSets.enumerated() { for label in set { targets[video * classes + label] = 1 / Float(set.count) } }
        let scale = 1 / Float(videos * classes)
        let classification = VideoClassification.softmaxCrossEntropy(
            top.values, targets, rows: count, classes: classes, scale: scale, gradient: top.gradientToWrite().pointer)
        var scores: [Float] = [], p = [Double](repeating: 0, count: classes)
        for video in 0..<count {
            VideoClassification.probabilities(top.values + video * classes, classes: classes, into: &p)
            scores += p.map { Float($0) }
        }

        let actionness = outputs.actionness
        var stream = random
        let seed = stream?.next()
        let snippets = (0..<count).map { video -> MinedSnippets in
            let own = Array(actionness[activations.rows(of: video)])
            return mining.mine(own, dropping: seed.map { (Float(settings.miningDropout), RandomStream(seed: $0, "mining", video)) })
        }
        let (rows, places) = SnippetContrast.rows(outputs.embeddings, snippets: snippets, tape: tape)
        let gradient = rows.gradientToWrite().pointer
        gradient.update(repeating: 0, count: rows.count)
        var within = 0.0
        let weight = Float(settings.contrastWeight / Double(videos))
        let own = SnippetContrast.Rows(rows.values, gradient: gradient) { places[$0] }
        for video in places.indices {
            within += SnippetContrast.loss(
                hard: own, video, easy: own, video, columns: rows.columns, temperature: Float(settings.temperature), weight: weight)
        }
        return ShardPart(
            classSets: classSets, snippets: snippets, videoScores: scores, contrastRows: rows, places: places,
            classification: classification / Double(videos * classes), within: within / Double(videos))
    }

    /// The parts of the loss as the log has them.
    func report(_ part: ShardPart, across: Double) -> [String: Double] {
        [
            "classification": part.classification, "contrast": part.within, "cross_video": across,
            "total": part.classification + settings.contrastWeight * (part.within + settings.crossVideoWeight * across),
        ]
    }
}
