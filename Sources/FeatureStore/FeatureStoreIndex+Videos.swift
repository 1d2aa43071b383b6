import Diagnostics
import HDF5
import TemporalAnnotations

/// The videos of a store, as its index lists them.
extension FeatureStoreIndex {
    /// - Parameters:
    ///   - file: the store.
    ///   - matrixRows: rows of the feature matrix.
    ///   - classCount: classes of the store.
    /// - Throws: `Failure.badInput` for columns that do not fit together, the matrix or the classes, and for times that are none.
    static func readVideos(_ file: HDF5File, matrixRows: Int, classCount: Int) throws -> [StoredVideo] {
        let columns = try VideoColumns(file), ids = columns.ids
        let instances = try readInstances(file, videos: ids, classCount: classCount)
        let weakLabels = try readWeakLabels(file, videos: ids, classCount: classCount, instances: instances)
        var expected = 0
        let videos = try ids.indices.map { index in
            try columns.requireTimes(of: index, file)
            let firstRow = columns.firstRows[index], rows = columns.rows[index]
            guard firstRow == expected, rows > 0, rows <= Int.max - expected else {
                throw Failure.badInput(
                    "the index does not fit together: video '\(ids[index])' has \(rows) rows from row \(firstRow), row \(expected) was expected",
                    at: .file(file.path), .dataset("videos/first_row"), advice: "make the store again")
            }
            expected += rows
            let annotation = VideoAnnotation(
                id: VideoID(ids[index]), subset: Subset(rawValue: columns.subsets[index]), duration: columns.durations[index],
                fps: columns.fps[index], instances: instances[index], weakLabels: weakLabels[index])
            let grid = FeatureGrid(fps: columns.fps[index], stride: columns.strides[index], window: columns.windows[index])
            return StoredVideo(firstRow: firstRow, rows: rows, grid: grid, annotation: annotation)
        }
        guard expected == matrixRows else {
            throw Failure.badInput(
                "the index does not fit the matrix: the videos have \(expected) rows together, the matrix has \(matrixRows)",
                at: .file(file.path), .dataset(FeatureStoreFormat.matrix), advice: "make the store again")
        }
        return videos
    }

    /// Per video its annotated actions.
    private static func readInstances(_ file: HDF5File, videos ids: [String], classCount: Int) throws -> [[ActionInstance]] {
        let owners = try file.readInts("annotations/video")
        let starts = try column("annotations/start", file.readDoubles, count: owners.count, file)
        let ends = try column("annotations/end", file.readDoubles, count: owners.count, file)
        let labels = try column("annotations/label", file.readInts, count: owners.count, file)
        var instances = [[ActionInstance]](repeating: [], count: ids.count)
        for index in owners.indices {
            guard ids.indices.contains(owners[index]) else {
                throw Failure.badInput(
                    "annotation \(index) names video number \(owners[index]); the store has \(ids.count) videos",
                    at: .file(file.path), .dataset("annotations/video"), advice: "make the store again")
            }
            let id = ids[owners[index]]
            guard 0..<classCount ~= labels[index] else {
                throw Failure.badInput(
                    "annotation \(index) names class number \(labels[index]); the store has \(classCount) classes",
                    at: .file(file.path), .video(id), .dataset("annotations/label"), advice: "make the store again")
            }
            let segment = Segment(start: starts[index], end: ends[index])
            try requireTimes(of: segment, video: id, file)
            instances[owners[index]].append(ActionInstance(segment: segment, label: labels[index]))
        }
        return instances
    }

    private static func requireTimes(of segment: Segment, video id: String, _ file: HDF5File) throws {
        guard segment.start.isFinite, segment.end.isFinite, segment.start <= segment.end else {
            throw Failure.badInput(
                "the segment [\(segment.start), \(segment.end)] is \(segment.start > segment.end ? "reversed" : "not finite")",
                at: .file(file.path), .video(id), .dataset("annotations/start"), advice: "make the store again")
        }
        guard abs(segment.start) <= 2 * FeatureLimits.duration, abs(segment.end) <= 2 * FeatureLimits.duration else {
            throw Failure.badInput(
                "the segment [\(segment.start), \(segment.end)] lies beyond \(Int(2 * FeatureLimits.duration)) s", at: .file(file.path),
                .video(id), .dataset("annotations/start"), advice: "make the store again")
        }
    }

    /// A column of the index; all columns of a table have as many entries.
    fileprivate static func column<Value>(
        _ name: String, _ read: (String) throws -> [Value], count: Int, _ file: HDF5File
    ) throws -> [Value] {
        let values = try read(name)
        guard values.count == count else {
            throw Failure.badInput(
                "it holds \(values.count) entries, \(count) were expected", at: .file(file.path), .dataset(name), advice: "make the store again")
        }
        return values
    }
}

/// The columns of the table of videos, one entry per video each.
private struct VideoColumns {
    let ids: [String]
    let subsets: [String]
    let firstRows: [Int]
    let rows: [Int]
    let durations: [Double]
    let fps: [Double]
    let strides: [Double]
    let windows: [Double]

    init(_ file: HDF5File) throws {
        let ids = try file.readStrings("videos/id")
        try FeatureStore.requireDistinct(ids, "video", file)
        func column<Value>(_ name: String, _ read: (String) throws -> [Value]) throws -> [Value] {
            try FeatureStoreIndex.column("videos/\(name)", read, count: ids.count, file)
        }
        self.ids = ids
        subsets = try column("subset", file.readStrings)
        firstRows = try column("first_row", file.readInts)
        rows = try column("rows", file.readInts)
        durations = try column("duration", file.readDoubles)
        fps = try column("fps", file.readDoubles)
        strides = try column("stride", file.readDoubles)
        windows = try column("window", file.readDoubles)
    }

    func requireTimes(of index: Int, _ file: HDF5File) throws {
        let times: [(name: String, what: String, value: Double, most: Double)] = [
            ("videos/duration", "the duration is", durations[index], FeatureLimits.duration),
            ("videos/fps", "the fps are", fps[index], FeatureLimits.fps),
            ("videos/stride", "the stride is", strides[index], FeatureLimits.frames.upperBound),
            ("videos/window", "the window is", windows[index], FeatureLimits.frames.upperBound),
        ]
        for time in times where !(time.value > 0 && time.value <= time.most) {
            throw Failure.badInput(
                "\(time.what) \(time.value), not a positive number up to \(Int(time.most))", at: .file(file.path), .video(ids[index]),
                .dataset(time.name), advice: "make the store again")
        }
    }
}
