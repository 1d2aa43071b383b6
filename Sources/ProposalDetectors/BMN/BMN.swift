import Autograd
import Detectors
import Kernels
import NeuralNetworks
import PostProcessing
import TemporalAnnotations

/// BMN: class-agnostic proposals on a map of all starts and ends (Lin et al., "BMN: Boundary-Matching Network for Temporal Action Proposal Generation",
/// ICCV 2019), and the classes of their recordings.
///
/// A recording of any length is resampled to the T rows of one map, or cut into windows of T rows, a map each.
public final class BMN: RehearsedDetector, AnnotationAssigned {
    /// Probabilities of a batch's maps, one after another.
    public struct Outputs {
        /// [maps * T, 1].
        public var start: Tensor
        public var end: Tensor
        /// [maps * valid cells, 2].
        public var map: Tensor
        /// [recordings, classes], of the classifier of recordings; nil without it.
        public var classLogits: Tensor?

        package init(start: Tensor, end: Tensor, map: Tensor, classLogits: Tensor?) {
            self.start = start
            self.end = end
            self.map = map
            self.classLogits = classLogits
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
    private func inputs(_ features: PackedSequence, _ sources: ArraySlice<MapSource>) -> Tensor {
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
                start: outputs.start, end: outputs.end, map: outputs.map, classLogits: classLogits(outputs.base, sources, features, pass))
        }
        let scale = settings.temporalScale, count = sources.count, cells = network.map.valid.count
        func make(_ rows: Int, _ columns: Int) -> Tensor { Tensor(rows: rows, columns: columns, requiresGradient: false) }
        let start = make(count * scale, 1), end = make(count * scale, 1), map = make(count * cells, 2)
        let base = classifier == nil ? nil : make(count * scale, settings.baseDimension)
        for first in stride(from: 0, to: count, by: Self.mapsAtOnce) {
            let part = network(inputs(features, sources[first..<min(count, first + Self.mapsAtOnce)]), pass)
            guard !Rehearsal.isRunning else { continue }
            (start.values + first * scale).update(from: part.start.values, count: part.start.count)
            (end.values + first * scale).update(from: part.end.values, count: part.end.count)
            (map.values + 2 * first * cells).update(from: part.map.values, count: part.map.count)
            if let base { (base.values + first * scale * base.columns).update(from: part.base.values, count: part.base.count) }
        }
        return Outputs(start: start, end: end, map: map, classLogits: base.flatMap { classLogits($0, sources, features, pass) })
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
        for tensor in [outputs.start, outputs.end, outputs.map, outputs.classLogits].compactMap({ $0 }) where tensor.requiresGradient {
            _ = tensor.gradientToWrite()
        }
    }

    // MARK: Detection

    /// Proposals of every recording, suppressed over all its maps, cut to the recording; with a classifier of recordings each is repeated for the best of
    /// its classes, otherwise the label is 0.
    public func detect(_ batch: PackedBatch) -> [[Detection]] {
        let outputs = self(batch.features, .inference()), sources = sources(batch.features)
        return withExtendedLifetime(outputs) { batch.videos.indices.map { detections(of: $0, in: batch, outputs, sources) } }
    }

    private func detections(of recording: Int, in batch: PackedBatch, _ outputs: Outputs, _ sources: [MapSource]) -> [Detection] {
        let rows = batch.features.rows(of: recording), video = batch.videos[recording]
        let kept = BMNDecoding(settings: settings).suppressed(candidates(outputs, sources, recording, rows), extent: Float(rows.count))
        let detections = kept.map { candidate in
            let segment = video.grid.segment(candidate.segment)
            return Detection(
                video: video.id,
                segment: Segment(start: min(max(segment.start, 0), video.duration), end: min(max(segment.end, 0), video.duration)),
                label: candidate.label, score: Double(candidate.score))
        }
        guard let logits = outputs.classLogits else { return detections }
        let scores = (0..<settings.classes).map { 1 / (1 + exponential(-Double(logits.values[recording * settings.classes + $0]))) }
        return ClassScoreFusion(topK: settings.videoClasses, rule: .product)(detections, scores: scores)
    }

    /// Proposals of all maps of a recording, on its grid.
    private func candidates(_ outputs: Outputs, _ sources: [MapSource], _ recording: Int, _ rows: Range<Int>) -> [Candidate] {
        let scale = settings.temporalScale, cells = network.map.valid.count, decoding = BMNDecoding(settings: settings)
        return sources.enumerated().filter { $0.element.recording == recording }.flatMap { map, source in
            func rowsOf(_ tensor: Tensor) -> [Float] { Array(UnsafeBufferPointer(start: tensor.values + map * scale, count: scale)) }
            let factor = settings.grid == .rescaled ? Float(source.rows.count) / Float(scale) : 1
            // Row t is [t, t + 1) to the map, and stands at its middle on the grid.
            let first = Float(source.rows.lowerBound - rows.lowerBound) - 0.5, last = Float(source.rows.count)
            return decoding.proposals(start: rowsOf(outputs.start), end: rowsOf(outputs.end), map: outputs.map.values + 2 * map * cells)
                .compactMap { proposal -> Candidate? in
                    let start = factor * Float(proposal.start), end = min(factor * Float(proposal.end), last)
                    // In the zeros behind a short recording there is nothing.
                    guard start < end else { return nil }
                    return Candidate(segment: GridSegment(start: first + start, end: first + end), score: Float(proposal.score), label: 0)
                }
        }
    }
}
