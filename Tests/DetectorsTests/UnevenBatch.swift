import Autograd
import Detectors
import NeuralNetworks
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

extension PackedBatch {
    /// Videos of the given lengths, each with an action of nearly its length and two of one place and length at its beginning.
    static func uneven(_ lengths: [Int], empty: Bool = false, random: inout RandomStream) -> PackedBatch {
        var offsets = [0]
        for length in lengths { offsets.append(offsets.last! + length) }
        let x = Tensor(rows: offsets.last!, columns: 6, (0..<offsets.last! * 6).map { _ in random.normal() })
        let grid = FeatureGrid(fps: 1, stride: 1, window: 1)
        return PackedBatch(
            features: PackedSequence(x, offsets: offsets),
            videos: lengths.indices.map { VideoContext(id: VideoID("\($0)"), grid: grid, duration: Double(lengths[$0])) },
            instances: lengths.map { length in
                if empty { return [] }
                let early = GridSegment(start: 0.2, end: 5.1)
                return [
                    GridInstance(segment: GridSegment(start: -0.4, end: Float(length) - 0.3), label: 1), GridInstance(segment: early, label: 0),
                    GridInstance(segment: early, label: 2),
                ]
            })
    }
}

/// A video's outputs do not depend on those beside it.
///
/// - Parameter outputs: the named outputs of a packed sequence, [points of all levels, columns].
func checkVideosDoNotSeeEachOther(
    _ batch: PackedBatch, _ points: PyramidPoints, file: StaticString = #filePath, line: UInt = #line,
    outputs: (PackedSequence) -> [(name: String, values: Tensor)]
) {
    let all = outputs(batch.features), columns = batch.features.tensor.columns
    for video in batch.videos.indices {
        let rows = batch.features.rows(of: video)
        let x = Tensor(rows: rows.count, columns: columns, Array(batch.features.tensor.array[rows.lowerBound * columns..<rows.upperBound * columns]))
        for (whole, alone) in zip(all, outputs(PackedSequence(x, offsets: [0, rows.count]))) {
            let width = whole.values.columns
            assertClose(
                "\(whole.name) of the video of \(rows.count) rows",
                points.indices(video: video).flatMap { Array(whole.values.array[$0 * width..<($0 + 1) * width]) }, alone.values.array, absolute: 1e-5,
                relative: 1e-5, file: file, line: line)
        }
    }
}
