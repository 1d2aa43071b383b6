import Autograd
import Detectors
import NeuralNetworks

/// The base's features as the one level of a pyramid: every row of a recording has the features of the map's row that it lies in; where windows overlap,
/// the mean over the windows that see it.
extension BMN: LevelFeatures {
    public var levelCount: Int { 1 }
    public var levelColumns: Int { settings.baseDimension }
    public var levelParameters: [String] { ["x_1d_b."] }

    public func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] {
        let sources = sources(features)
        return levels(Base(features: network.features(inputs(features, sources[...]), pass), sources: sources, offsets: features.offsets), pass)
    }

    /// None, of outputs that have not kept the base's features: those of many maps without a tape.
    public func levels(_ outputs: Outputs, _ pass: ForwardPass) -> [PackedSequence] { outputs.base.map { levels($0, pass) } ?? [] }

    private func levels(_ base: Base, _ pass: ForwardPass) -> [PackedSequence] {
        let scale = settings.temporalScale
        var groups = [[Int]](repeating: [], count: base.offsets[base.offsets.count - 1])
        for (map, source) in base.sources.enumerated() {
            for (place, row) in source.rows.enumerated() {
                let own = settings.grid == .rescaled ? (2 * place + 1) * scale / (2 * source.rows.count) : place
                groups[row].append(map * scale + own)
            }
        }
        return [PackedSequence(pass.tape.rowMeans(base.features, groups: groups), offsets: base.offsets)]
    }
}
