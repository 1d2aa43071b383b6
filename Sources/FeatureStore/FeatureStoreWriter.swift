import Diagnostics
import Foundation
import HDF5
import TemporalAnnotations

/// Writes a feature store, video by video: memory is needed for the longest video alone.
///
/// The file and its digest depend on the source and the storage alone, not on the number of ranks that write.
public struct FeatureStoreWriter {
    public var storage: FeatureStorage
    /// Called after every video, with the number of videos this process has written and will write.
    public var progress: ((_ done: Int, _ total: Int) -> Void)?

    /// float32 keeps the features' bits, float16 halves the file.
    public init(storage: FeatureStorage = .float32, progress: ((_ done: Int, _ total: Int) -> Void)? = nil) {
        self.storage = storage
        self.progress = progress
    }

    /// Writes `source` to `path` with this process alone, beside its place until it is whole (`replaceFile(at:write:)`).
    ///
    /// - Returns: the store's digest.
    /// - Throws: `Failure` for an output that cannot be written, a video without rows, a repeated id, values that are not finite or do not fit the
    ///   storage; whatever the source throws.
    @discardableResult
    public func write(_ source: some FeatureSource, to path: String) throws -> String {
        let index = try plan(source)
        var digest = ""
        try replaceFile(at: path) { part in
            try prepare(index, at: part)
            let file = try HDF5File.openForWriting(part)
            let matrix = try HDF5Matrix(in: file, FeatureStoreFormat.matrix)
            let encoder = try RowEncoder(source: source, storage: storage)
            var leaves: [[UInt8]] = []
            var faults = ImportFaults()
            for (number, video) in index.videos.enumerated() {
                RunWindow.writingRows.pass()
                // After a fault the other videos are looked at all the same.
                if let leaf = try faults.attempt(.file, video.id, { try encoder.encode(number) }), faults.isEmpty {
                    leaves.append(leaf)
                    try matrix.writeStored(video.firstRow..<video.firstRow + video.rows, encoder.stored)
                }
                progress?(number + 1, index.videos.count)
            }
            try faults.checkValues(of: index.videos.count)
            matrix.close()
            try file.finishWriting()
            digest = try finish(index, rowDigests: leaves, at: part)
        }
        return digest
    }

    // MARK: Steps, shared with writing by several ranks

    /// Lays the rows out in the order of the source's videos.
    func plan(_ source: some FeatureSource) throws -> FeatureStoreIndex {
        guard !source.videos.isEmpty else {
            throw Failure.badInput("there is no video to write", advice: "check the source folder and the annotations")
        }
        guard source.dimension > 0 else { throw Failure.badInput("the features have no columns", advice: "check the features' files") }
        guard source.dimension <= FeatureLimits.dimension else {
            throw Failure.badInput(
                "the rows have \(source.dimension) values, a store takes at most \(FeatureLimits.dimension)", advice: "check the features' files")
        }
        var seen: Set<VideoID> = []
        var firstRow = 0
        let videos = try source.videos.map { video in
            let places: [Failure.Place] = (video.file.map { [.file($0)] } ?? []) + [.video(video.annotation.id.name)]
            guard seen.insert(video.annotation.id).inserted else {
                throw Failure(.badInput, "the video stands there twice", at: places, advice: "keep one of the two")
            }
            guard video.rows > 0 else {
                throw Failure(.badInput, "the video has no feature rows", at: places, advice: "extract its features again or leave the video out")
            }
            guard video.rows <= FeatureLimits.rows else {
                throw Failure(
                    .badInput, "the video has \(video.rows) feature rows, a store takes at most \(FeatureLimits.rows) of one video", at: places,
                    advice: "check the video's duration, the frames per second and the stride")
            }
            defer { firstRow += video.rows }
            return StoredVideo(firstRow: firstRow, rows: video.rows, grid: video.grid, annotation: video.annotation)
        }
        return FeatureStoreIndex(dimension: source.dimension, storage: storage, classes: source.classes, videos: videos)
    }

    /// Makes the file with everything but the values of the matrix and the digest.
    func prepare(_ index: FeatureStoreIndex, at part: String) throws {
        let file = try HDF5File.create(part)
        defer { file.close() }
        try index.write(to: file)
        let rows = index.videos.reduce(0) { $0 + $1.rows }
        try HDF5Matrix.create(in: file, FeatureStoreFormat.matrix, rows: rows, columns: index.dimension, storage: storage)
        try file.finishWriting()
    }

    /// Adds the digest.
    func finish(_ index: FeatureStoreIndex, rowDigests: [[UInt8]], at part: String) throws -> String {
        let digest = index.digest(rowDigests: rowDigests)
        let file = try HDF5File.openForWriting(part)
        defer { file.close() }
        try file.setAttribute(of: "", named: "digest", digest)
        try file.finishWriting(sealedWithout: [FeatureStoreFormat.matrix])
        return digest
    }
}

/// Turns the rows of one video after another into what is stored; the buffers are reused.
final class RowEncoder<Source: FeatureSource> {
    private let source: Source
    private let storage: FeatureStorage
    private let values: UnsafeMutablePointer<Float>
    private let halves: UnsafeMutablePointer<UInt16>?
    /// The last video's rows as they are stored.
    var stored: UnsafeRawPointer { halves.map { UnsafeRawPointer($0) } ?? UnsafeRawPointer(values) }

    /// - Throws: `Failure.failed` when there is not enough memory for the longest video.
    init(source: Source, storage: FeatureStorage) throws {
        self.source = source
        self.storage = storage
        let capacity = max((source.videos.map(\.rows).max() ?? 0) * source.dimension, 1)
        let bytes = capacity * (storage == .float16 ? 6 : 4)
        // `allocate` would end the program where `malloc` says no.
        guard let memory = malloc(bytes) else {
            throw Failure.failed(
                "\(bytes) bytes of memory for the rows of the longest video could not be had",
                advice: "use a machine with more memory, or shorter videos")
        }
        values = memory.bindMemory(to: Float.self, capacity: capacity)
        halves = storage == .float16 ? (memory + 4 * capacity).bindMemory(to: UInt16.self, capacity: capacity) : nil
    }

    deinit { free(values) }

    /// Reads, checks and converts a video's rows; they are in `stored` then.
    ///
    /// - Returns: the digest of the rows as stored.
    func encode(_ index: Int) throws -> [UInt8] {
        let video = source.videos[index]
        let count = video.rows * source.dimension
        try source.readRows(ofVideo: index, into: values)
        try requireStorable(video, count)
        if let halves { HalfPrecision.narrow(values, into: halves, count: count) }
        return FeatureStoreFormat.rowsDigest(video.annotation.id, rows: video.rows, columns: source.dimension, storage: storage, stored)
    }

    private func requireStorable(_ video: VideoPlan, _ count: Int) throws {
        var largest: UInt32 = 0
        for index in 0..<count { largest = max(largest, values[index].bitPattern & 0x7fff_ffff) }
        let limit: Float = storage == .float16 ? 65520 : .infinity  // below it, rounding to half precision gives at most 65504
        guard largest >= limit.bitPattern else { return }
        let places: [Failure.Place] = (video.file.map { [.file($0)] } ?? []) + [.video(video.annotation.id.name)]
        for index in 0..<count where values[index].bitPattern & 0x7fff_ffff >= limit.bitPattern {
            let value = values[index]
            let place = "row \(index / source.dimension), column \(index % source.dimension)"
            guard value.isFinite else {
                throw Failure(
                    .badInput, "the features hold \(value.isNaN ? "NaN" : "an infinite value") at \(place)", at: places,
                    advice: "extract the features of this video again, or leave the video out")
            }
            throw Failure(
                .badInput, "the value \(value) at \(place) does not fit float16, which ends at 65504", at: places, advice: "use --storage float32")
        }
    }
}
