import Autograd
import DataParallel
import Kernels
import NeuralNetworks
import RandomStreams
import TrainingMethods

/// The generator's losses over the global mini-batch: classes of the videos, contrast within videos, contrast between videos of all shards.
///
/// `total = BCE(video scores) + contrast_weight (within + cross_video_weight * across)`; `within` is the mean over videos, `across` that over the
/// pairs of videos with equal class sets, of the mean of both directions.
public struct GeneratorLoss {
    private let settings: WeakSupervisionConfiguration
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
        for place in places {
            within += SnippetContrast.loss(
                rows.values, columns: rows.columns, hard: place, easy: place, temperature: Float(settings.temperature), weight: weight,
                gradient: gradient)
        }
        return ShardPart(
            classSets: classSets, snippets: snippets, videoScores: scores, contrastRows: rows, places: places,
            classification: classification / Double(videos * classes), within: within / Double(videos))
    }

    /// Contrast between videos, over all ranks: seeds the gradients of the shards' rows. All ranks call it together.
    ///
    /// - Returns: per shard of this rank its share of `across`.
    func seedAcross(_ parts: [ShardPart], step: TrainingStep) throws -> [Double] {
        guard settings.contrastWeight > 0, settings.crossVideoWeight > 0 else { return parts.map { _ in 0 } }
        // Classes of all videos: per video its number of classes, then these, then its easy snippets.
        let own = parts.flatMap { part in zip(part.classSets, part.places).flatMap { [$0.count] + $0 + [$1.easy] } }
        var classSets: [[Int]] = [], easy: [Int] = []
        for message in try step.communicator.allGather(own) {
            var at = 0
            while at < message.count {
                let end = at + 1 + message[at]
                classSets.append(Array(message[at + 1..<end]))
                easy.append(message[end])
                at = end + 1
            }
        }
        let pairs = SnippetContrast.pairs(classSets)
        guard !pairs.isEmpty else { return parts.map { _ in 0 } }
        // Only videos of a pair travel.
        let isPaired = Set(pairs.flatMap { [$0.first, $0.second] })
        let perShard = parts[0].places.count, columns = parts[0].contrastRows.columns
        var firsts = [Int](repeating: 0, count: classSets.count), next = 0
        for video in classSets.indices where isPaired.contains(video) {
            firsts[video] = next
            next += 4 + 2 * easy[video]
        }
        func rows(_ part: ShardPart, of shard: Int) -> [(video: Int, place: SnippetContrast.Place)] {
            part.places.enumerated().map { (shard * perShard + $0, $1) }.filter { isPaired.contains($0.0) }
        }
        let sent = zip(step.shards.owned, parts).map { shard, part in
            rows(part, of: shard).flatMap { _, place in
                UnsafeBufferPointer(start: part.contrastRows.values + place.first * columns, count: place.rows * columns)
            }
        }
        let global = GlobalRows(shards: step.shards, communicator: step.communicator)
        let gathered = try global.gather(sent, columns: columns)
        var shares: [Double] = []
        let gradients = try global.returned(gathered) { shard in
            let anchors = shard * perShard..<(shard + 1) * perShard
            let (loss, gradient) = across(
                gathered.values, columns: columns, places: classSets.indices.map { .init(first: firsts[$0], easy: easy[$0]) }, pairs: pairs,
                anchors: anchors)
            shares.append(loss)
            return gradient
        }
        for ((shard, part), gradient) in zip(zip(step.shards.owned, parts), gradients) {
            var from = 0
            let pointer = part.contrastRows.gradientToWrite().pointer
            for (_, place) in rows(part, of: shard) {
                for i in 0..<place.rows * columns { pointer[place.first * columns + i] += gradient[from + i] }
                from += place.rows * columns
            }
        }
        return shares
    }

    /// The share of some videos' hard means in `across`, and the weighted gradient with respect to all rows.
    ///
    /// - Parameters:
    ///   - x: [rows, columns], the rows of all videos of a pair.
    ///   - columns: values of a row.
    ///   - places: of all videos of the mini-batch.
    ///   - pairs: videos of equal class sets.
    ///   - anchors: the videos whose hard means are examined.
    public func across(
        _ x: [Float], columns: Int, places: [SnippetContrast.Place], pairs: [(first: Int, second: Int)], anchors: Range<Int>
    ) -> (loss: Double, gradient: [Float]) {
        var gradient = [Float](repeating: 0, count: x.count), total = 0.0
        let share = 0.5 / Double(max(pairs.count, 1))
        let weight = Float(settings.contrastWeight * settings.crossVideoWeight * share)
        for pair in pairs {
            for (hard, easy) in [(pair.first, pair.second), (pair.second, pair.first)] where anchors.contains(hard) {
                total += SnippetContrast.loss(
                    x, columns: columns, hard: places[hard], easy: places[easy], temperature: Float(settings.temperature), weight: weight,
                    gradient: &gradient)
            }
        }
        return (total * share, gradient)
    }

    /// The parts of the loss as the log has them.
    func report(_ part: ShardPart, across: Double) -> [String: Double] {
        [
            "classification": part.classification, "contrast": part.within, "cross_video": across,
            "total": part.classification + settings.contrastWeight * (part.within + settings.crossVideoWeight * across),
        ]
    }
}
