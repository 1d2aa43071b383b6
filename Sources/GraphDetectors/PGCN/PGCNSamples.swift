import Autograd
import Detectors
import Foundation
import RandomStreams
import TemporalAnnotations

/// A root that P-GCN learns from.
package struct PGCNSample: Equatable, Sendable {
    /// The pool that it was drawn from.
    package enum Kind: Int, Sendable { case foreground, incomplete, background }

    /// Which part of the completeness loss it belongs to: by its place among the recording's samples, as in the published code.
    package enum Place: Sendable { case positive, negative, none }

    package var kind: Kind
    package var place: Place
    /// Class; -1: background.
    package var label: Int
    /// Standardised; 0 but for foreground.
    package var offsets: SIMD2<Float>
    /// Of its action's label; 1 for background.
    package var weight: Float
    /// The root and its action, in frames; nil for background.
    package var match: Match?

    /// A root, and the action that it overlaps most.
    package struct Match: Equatable, Sendable {
        package var root: FrameSegment
        package var action: FrameSegment

        package init(root: FrameSegment, action: FrameSegment) {
            self.root = root
            self.action = action
        }
    }

    package init(kind: Kind, place: Place, label: Int, offsets: SIMD2<Float>, weight: Float = 1, match: Match? = nil) {
        self.kind = kind
        self.place = place
        self.label = label
        self.offsets = offsets
        self.weight = weight
        self.match = match
    }
}

/// The trees drawn of one recording, and what of its proposals they hold.
package struct DrawnTrees {
    /// The proposals that are in trees, each once.
    package private(set) var segments: [FrameSegment] = []
    /// Places in `segments`, tree by tree.
    package private(set) var trees: [Int] = []
    package private(set) var samples: [PGCNSample] = []
    /// Of each of the recording's proposals that is in a tree, its place in `segments`.
    private var places: [Int: Int] = [:]

    /// Draws the samples of a step: foreground, incomplete and background ones, uniformly with repetition; where there are none of a kind, foreground
    /// takes their places, as in the published code. None where the recording has no foreground.
    ///
    /// - Parameters:
    ///   - pools: the recording's proposals.
    ///   - statistics: standardise the offsets.
    ///   - settings: numbers of samples, and the graph.
    ///   - random: draws roots and trees.
    package init(_ pools: ProposalPools, _ statistics: OffsetStatistics, _ settings: PGCNSettings, random: inout RandomStream) {
        guard !pools.foreground.isEmpty else { return }
        var graph = ProposalGraph(pools.segments, rules: settings.graph)
        let kinds: [(kind: PGCNSample.Kind, pool: Range<Int>, place: PGCNSample.Place, count: Int)] = [
            (.foreground, pools.foreground, .positive, settings.foregroundSamples),
            (.incomplete, pools.incomplete, .negative, settings.incompleteSamples),
            (.background, pools.background, .none, settings.backgroundSamples),
        ]
        for (wanted, own, place, count) in kinds {
            let (kind, pool) = own.isEmpty ? (.foreground, pools.foreground) : (wanted, own)
            for _ in 0..<count {
                let root = pool.lowerBound + random.uniformIndex(below: pool.count)
                let raw = kind == .foreground ? (pools.offsets[root] - statistics.mean) / statistics.deviation : SIMD2()
                let action = pools.actions[root]
                samples.append(
                    PGCNSample(
                        kind: kind, place: place, label: action?.label ?? -1, offsets: SIMD2<Float>(raw), weight: action?.weight ?? 1,
                        match: action.map { .init(root: pools.segments[root], action: $0.segment) }))
                take(graph.tree(root: root, random: &random), of: pools.segments)
            }
        }
    }

    /// Draws roots without repetition, whatever their labels, and their trees; there are no samples.
    ///
    /// - Parameters:
    ///   - proposals: of the recording.
    ///   - most: roots; all where there are fewer proposals.
    ///   - rules: of the graph.
    ///   - random: draws roots and trees.
    package init(_ proposals: [FrameSegment], most: Int, _ rules: ProposalGraph.Rules, random: inout RandomStream) {
        var graph = ProposalGraph(proposals, rules: rules), open = Array(proposals.indices)
        for drawn in 0..<min(most, open.count) {
            open.swapAt(drawn, drawn + random.uniformIndex(below: open.count - drawn))
            take(graph.tree(root: open[drawn], random: &random), of: proposals)
        }
    }

    private mutating func take(_ tree: [Int], of proposals: [FrameSegment]) {
        for node in tree {
            let known = places[node]
            trees.append(known ?? segments.count)
            guard known == nil else { continue }
            places[node] = segments.count
            segments.append(proposals[node])
        }
    }
}

/// What P-GCN should have said of a batch's roots.
public struct PGCNTargets: DetectorTargets {
    /// Sums of weights that losses are divided by, in the order of `normalizers`.
    package enum Count: Int, CaseIterable {
        /// Samples of foreground and background.
        case activities
        /// Samples that the completeness looks at: `positives` and negatives.
        case completeness
        case positives
        case foreground
        /// Samples of foreground and incomplete ones, whose tIoU and tND are learnt; with ALQA alone.
        case assessed

        var name: String { "pgcn_\(self)" }

        /// Those that a detector with these branches has.
        package static func all(_ branches: QualityBranches) -> [Count] { allCases.filter { $0 != .assessed || branches != .none } }
    }

    /// In the order of the outputs.
    package var samples: [PGCNSample]
    /// Samples of a recording.
    package let each: Int
    private let miningRatio: Double
    private let branches: QualityBranches
    /// What the completeness is divided by, as a part of `completeness`; known after `settle`.
    package private(set) var minedPart = 1.0

    package init(_ samples: [PGCNSample], settings: PGCNSettings) {
        self.samples = samples
        each = settings.samplesPerRecording
        miningRatio = settings.miningRatio
        branches = settings.options.quality.branches
    }

    public var counts: [Double] {
        Count.all(branches).map { count in
            samples.reduce(0) { sum, sample in
                let isCounted =
                    switch count {
                    case .activities: sample.kind != .incomplete
                    case .completeness: sample.place != .none
                    case .positives: sample.place == .positive
                    case .foreground: sample.kind == .foreground
                    case .assessed: sample.kind != .background
                    }
                return isCounted ? sum + Double(sample.weight) : sum
            }
        }
    }

    /// Positives, and the part of all negatives that is mined, rounded down, are what the completeness is divided by. Nothing is drawn.
    public mutating func settle(_ sums: [Double], random: inout RandomStream) -> [Double] {
        let all = sums[Count.completeness.rawValue], positives = sums[Count.positives.rawValue]
        if all > 0 { minedPart = (positives + max((miningRatio * (all - positives)).rounded(.down), 1)) / all }
        return []
    }
}
