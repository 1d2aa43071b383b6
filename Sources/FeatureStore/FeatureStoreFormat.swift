import HDF5
import TemporalAnnotations

/// How the numbers of a store's matrix are kept in the file.
public typealias FeatureStorage = HDF5FloatStorage

/// The names inside a feature store; `docs/feature-store.md` describes them for readers in other languages.
enum FeatureStoreFormat {
    static let name = "kairos feature store"
    static let version = 1
    /// Of stores with weak labels: programs that know nothing of these would take their recordings for recordings without actions.
    static let versionWithWeakLabels = 2
    static let matrix = "features"

    /// The digest of one video's rows as they are stored: the leaves of the store's digest, so that ranks can make them apart.
    static func rowsDigest(_ id: VideoID, rows: Int, columns: Int, storage: FeatureStorage, _ values: UnsafeRawPointer) -> [UInt8] {
        var digest = ContentDigest()
        digest.add(
            name: "features/\(id)", shape: [rows, columns], UnsafeRawBufferPointer(start: values, count: rows * columns * storage.bytesPerValue))
        return digest.bytes()
    }
}

/// The small datasets of a store: everything but the matrix.
struct FeatureStoreIndex {
    var dimension: Int
    var storage: FeatureStorage
    var classes: ClassMap
    var videos: [StoredVideo]

    /// The digest of the store, from the digests of its videos' rows.
    func digest(rowDigests: [[UInt8]]) -> String {
        var digest = ContentDigest()
        digest.add(name: "storage", text: storage.rawValue)
        digest.add(name: "classes", strings: classes.names)
        digest.add(name: "videos/id", strings: videos.map(\.id.name))
        digest.add(name: "videos/subset", strings: videos.map(\.annotation.subset.rawValue))
        digest.add(name: "videos/rows", integers: videos.map(\.rows))
        digest.add(name: "videos/duration", doubles: videos.map(\.annotation.duration))
        digest.add(name: "videos/fps", doubles: videos.map(\.grid.fps))
        digest.add(name: "videos/stride", doubles: videos.map(\.grid.stride))
        digest.add(name: "videos/window", doubles: videos.map(\.grid.window))
        let instances = videos.enumerated().flatMap { index, video in video.annotation.instances.map { (index, $0) } }
        digest.add(name: "annotations/video", integers: instances.map(\.0))
        digest.add(name: "annotations/start", doubles: instances.map(\.1.segment.start))
        digest.add(name: "annotations/end", doubles: instances.map(\.1.segment.end))
        digest.add(name: "annotations/label", integers: instances.map(\.1.label))
        if !weakLabels.isEmpty {
            digest.add(name: "weak_labels/video", integers: weakLabels.map(\.video))
            digest.add(name: "weak_labels/label", integers: weakLabels.map(\.label))
        }
        for (video, leaf) in zip(videos, rowDigests) { digest.add(name: "features/\(video.id)", bytes: leaf) }
        return digest.hex()
    }

    func write(to file: HDF5File) throws {
        try file.setAttribute(of: "", named: "format", FeatureStoreFormat.name)
        try file.setAttribute(of: "", named: "version", weakLabels.isEmpty ? FeatureStoreFormat.version : FeatureStoreFormat.versionWithWeakLabels)
        try file.writeStrings("classes", classes.names)
        try file.writeStrings("videos/id", videos.map(\.id.name))
        try file.writeStrings("videos/subset", videos.map(\.annotation.subset.rawValue))
        try file.writeInts("videos/first_row", videos.map(\.firstRow))
        try file.writeInts("videos/rows", videos.map(\.rows))
        try file.writeDoubles("videos/duration", videos.map(\.annotation.duration))
        try file.writeDoubles("videos/fps", videos.map(\.grid.fps))
        try file.writeDoubles("videos/stride", videos.map(\.grid.stride))
        try file.writeDoubles("videos/window", videos.map(\.grid.window))
        let instances = videos.enumerated().flatMap { index, video in video.annotation.instances.map { (index, $0) } }
        try file.writeInts("annotations/video", instances.map(\.0))
        try file.writeDoubles("annotations/start", instances.map(\.1.segment.start))
        try file.writeDoubles("annotations/end", instances.map(\.1.segment.end))
        try file.writeInts("annotations/label", instances.map(\.1.label))
        guard !weakLabels.isEmpty else { return }
        try file.writeInts("weak_labels/video", weakLabels.map(\.video))
        try file.writeInts("weak_labels/label", weakLabels.map(\.label))
    }
}
