import Autograd
import Detectors
import Kernels
import NeuralNetworks

/// The contrast of proposals is over the hidden rows of the activities' graph convolutions, those between both, at the roots of trees.
extension PGCN: ContrastedProposals {
    public var contrastedColumns: Int { settings.hiddenDimension }
    public var contrastedParameters: [String] { ["Act_GCN.gc1."] }

    /// Proposals drawn of every recording; they are clustered by their own features of activities.
    public func contrasted(_ batch: PackedBatch, most: Int, _ pass: ForwardPass) -> ContrastedRows {
        let drawn = batch.videos.indices.map { recording -> DrawnTrees in
            let video = batch.videos[recording], fps = video.grid.fps
            let proposals = batch.features.rows(of: recording).isEmpty ? [] : known(video)
            return DrawnTrees(
                proposals.compactMap { FrameSegment($0, fps: fps).cut(to: video.duration * fps) }, most: most, settings.graph, random: &pass.random)
        }
        let nodes = TreeAggregation(children: settings.graph.children).nodes, counts = drawn.map { $0.trees.count / nodes }
        guard counts.contains(where: { $0 > 0 }) else { return rows(nil, counts) }
        let (features, trees) = features(drawn, batch), columns = features.activity.columns
        let inputs = stride(from: 0, to: trees.count, by: nodes).flatMap { place in
            UnsafeBufferPointer(start: features.activity.values + trees[place] * columns, count: columns)
        }
        var result = rows(network.hiddenRoots(features, trees: trees, pass), counts)
        result.inputs = inputs
        return result
    }

    /// The roots of the step: foreground of labels that weigh 1 has its class, background is background, the others take no part.
    public func contrasted(_ outputs: Outputs, _ pass: ForwardPass) -> ContrastedRows {
        let hidden = outputs.network?.hidden.map { network.roots(of: $0, pass) }
        var result = rows(hidden, outputs.counts), first = 0
        for count in outputs.counts {
            let own = outputs.samples.dropFirst(first).prefix(count)
            first += count
            result.classes.append(
                own.map { sample in
                    switch sample.kind {
                    case .foreground: sample.weight < 1 ? .unknown : .action(sample.label)
                    case .incomplete: .unknown
                    case .background: .background
                    }
                })
        }
        return result
    }

    public func rehearseContrasted(_ features: PackedSequence, most: Int, _ pass: ForwardPass) -> Tensor {
        let nodes = TreeAggregation(children: settings.graph.children).nodes, count = settings.proposalsPerRecording ?? 500
        let own = ProposalFeatures(proposals: count * features.count, columns: features.columns)
        let trees = (0..<min(most, count) * features.count * nodes).map { $0 % own.activity.rows }
        return network.hiddenRoots(own, trees: trees, pass)
    }

    private func rows(_ embedding: Tensor?, _ counts: [Int]) -> ContrastedRows {
        let offsets = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
        let tensor = embedding ?? Tensor(rows: 0, columns: contrastedColumns, requiresGradient: false)
        return ContrastedRows(embedding: PackedSequence(tensor, offsets: offsets), inputs: [], classes: [])
    }
}
