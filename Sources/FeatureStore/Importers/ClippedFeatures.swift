import Diagnostics
import Foundation
import TemporalAnnotations

/// The recordings of another source, cut into clips of equal length, each with the parts of the actions that lie in it.
///
/// Clips begin at rows, so their length is a whole number of strides. A clip holds the rows whose windows lie in it.
public final class ClippedFeatures<Source: FeatureSource>: FeatureSource {
    public let classes: ClassMap
    public let dimension: Int
    /// Named `RECORDING_clip003`.
    public let videos: [VideoPlan]
    private let source: Source
    private let pieces: [(video: Int, firstRow: Int)]
    private var loaded: (video: Int, rows: [Float])?

    /// - Parameters:
    ///   - source: whose recordings are cut.
    ///   - seconds: length of a clip, rounded to whole strides; the rest of a recording is a clip too if it has a row.
    ///   - option: that the length was given by, for messages.
    /// - Throws: `Failure`: `.wrongUsage` for a length that is not positive, beyond bounds or shorter than a window, `.badInput` for recordings of which
    ///   only the classes are known: those of their clips are not.
    public init(_ source: Source, seconds: Double, option: String = "--clip-seconds") throws {
        guard seconds.isFinite, seconds > 0, seconds <= FeatureLimits.duration else {
            throw Failure.wrongUsage(
                "\(option) is \(seconds)",
                advice: "give a number above 0, up to \(Int(FeatureLimits.duration)); leave it out to keep recordings whole")
        }
        if let weak = source.videos.first(where: { $0.annotation.isWeaklyLabelled }) {
            let count = source.videos.count { $0.annotation.isWeaklyLabelled }
            throw Failure.badInput(
                "\(count) of the \(source.videos.count) recordings have classes without segments: the classes of their clips are not known",
                at: .video(weak.annotation.id.name), advice: "leave \(option) out, or give annotations with segments")
        }
        self.source = source
        classes = source.classes
        dimension = source.dimension
        var plans: [VideoPlan] = [], pieces: [(video: Int, firstRow: Int)] = []
        for (index, video) in source.videos.enumerated() {
            let clips = try Self.clips(of: video, seconds: seconds, option: option)
            plans += clips.map(\.plan)
            pieces += clips.map { (index, $0.firstRow) }
        }
        videos = plans
        self.pieces = pieces
    }

    private static func clips(of video: VideoPlan, seconds: Double, option: String) throws -> [(plan: VideoPlan, firstRow: Int)] {
        let grid = video.grid, step = max(1, Int((seconds * grid.fps / grid.stride).rounded()))
        // A window that ends with the clip may lie a rounding error beyond it.
        let windows = Int((Double(step) - grid.window / grid.stride + 1e-6).rounded(.down)) + 1
        guard windows > 0 else {
            throw Failure.wrongUsage(
                "clips of \(seconds) s are shorter than one window of \(grid.window) frames (\(grid.window / grid.fps) s)",
                at: .video(video.annotation.id.name), advice: "give \(option) at least \(grid.window / grid.fps)")
        }
        let length = Double(step) * grid.stride / grid.fps
        return stride(from: 0, to: video.rows, by: step).enumerated().compactMap { number, firstRow in
            let start = Double(number) * length, duration = min(length, video.annotation.duration - start)
            guard duration > 0 else { return nil }
            var annotation = video.annotation
            annotation.id = VideoID(video.annotation.id.name + String(format: "_clip%03d", number))
            annotation.duration = duration
            annotation.instances = video.annotation.instances.compactMap { instance in
                let part = Segment(start: max(instance.segment.start - start, 0), end: min(instance.segment.end - start, duration))
                return part.length > 0 ? ActionInstance(segment: part, label: instance.label) : nil
            }
            let rows = min(windows, video.rows - firstRow)
            return (VideoPlan(rows: rows, grid: grid, annotation: annotation, file: video.file), firstRow)
        }
    }

    /// Copies the clip's rows; the recording read last stays in memory.
    ///
    /// - Throws: whatever the source throws.
    public func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
        let (video, firstRow) = pieces[index]
        if loaded?.video != video {
            loaded = nil
            var rows = [Float](repeating: 0, count: source.videos[video].rows * dimension)
            try rows.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                try source.readRows(ofVideo: video, into: base)
            }
            loaded = (video, rows)
        }
        loaded?.rows.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return }
            target.update(from: base + firstRow * dimension, count: videos[index].rows * dimension)
        }
    }
}
