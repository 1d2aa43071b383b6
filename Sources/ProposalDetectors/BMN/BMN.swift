import Autograd
import Detectors
import Kernels
import NeuralNetworks

/// BMN: class-agnostic proposals on a map of all starts and ends (Lin et al., "BMN: Boundary-Matching Network for Temporal Action Proposal Generation",
/// ICCV 2019), and the classes of their recordings.
///
/// A recording of any length is resampled to the T rows of one map, or cut into windows of T rows, a map each.
public final class BMN: RehearsedDetector, AnnotationAssigned, WeightedTargets {
    /// Probabilities of a batch's maps, one after another.
    public struct Outputs {
        /// [maps * T, 1].
        public var start: Tensor
        public var end: Tensor
        /// [maps * valid cells, 2].
        public var map: Tensor
        /// [maps * valid cells, 1]: P_tnd; nil without ALQA's channel.
        public var distance: Tensor?
        /// [recordings, classes], of the classifier of recordings; nil without it.
        public var classLogits: Tensor?
        /// What the maps were made of; nil where nobody asks for it.
        package var base: Base?

        package init(start: Tensor, end: Tensor, map: Tensor, distance: Tensor? = nil, classLogits: Tensor?, base: Base? = nil) {
            self.start = start
            self.end = end
            self.map = map
            self.distance = distance
            self.classLogits = classLogits
            self.base = base
        }
    }

    public typealias Targets = BMNTargets

    let settings: BMNSettings
    package let network: BMNNetwork
    private let classifier: Convolution1D?
    /// Maps that detection runs over at once.
    private static let mapsAtOnce = 4

    /// Without values in its parameters.
    public init(_ settings: BMNSettings) {
        self.settings = settings
        network = BMNNetwork(settings)
        classifier = settings.videoClassifier == .own ? Convolution1D(settings.baseDimension, settings.classes, kernel: 1) : nil
    }

    /// Those of the published network, then those of the classifier of recordings.
    public func visitParameters(_ visitor: ParameterVisitor) {
        network.visitParameters(visitor)
        if let classifier { visitor.visit("video_classifier", classifier) }
    }

    /// Counts of the step alone.
    public var normalizers: [LossNormalizer] { BMNTargets.Count.allCases.map { LossNormalizer($0.name, share: 1, least: 0, initial: 0) } }

    // MARK: Maps

    /// The rows that a map is made of, in the packed batch.
    package struct MapSource: Equatable {
        package var recording: Int
        package var rows: Range<Int>
    }

    /// The base's features, and which rows of which recordings they stand for.
    package struct Base {
        /// [maps * T, base dimension].
        package var features: Tensor
        package var sources: [MapSource]
        /// Of the packed batch.
        package var offsets: [Int]
    }

    package func sources(_ features: PackedSequence) -> [MapSource] {
        (0..<features.count).flatMap { recording -> [MapSource] in
            let rows = features.rows(of: recording)
            switch settings.grid {
            case .rescaled: return [MapSource(recording: recording, rows: rows)]
            case .windows:
                var result: [MapSource] = []
                for range in settings.windows.ranges(over: rows.count) {
                    let source = MapSource(recording: recording, rows: rows.lowerBound + range.lowerBound..<rows.lowerBound + range.upperBound)
                    if result.last != source { result.append(source) }
                }
                return result
            }
        }
    }

    /// [maps * T, input dimension]: rows resampled, or followed by zeros.
    func inputs(_ features: PackedSequence, _ sources: ArraySlice<MapSource>) -> Tensor {
        let scale = settings.temporalScale, columns = features.columns
        let result = Tensor(rows: sources.count * scale, columns: columns, requiresGradient: false)
        guard !Rehearsal.isRunning else { return result }
        for (map, source) in sources.enumerated() {
            let x = features.tensor.values + source.rows.lowerBound * columns, y = result.values + map * scale * columns
            switch settings.grid {
            case .rescaled: RowRescaling.linear(x, rows: source.rows.count, columns: columns, into: y, rows: scale)
            case .windows:
                let count = source.rows.count * columns
                y.update(from: x, count: count)
                (y + count).update(repeating: 0, count: scale * columns - count)
            }
        }
        return result
    }

    // MARK: Network

    /// - Parameters:
    ///   - features: [rows, input dimension], packed.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    public func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs {
        let sources = sources(features)
        if pass.tape.isRecording || sources.count <= Self.mapsAtOnce {
            let outputs = network(inputs(features, sources[...]), pass)
            return Outputs(
                start: outputs.start, end: outputs.end, map: outputs.map, distance: outputs.distance,
                classLogits: classLogits(outputs.base, sources, features, pass),
                base: Base(features: outputs.base, sources: sources, offsets: features.offsets))
        }
        let scale = settings.temporalScale, count = sources.count, cells = network.map.valid.count
        func make(_ rows: Int, _ columns: Int) -> Tensor { Tensor(rows: rows, columns: columns, requiresGradient: false) }
        let start = make(count * scale, 1), end = make(count * scale, 1), map = make(count * cells, 2)
        let distance = network.hasDistance ? make(count * cells, 1) : nil
        let base = classifier == nil ? nil : make(count * scale, settings.baseDimension)
        for first in stride(from: 0, to: count, by: Self.mapsAtOnce) {
            let part = network(inputs(features, sources[first..<min(count, first + Self.mapsAtOnce)]), pass)
            guard !Rehearsal.isRunning else { continue }
            func copy(_ part: Tensor?, to whole: Tensor?, rows: Int) {
                guard let part, let whole else { return }
                (whole.values + first * rows * whole.columns).update(from: part.values, count: part.count)
            }
            copy(part.start, to: start, rows: scale)
            copy(part.end, to: end, rows: scale)
            copy(part.map, to: map, rows: cells)
            copy(part.distance, to: distance, rows: cells)
            copy(part.base, to: base, rows: scale)
        }
        return Outputs(
            start: start, end: end, map: map, distance: distance, classLogits: base.flatMap { classLogits($0, sources, features, pass) })
    }

    /// A linear layer on the mean of the base's rows, over all maps of a recording; no gradient passes into the base.
    private func classLogits(_ base: Tensor, _ sources: [MapSource], _ features: PackedSequence, _ pass: ForwardPass) -> Tensor? {
        guard let classifier else { return nil }
        let scale = settings.temporalScale
        var offsets = [Int](repeating: 0, count: features.count + 1)
        func seen(_ source: MapSource) -> Int { settings.grid == .rescaled ? scale : source.rows.count }
        for source in sources { offsets[source.recording + 1] += seen(source) }
        for recording in 0..<features.count { offsets[recording + 1] += offsets[recording] }
        let rows = Tensor(rows: offsets[features.count], columns: base.columns, requiresGradient: false)
        if !Rehearsal.isRunning {
            var place = 0
            for (map, source) in sources.enumerated() {
                (rows.values + place * base.columns).update(from: base.values + map * scale * base.columns, count: seen(source) * base.columns)
                place += seen(source)
            }
        }
        return classifier(pass.tape.sequenceMean(PackedSequence(rows, offsets: offsets)), pass).tensor
    }

    /// Of all outputs.
    public func rehearseGradients(_ outputs: Outputs) {
        for tensor in [outputs.start, outputs.end, outputs.map, outputs.distance, outputs.classLogits].compactMap({ $0 })
        where tensor.requiresGradient {
            _ = tensor.gradientToWrite()
        }
    }
}
