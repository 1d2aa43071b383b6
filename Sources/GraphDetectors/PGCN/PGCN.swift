import Autograd
import Detectors
import Diagnostics
import Kernels
import NeuralNetworks
import RandomStreams
import TemporalAnnotations

/// P-GCN: classifies, assesses and moves proposals of another detector by graph convolutions over those that overlap or lie near (Zeng et al., "Graph
/// Convolutional Networks for Temporal Action Localization", ICCV 2019).
///
/// It sees recordings whole. A step learns from the trees of a few proposals of every recording; detection draws a tree for every proposal, out of
/// random numbers that depend on the recording's name alone.
public final class PGCN: RehearsedDetector, OutputAssigned, WeightedTargets, ProposalRefiner {
    /// What the network says of a batch's samples.
    public struct Outputs {
        /// In the order of the network's rows.
        package var samples: [PGCNSample]
        /// nil: there are none.
        package var network: PGCNNetwork.Outputs?
        /// Roots of each recording.
        package var counts: [Int]

        package init(samples: [PGCNSample], network: PGCNNetwork.Outputs?, counts: [Int] = []) {
            self.samples = samples
            self.network = network
            self.counts = counts
        }
    }

    public typealias Targets = PGCNTargets

    package let settings: PGCNSettings
    package let network: PGCNNetwork
    /// [2, 2]: mean and standard deviation of the offsets that are learnt.
    private let offsetStatistics: Parameter
    /// What there is to refine; nil: detection has nothing, and steps take made-up proposals.
    package var lists: ProposalLists?
    /// Whether detection takes made-up proposals, too.
    var isMadeUp = false
    /// Trees that detection runs over at once.
    static let treesAtOnce = 128

    /// Without values in its parameters, and without proposals.
    public init(_ settings: PGCNSettings) {
        self.settings = settings
        network = PGCNNetwork(settings)
        offsetStatistics = Parameter(
            .matrix(rows: 2, columns: 2), count: 4, isDecayed: false, initialization: .values([0, 0, 1, 1]), isLearnt: false)
    }

    /// The statistics of the offsets, then the parameters of the published network.
    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("offset_statistics", offsetStatistics)
        network.visitParameters(visitor)
    }

    /// Counts of the step alone.
    public var normalizers: [LossNormalizer] {
        PGCNTargets.Count.all(settings.options.quality.branches).map { LossNormalizer($0.name, share: 1, least: 0, initial: 0) }
    }

    /// Standardises the offsets.
    package var statistics: OffsetStatistics {
        get {
            let values = offsetStatistics.tensor.values
            return OffsetStatistics(
                mean: SIMD2(Double(values[0]), Double(values[1])), deviation: SIMD2(Double(values[2]), Double(values[3])))
        }
        set {
            let values = offsetStatistics.tensor.values
            for i in 0..<2 {
                values[i] = Float(newValue.mean[i])
                values[2 + i] = Float(newValue.deviation[i])
            }
        }
    }

    // MARK: Training

    /// The trees of a few proposals of every recording with actions, drawn from the pass's random numbers.
    public func callAsFunction(_ batch: PackedBatch, _ pass: ForwardPass) -> Outputs {
        let statistics = statistics
        let drawn = batch.videos.indices.map { recording -> DrawnTrees in
            let video = batch.videos[recording], rows = batch.features.rows(of: recording).count
            let proposals = known(video)
            guard rows > 0 else { return DrawnTrees(pools([], actions: [], video), statistics, settings, random: &pass.random) }
            let weights = batch.weights?.instances[recording], ignored = batch.weights?.ignored[recording] ?? []
            let actions = batch.instances[recording].enumerated().map { (video.grid.segment($1.segment), $1.label, weights?[$0] ?? 1) }
            let pools = pools(proposals, actions: actions, ignored: ignored.map { video.grid.segment($0) }, video)
            return DrawnTrees(pools, statistics, settings, random: &pass.random)
        }
        let samples = drawn.flatMap(\.samples), counts = drawn.map(\.samples.count)
        guard !samples.isEmpty else { return Outputs(samples: [], network: nil, counts: counts) }
        let (features, trees) = features(drawn, batch)
        return Outputs(samples: samples, network: network(features, trees: trees, pass), counts: counts)
    }

    /// Of the proposals that are in trees, one recording after another; and the trees of all.
    func features(_ drawn: [DrawnTrees], _ batch: PackedBatch) -> (ProposalFeatures, trees: [Int]) {
        let features = ProposalFeatures(proposals: drawn.reduce(0) { $0 + $1.segments.count }, columns: batch.features.columns)
        var trees: [Int] = [], first = 0
        for (recording, own) in drawn.enumerated() where !own.segments.isEmpty {
            fill(features, own.segments, at: first, batch, recording)
            trees += own.trees.map { first + $0 }
            first += own.segments.count
        }
        return (features, trees)
    }

    /// A recording's proposals in seconds.
    func known(_ video: VideoContext) -> [Segment] {
        lists.map { $0.segments(of: video.id, duration: video.duration) ?? [] } ?? madeUp(duration: video.duration)
    }

    /// As many trees as a step, or a detection, has of recordings of these lengths; of no proposals that anybody knows.
    public func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs {
        let nodes = TreeAggregation(children: settings.graph.children).nodes
        let count = pass.isTraining ? settings.samplesPerRecording * nodes : settings.proposalsPerRecording ?? 500
        let own = ProposalFeatures(proposals: count * features.count, columns: features.columns)
        if !Rehearsal.isRunning {
            for recording in 0..<features.count {
                let rows = Double(features.rows(of: recording).count), grid = FeatureGrid(fps: 1, stride: 1, window: 1)
                let video = VideoContext(id: VideoID(""), grid: grid, duration: rows)
                let batch = PackedBatch(features: features, videos: [VideoContext](repeating: video, count: features.count), instances: [])
                let segments = (0..<count).map { FrameSegment(start: rows * Double($0) / Double(count), end: rows) }
                fill(own, segments, at: recording * count, batch, recording)
            }
        }
        let roots = pass.isTraining ? settings.samplesPerRecording * features.count : min(Self.treesAtOnce, own.activity.rows)
        return Outputs(
            samples: [], network: network(own, trees: (0..<roots * nodes).map { $0 % own.activity.rows }, pass),
            counts: pass.isTraining ? [Int](repeating: settings.samplesPerRecording, count: features.count) : [])
    }

    /// Of all outputs.
    public func rehearseGradients(_ outputs: Outputs) {
        guard let network = outputs.network else { return }
        for tensor in network.tensors where tensor.requiresGradient { _ = tensor.gradientToWrite() }
    }

    func fill(_ features: ProposalFeatures, _ segments: [FrameSegment], at first: Int, _ batch: PackedBatch, _ recording: Int) {
        let rows = batch.features.rows(of: recording), columns = batch.features.columns, video = batch.videos[recording]
        let maxima = RangeMaxima(batch.features.tensor.values + rows.lowerBound * columns, rows: rows.count, channels: columns)
        features.fill(
            segments, at: first, from: .init(maxima: maxima, grid: video.grid, frames: video.duration * video.grid.fps), margin: settings.margin)
    }

    /// The proposals of a recording by what is learnt of them; they, its actions and stretches of which nothing is known are in seconds.
    func pools(
        _ proposals: [Segment], actions: [(segment: Segment, label: Int, weight: Float)], ignored: [Segment] = [], _ video: VideoContext
    ) -> ProposalPools {
        let fps = video.grid.fps
        return ProposalPools(
            proposals.map { FrameSegment($0, fps: fps) },
            actions: actions.map { .init(segment: FrameSegment($0.segment, fps: fps), label: $0.label, weight: $0.weight) },
            ignored: ignored.map { FrameSegment($0, fps: fps) }, frames: video.duration * fps, thresholds: settings.thresholds)
    }

    /// Where no proposals are known: as many of many lengths.
    func madeUp(duration: Double) -> [Segment] {
        let count = settings.proposalsPerRecording ?? 500
        return (0..<count).map { place in
            let length = duration * Double(1 + place % 7) / 40, start = (duration - length) * Double(place) / Double(count)
            return Segment(start: start, end: start + length)
        }
    }

    /// Those of the samples that the outputs are of.
    public func assignTargets(_ batch: PackedBatch, outputs: Outputs) -> PGCNTargets { PGCNTargets(outputs.samples, settings: settings) }

    /// The losses of activity, completeness and offsets, and with ALQA of its branches.
    ///
    /// - Returns: `activity`, `completeness`, `regression`, with ALQA `localization` (the last three without their weights) and `total`.
    public func seedLosses(_ outputs: Outputs, targets: PGCNTargets, normalizers: [Float], tape _: Tape) -> [String: Double] {
        let quality = settings.options.quality, hasQuality = quality.branches != .none
        guard let network = outputs.network, !targets.samples.isEmpty else {
            let none = ["activity": 0.0, "completeness": 0, "regression": 0, "total": 0]
            return hasQuality ? none.merging(["localization": 0]) { $1 } : none
        }
        func count(_ what: PGCNTargets.Count) -> Double { Double(normalizers[what.rawValue]) }
        let losses = PGCNLosses(targets, classes: settings.classes)
        let completeness = losses.completeness(
            network.completeness, ratio: settings.miningRatio, divisor: targets.minedPart * count(.completeness), weight: settings.completenessWeight)
        let regression = losses.regression(network.offsets, count: count(.foreground), weight: settings.regressionWeight)
        func total(_ activity: Double) -> Double {
            activity + settings.completenessWeight * completeness + settings.regressionWeight * regression
        }
        guard hasQuality else {
            let activity = losses.activity(network.activity, count: count(.activities))
            return ["activity": activity, "completeness": completeness, "regression": regression, "total": total(activity)]
        }
        let scores = QualityScores(QualityLogits(network.quality), settings: quality), weight = Double(quality.localizationWeight)
        let (activity, slopes) = losses.softActivity(
            network.activity, reliability: scores.reliability, isJoint: quality.focalScore == .joint, count: count(.activities))
        let localization = losses.localization(
            network.quality, losses.assessments(network.offsets, statistics), count: count(.assessed), weight: weight, scores: scores, slopes: slopes,
            floor: quality.floor)
        return [
            "activity": activity, "completeness": completeness, "regression": regression, "localization": localization,
            "total": total(activity) + weight * localization,
        ]
    }
}
