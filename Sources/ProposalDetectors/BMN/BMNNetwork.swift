import Autograd
import Kernels
import NeuralNetworks

/// BMN's network over maps of T rows (Lin et al., ICCV 2019; parameters named as in the published `models.py`): base, start and end of every row, and the
/// map of proposals.
package final class BMNNetwork: Module {
    /// What the network says; probabilities.
    package struct Outputs {
        /// The base's features, [maps * T, base dimension].
        package var base: Tensor
        /// [maps * T, 1].
        package var start: Tensor
        package var end: Tensor
        /// [maps * cells, 2].
        package var map: Tensor
        /// [maps * cells, 1]: P_tnd; nil without ALQA's channel.
        package var distance: Tensor?
    }

    let settings: BMNSettings
    package let map: ProposalMap
    private let base: [RowConvolution]
    private let start: [RowConvolution]
    private let end: [RowConvolution]
    private let proposal: RowConvolution
    private let matching: BoundaryMatchingLayer
    private let cells: [CellConvolution]
    /// ALQA's channel: shares all of `cells` but the last.
    private let distance: CellConvolution?
    /// Whether P_tnd is predicted.
    package var hasDistance: Bool { distance != nil }
    /// Cells that the layers of the map compute, the last layer's last.
    private let regions: [MapRegion]

    /// - Parameters:
    ///   - settings: sizes and layout.
    ///   - wholeMaps: computes the cells that stand for no proposal too, as the published code does. Otherwise only those are computed that the valid ones
    ///     see; the valid cells' values and all gradients are the same.
    package init(_ settings: BMNSettings, wholeMaps: Bool = false) {
        self.settings = settings
        map = settings.map
        let width = settings.baseDimension, sampled = settings.sampledDimension, cell = settings.mapDimension
        base = [
            RowConvolution(settings.inputDimension, width, groups: settings.groups, settings),
            RowConvolution(width, width, groups: settings.groups, settings),
        ]
        func boundary() -> [RowConvolution] {
            [RowConvolution(width, width, groups: settings.groups, settings), RowConvolution(width, 1, kernel: 1, settings)]
        }
        start = boundary()
        end = boundary()
        proposal = RowConvolution(width, settings.proposalDimension, settings)
        matching = BoundaryMatchingLayer(
            settings.proposalDimension, sampled,
            mask: BoundaryMatchingMask(
                map, samples: settings.samples, pointsPerSample: settings.pointsPerSample, expansion: settings.sampleMargin), settings)
        cells = [
            CellConvolution(sampled, cell, kernel: 1, settings), CellConvolution(cell, cell, kernel: 3, settings),
            CellConvolution(cell, cell, kernel: 3, settings), CellConvolution(cell, 2, kernel: 1, settings),
        ]
        distance = settings.options.quality.branches == .tiouTND ? CellConvolution(cell, 1, kernel: 1, settings) : nil
        let whole = MapRegion(rows: map.valid.rows, columns: map.valid.columns)
        let valid = map.valid
        regions = wholeMaps ? [whole, whole, whole, whole, whole] : [2, 2, 1, 0, 0].map { valid.widened(by: $0) }
    }

    /// The base's parameters first, then the branches'.
    package func visitParameters(_ visitor: ParameterVisitor) {
        for (name, layers) in [("x_1d_b", base), ("x_1d_s", start), ("x_1d_e", end)] {
            for (index, layer) in layers.enumerated() { visitor.visit("\(name).\(2 * index)", layer) }
        }
        visitor.visit("x_1d_p.0", proposal)
        visitor.visit("x_3d_p.0", matching)
        for (index, layer) in cells.enumerated() { visitor.visit("x_2d_p.\(2 * index)", layer) }
        if let distance { visitor.visit("x_2d_tnd", distance) }
    }

    /// The base's features, [maps * T, base dimension].
    ///
    /// - Parameter x: [maps * T, input dimension].
    package func features(_ x: Tensor, _ pass: ForwardPass) -> Tensor { base.reduce(x) { $1($0, rows: map.scale, relu: true, pass) } }

    /// - Parameter x: [maps * T, input dimension].
    package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Outputs {
        let scale = map.scale
        let features = features(x, pass)
        func boundary(_ layers: [RowConvolution]) -> Tensor {
            pass.tape.sigmoid(layers[1](layers[0](features, rows: scale, relu: true, pass), rows: scale, relu: false, pass))
        }
        let starts = boundary(start), ends = boundary(end)
        var y = matching(proposal(features, rows: scale, relu: true, pass), to: regions[0], pass)
        let last = cells.count - 1
        for (index, layer) in cells.prefix(last).enumerated() { y = layer(y, from: regions[index], to: regions[index + 1], relu: true, pass) }
        func output(_ layer: CellConvolution) -> Tensor {
            pass.tape.sigmoid(layer(y, from: regions[last], to: regions[last + 1], relu: false, pass))
        }
        return Outputs(base: features, start: starts, end: ends, map: output(cells[last]), distance: distance.map(output))
    }
}
