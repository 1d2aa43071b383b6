import Autograd
import Detectors
import ProposalDetectors
import RandomStreams
import TemporalAnnotations

/// Small BMNs with branches of quality, and recordings for them.
protocol SmallBMNs {}

extension SmallBMNs {
    func tiny(_ branches: QualityBranches = .tiouTND, _ change: (inout BMNSettings) -> Void = { _ in }) -> BMNSettings {
        var settings = BMNSettings()
        settings.temporalScale = 8
        settings.samples = 4
        (settings.baseDimension, settings.proposalDimension, settings.sampledDimension, settings.mapDimension) = (8, 4, 8, 4)
        (settings.inputDimension, settings.classes) = (4, 3)
        settings.windowStride = 4
        settings.options.quality = QualitySettings(branches)
        change(&settings)
        return settings
    }

    func batch(_ lengths: [Int], _ instances: [[GridInstance]]? = nil, seed: UInt64 = 1) -> PackedBatch {
        var random = RandomStream(seed: seed, "batch"), offsets = [0]
        for length in lengths { offsets.append(offsets.last! + length) }
        let grid = FeatureGrid(fps: 10, stride: 5, window: 5)
        return PackedBatch(
            features: PackedSequence(
                Tensor(rows: offsets.last!, columns: 4, (0..<4 * offsets.last!).map { _ in random.normal() }), offsets: offsets),
            videos: lengths.indices.map { VideoContext(id: VideoID("v\($0)"), grid: grid, duration: Double(lengths[$0]) / 2) },
            instances: instances
                ?? lengths.map { [GridInstance(segment: GridSegment(start: 0.2 * Float($0), end: 0.6 * Float($0)), label: $0 % 3)] })
    }
}
