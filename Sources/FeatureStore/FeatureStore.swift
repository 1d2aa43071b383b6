import Diagnostics
import Foundation
import HDF5
import TemporalAnnotations

/// One video of a store.
public struct StoredVideo: Sendable {
    public let id: VideoID
    /// The video's first row in the matrix.
    public let firstRow: Int
    public let rows: Int
    public let grid: FeatureGrid
    public let annotation: VideoAnnotation

    /// A video of `rows` rows from `firstRow` of the store's matrix on; its id is the annotation's.
    public init(firstRow: Int, rows: Int, grid: FeatureGrid, annotation: VideoAnnotation) {
        id = annotation.id
        self.firstRow = firstRow
        self.rows = rows
        self.grid = grid
        self.annotation = annotation
    }
}

/// A feature store opened for reading: one HDF5 file with the features, index, classes and annotations of many videos (`docs/feature-store.md`).
///
/// Opening reads the index and checks it; features are read when asked for, the asked rows alone. Safe to use from several threads.
public final class FeatureStore {
    public let path: String
    /// Values per row.
    public let dimension: Int
    /// How a value stands in the file; rows are read as float32.
    public let storage: FeatureStorage
    public let classes: ClassMap
    public let videos: [StoredVideo]
    /// SHA-256 over names, shapes and values, as recorded when the store was written; `contentDigest()` recomputes it.
    public let digest: String
    /// Rows of all videos together.
    public let rows: Int
    private let matrix: HDF5Matrix
    private let indices: [VideoID: Int]

    /// - Throws: `Failure.badInput` for a file that is missing, is not a store, has another version, ends early or contradicts itself.
    public init(path: String) throws {
        let file = try HDF5File.open(path)
        try Self.requireFormat(file)
        let matrix = try HDF5Matrix(
            in: file, FeatureStoreFormat.matrix, advice: "make the store with 'kairos import' or 'kairos synthesize'")
        self.path = path
        self.matrix = matrix
        dimension = matrix.columns
        rows = matrix.rows
        storage = matrix.storage
        try Self.requireLength(file, matrix)
        let names = try file.readStrings("classes")
        try Self.requireDistinct(names, "class", file)
        classes = ClassMap(names: names)
        videos = try FeatureStoreIndex.readVideos(file, matrixRows: matrix.rows, classCount: names.count)
        digest = try file.stringAttribute(of: "", named: "digest")
        indices = Dictionary(uniqueKeysWithValues: videos.enumerated().map { ($1.id, $0) })
    }

    /// The store with its matrix read from a copy of it that may lie otherwise in its file: for comparisons.
    package init(_ store: FeatureStore, matrixFrom copy: String, layout: HDF5Matrix.Layout) throws {
        let matrix = try HDF5Matrix(in: try HDF5File.open(copy), FeatureStoreFormat.matrix, layout: layout)
        guard matrix.rows == store.rows, matrix.columns == store.dimension, matrix.storage == store.storage else {
            throw Failure.badInput(
                "it holds \(matrix.rows) rows of \(matrix.columns) values in \(matrix.storage), "
                    + "\(store.rows) of \(store.dimension) in \(store.storage) were expected",
                at: .file(copy), .dataset(matrix.name), advice: "make the copy again")
        }
        path = copy
        self.matrix = matrix
        dimension = store.dimension
        rows = store.rows
        storage = store.storage
        classes = store.classes
        videos = store.videos
        digest = store.digest
        indices = store.indices
    }

    private init(_ store: FeatureStore, classes: ClassMap, videos: [StoredVideo]) {
        (path, matrix, dimension, rows, storage) = (store.path, store.matrix, store.dimension, store.rows, store.storage)
        (digest, indices) = (store.digest, store.indices)
        self.classes = classes
        self.videos = videos
    }

    /// The store with all actions of one class.
    public var withOneClass: FeatureStore {
        FeatureStore(
            self, classes: ClassMap(names: [AnnotationSet.onlyClass]),
            videos: videos.map { StoredVideo(firstRow: $0.firstRow, rows: $0.rows, grid: $0.grid, annotation: $0.annotation.withOneClass) })
    }

    /// The position of a video in `videos`.
    public func index(of id: VideoID) -> Int? { indices[id] }

    /// Labelled actions of all videos together.
    public var instanceCount: Int { videos.reduce(0) { $0 + $1.annotation.instances.count } }

    /// Reads some rows of a video.
    ///
    /// - Throws: `Failure.badInput` for a file that cannot be read.
    public func read(_ rows: Range<Int>, ofVideo index: Int) throws -> FeatureRows { try read(rows, ofVideo: index, into: nil) }

    /// - Parameter memory: lends the memory of the rows; nil: their own.
    package func read(_ rows: Range<Int>, ofVideo index: Int, into memory: RowMemory?) throws -> FeatureRows {
        guard videos.indices.contains(index), rows.lowerBound >= 0, rows.upperBound <= videos[index].rows else {
            throw Failure.failed(
                "rows \(rows.lowerBound)..<\(rows.upperBound) of video number \(index) were asked for, the store does not hold them",
                at: .file(path), advice: "report this as a fault of the program")
        }
        let first = videos[index].firstRow
        return try FeatureRows(video: index, rows: rows, columns: dimension, storage: storage, from: memory) {
            try matrix.readStored(first + rows.lowerBound..<first + rows.upperBound, into: $0)
        }
    }

    /// Tells the operating system that these rows will be read soon, in this order, so that it fetches them from disk meanwhile; returns before they
    /// are there. What the store does not hold is ignored. Changes no result.
    ///
    /// - Parameters:
    ///   - reads: recordings and their rows.
    ///   - before: the read that comes before them; nil: none, or not known.
    public func announce(_ reads: [(video: Int, rows: Range<Int>)], after before: (video: Int, rows: Range<Int>)? = nil) {
        func place(_ read: (video: Int, rows: Range<Int>)) -> Range<Int>? {
            guard videos.indices.contains(read.video), read.rows.lowerBound >= 0, read.rows.upperBound <= videos[read.video].rows else { return nil }
            let first = videos[read.video].firstRow
            return first + read.rows.lowerBound..<first + read.rows.upperBound
        }
        matrix.announce(reads.compactMap(place), after: before.flatMap(place)?.upperBound)
    }

    /// Whether the system reads so far ahead by itself that announcing would cost more than it gains.
    var systemReadsFarAhead: Bool { matrix.systemReadsFarAhead }

    /// Bytes that so many rows take in the file.
    public func storedBytes(rows: Int) -> Int { rows * matrix.bytesPerRow }

    /// Bytes that the rows of the longest video take in the file.
    public var longestStoredBytes: Int { storedBytes(rows: videos.map(\.rows).max() ?? 0) }

    /// Computes the digest from what the file holds; reads all of it.
    ///
    /// - Throws: `Failure` when rows cannot be read, or there is no memory for the longest video.
    public func contentDigest() throws -> String {
        let buffer = UnsafeMutableRawPointer(
            try CheckedMemory.allocate(UInt8.self, count: longestStoredBytes, for: "the rows of the longest recording"))
        defer { buffer.deallocate() }
        let leaves = try videos.map { video in
            try matrix.readStored(video.firstRow..<video.firstRow + video.rows, into: buffer)
            return FeatureStoreFormat.rowsDigest(video.id, rows: video.rows, columns: dimension, storage: storage, buffer)
        }
        return FeatureStoreIndex(dimension: dimension, storage: storage, classes: classes, videos: videos).digest(rowDigests: leaves)
    }

    /// Checks the recorded digest against the contents; reads all of the file.
    ///
    /// - Throws: `Failure.badInput` when they differ; as `contentDigest()`.
    public func verify() throws {
        let found = try contentDigest()
        guard found == digest else {
            throw Failure.badInput(
                "the store was changed after it was written: its digest is \(found.prefix(12))..., \(digest.prefix(12))... is recorded",
                at: .file(path), advice: "copy the store again from its source, or make it again")
        }
    }
}

// MARK: - Checks on opening

extension FeatureStore {
    private static func requireFormat(_ file: HDF5File) throws {
        let advice = "make a store with 'kairos import' or 'kairos synthesize'"
        guard file.hasAttribute(of: "", named: "format") else {
            throw Failure.badInput("this HDF5 file is not a feature store: it has no attribute 'format'", at: .file(file.path), advice: advice)
        }
        let format = try file.stringAttribute(of: "", named: "format")
        guard format == FeatureStoreFormat.name else {
            throw Failure.badInput("this HDF5 file is not a feature store: its format is '\(format)'", at: .file(file.path), advice: advice)
        }
        let version = try file.intAttribute(of: "", named: "version")
        let newest = FeatureStoreFormat.versionWithWeakLabels
        guard FeatureStoreFormat.version...newest ~= version else {
            throw Failure.badInput(
                "the store has version \(version), this program reads versions \(FeatureStoreFormat.version) to \(newest)", at: .file(file.path),
                advice: version > newest
                    ? "use the newer program that wrote it, or make the store again" : "make the store again")
        }
    }

    private static func requireLength(_ file: HDF5File, _ matrix: HDF5Matrix) throws {
        let size = (try? FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int) ?? 0
        let (bytes, overflow) = matrix.rows.multipliedReportingOverflow(by: matrix.bytesPerRow)
        guard bytes > 0 || overflow else { return }
        guard !overflow, let offset = matrix.fileOffset, bytes <= size - offset else {
            throw Failure.badInput(
                "the store ends early: \(matrix.rows) rows of \(matrix.columns) values need "
                    + "\(overflow ? "more than \(Int.max)" : "\(bytes)") bytes, the file holds \(size)",
                at: .file(file.path), .dataset(matrix.name), advice: "copy the store again from its source, or make it again")
        }
    }

    static func requireDistinct(_ names: [String], _ kind: String, _ file: HDF5File) throws {
        var seen: Set<String> = []
        if names.contains("") {
            throw Failure.badInput("a \(kind) has no name", at: .file(file.path), advice: "make the store again")
        }
        for name in names where !seen.insert(name).inserted {
            throw Failure.badInput("the \(kind) '\(name)' stands there twice", at: .file(file.path), advice: "make the store again")
        }
    }
}
