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
public final class PGCN: RehearsedDetector, OutputAssigned, ProposalRefiner {
    /// What the network says of a batch's samples.
    public struct Outputs {
        /// In the order of the network's rows.
        package var samples: [PGCNSample]
        /// nil: there are none.
        package var network: PGCNNetwork.Outputs?

        package init(samples: [PGCNSample], network: PGCNNetwork.Outputs?) {
            self.samples = samples
            self.network = network
        }
    }

    public typealias Targets = PGCNTargets

    let settings: PGCNSettings
    package let network: PGCNNetwork
    /// [2, 2]: mean and standard deviation of the offsets that are learnt.
    private let offsetStatistics: Parameter
    /// What there is to refine; nil: made-up proposals, for benchmarks.
    package var lists: ProposalLists?
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
    public var normalizers: [LossNormalizer] { PGCNTargets.Count.allCases.map { LossNormalizer($0.name, share: 1, least: 0, initial: 0) } }

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
            let proposals = lists.map { $0.segments(of: video.id, duration: video.duration) ?? [] } ?? madeUp(video)
            let pools = pools(
                rows > 0 ? proposals : [],
                actions: rows > 0 ? batch.instances[recording].map { (video.grid.segment($0.segment), $0.label) } : [], video)
            return DrawnTrees(pools, statistics, settings, random: &pass.random)
        }
        let samples = drawn.flatMap(\.samples)
        guard !samples.isEmpty else { return Outputs(samples: [], network: nil) }
        let features = ProposalFeatures(proposals: drawn.reduce(0) { $0 + $1.segments.count }, columns: batch.features.columns)
        var trees: [Int] = [], first = 0
        for (recording, own) in drawn.enumerated() where !own.segments.isEmpty {
            fill(features, own.segments, at: first, batch, recording)
            trees += own.trees.map { first + $0 }
            first += own.segments.count
        }
        return Outputs(samples: samples, network: network(features, trees: trees, pass))
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
        return Outputs(samples: [], network: network(own, trees: (0..<roots * nodes).map { $0 % own.activity.rows }, pass))
    }

    /// Of all outputs.
    public func rehearseGradients(_ outputs: Outputs) {
        guard let network = outputs.network else { return }
        for tensor in [network.activity, network.completeness, network.offsets] where tensor.requiresGradient { _ = tensor.gradientToWrite() }
    }

    func fill(_ features: ProposalFeatures, _ segments: [FrameSegment], at first: Int, _ batch: PackedBatch, _ recording: Int) {
        let rows = batch.features.rows(of: recording), columns = batch.features.columns, video = batch.videos[recording]
        let maxima = RangeMaxima(batch.features.tensor.values + rows.lowerBound * columns, rows: rows.count, channels: columns)
        features.fill(
            segments, at: first, from: .init(maxima: maxima, grid: video.grid, frames: video.duration * video.grid.fps), margin: settings.margin)
    }

    /// The proposals of a recording and its actions, both in seconds, by what is learnt of them.
    func pools(_ proposals: [Segment], actions: [(segment: Segment, label: Int)], _ video: VideoContext) -> ProposalPools {
        ProposalPools(
            proposals.map { FrameSegment($0, fps: video.grid.fps) },
            actions: actions.map { .init(segment: FrameSegment($0.segment, fps: video.grid.fps), label: $0.label) },
            frames: video.duration * video.grid.fps, thresholds: settings.thresholds)
    }

    /// Where no proposals are known: as many of many lengths.
    private func madeUp(_ video: VideoContext) -> [Segment] {
        let count = settings.proposalsPerRecording ?? 500
        return (0..<count).map { place in
            let length = video.duration * Double(1 + place % 7) / 40, start = (video.duration - length) * Double(place) / Double(count)
            return Segment(start: start, end: start + length)
        }
    }

    /// Those of the samples that the outputs are of.
    public func assignTargets(_ batch: PackedBatch, outputs: Outputs) -> PGCNTargets { PGCNTargets(outputs.samples, settings: settings) }

    /// The losses of activity, completeness and offsets.
    ///
    /// - Returns: `activity`, `completeness`, `regression` (both without their weights) and `total`.
    public func seedLosses(_ outputs: Outputs, targets: PGCNTargets, normalizers: [Float], tape _: Tape) -> [String: Double] {
        guard let network = outputs.network, !targets.samples.isEmpty else {
            return ["activity": 0, "completeness": 0, "regression": 0, "total": 0]
        }
        func count(_ what: PGCNTargets.Count) -> Double { Double(normalizers[what.rawValue]) }
        let losses = PGCNLosses(targets, classes: settings.classes)
        let activity = losses.activity(network.activity, count: count(.activities))
        let completeness = losses.completeness(
            network.completeness, ratio: settings.miningRatio, divisor: targets.minedPart * count(.completeness), weight: settings.completenessWeight)
        let regression = losses.regression(network.offsets, count: count(.foreground), weight: settings.regressionWeight)
        return [
            "activity": activity, "completeness": completeness, "regression": regression,
            "total": activity + settings.completenessWeight * completeness + settings.regressionWeight * regression,
        ]
    }
}
