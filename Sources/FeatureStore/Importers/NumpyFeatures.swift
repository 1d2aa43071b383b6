import Diagnostics
import Foundation
import TemporalAnnotations

/// A folder of extracted features, one `.npy` file [rows, dimension] per video, with the annotations that name the videos.
public struct NumpyFeatures: FeatureSource {
    public struct Options: Sendable {
        /// Frames between rows.
        public var stride: Double = 4
        /// Frames seen by one row.
        public var window: Double = 16
        /// Frames per second of all videos, in place of the annotations' own.
        public var fps: Double?
        /// Leaves videos without a file out instead of refusing.
        public var allowMissing = false
        /// Cuts actions to their video and leaves those out that lie outside, instead of refusing.
        public var cutSegments = false
        /// Videos whose annotated duration is wrong: theirs is taken from their number of rows, and that number is not checked.
        public var durationFromFeatures: Set<VideoID> = []
        /// Brings every video to this number of rows by linear interpolation in time, as is usual for ActivityNet; the grid follows.
        public var rescaledRows: Int?
        /// A file's name is the prefix, the video's name and the suffix.
        public var filePrefix = ""
        public var fileSuffix = ".npy"

        public init() {}
    }

    public let classes: ClassMap
    public let dimension: Int
    public let videos: [VideoPlan]
    /// Annotated videos without a file, left out (with `allowMissing`).
    public let missing: [VideoID]
    /// What was changed in the annotations, one sentence each.
    public let notes: [String]
    private let files: [NumpyFile]

    /// Reads the headers of all files and checks them against the annotations, which may have been read with any segment policy.
    ///
    /// - Parameter annotationsPath: the annotation file, for messages.
    public init(folder: String, annotations: AnnotationSet, options: Options = Options(), annotationsPath: String? = nil) throws {
        try Self.check(options)
        try Self.check(rescaledRows: options.rescaledRows)
        guard FileManager.default.fileExists(atPath: folder) else {
            throw Failure.badInput("the folder of features does not exist", at: .file(folder), advice: "check the path")
        }
        func path(_ video: VideoAnnotation) -> String { "\(folder)/\(options.filePrefix)\(video.id)\(options.fileSuffix)" }
        let there = annotations.videos.filter { FileManager.default.fileExists(atPath: path($0)) }
        missing = annotations.videos.filter { !FileManager.default.fileExists(atPath: path($0)) }.map(\.id)
        try Self.check(missing: missing, of: annotations.videos.count, folder: folder, options)
        let files = try there.map { try NumpyFile(path: path($0)) }
        let dimension = Self.commonDimension(files)
        var segments = SegmentCheck(classes: annotations.classes, path: annotationsPath, cuts: options.cutSegments)
        if let stranger = options.durationFromFeatures.subtracting(there.map(\.id)).sorted().first {
            throw Failure.wrongUsage(
                "--duration-from-features names '\(stranger)', which has no annotations or no features", advice: "check the video's name")
        }
        videos = try zip(there, files).map { video, file in
            guard let fps = options.fps ?? video.fps else {
                throw Failure.badInput(
                    "the annotations do not say the frames per second of this video", at: .video(video.id.name), advice: "give --fps")
            }
            let grid = FeatureGrid(fps: fps, stride: options.stride, window: options.window)
            var video = video
            if options.durationFromFeatures.contains(video.id) {
                video.duration = (Double(max(file.header.rows, 1) - 1) * grid.stride + grid.window) / grid.fps
            }
            try Self.check(file, video, grid, dimension: dimension)
            let (rows, rowGrid) = Self.rescaled(file.header.rows, grid, to: options.rescaledRows)
            return VideoPlan(rows: rows, grid: rowGrid, annotation: try segments.fit(video), file: file.path)
        }
        classes = annotations.classes
        self.dimension = dimension
        self.files = files
        notes = segments.notes
    }

    public func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
        let (from, to) = (files[index].header.rows, videos[index].rows)
        if from == to { return try files[index].read(into: target) }
        let source = UnsafeMutablePointer<Float>.allocate(capacity: from * dimension)
        defer { source.deallocate() }
        try files[index].read(into: source)
        for row in 0..<to {
            // Rows stand at their middles; what lies before the first or behind the last is that row.
            let place = min(Double(from - 1), max(0, (Double(row) + 0.5) * Double(from) / Double(to) - 0.5))
            let low = Int(place)
            let share = Float(place - Double(low))
            let (a, b) = (source + low * dimension, source + min(low + 1, from - 1) * dimension)
            for column in 0..<dimension { target[row * dimension + column] = (1 - share) * a[column] + share * b[column] }
        }
    }

    /// The same frames in another number of rows: neighbouring windows that cover what the original windows saw.
    private static func rescaled(_ rows: Int, _ grid: FeatureGrid, to target: Int?) -> (Int, FeatureGrid) {
        guard let target, target != rows else { return (rows, grid) }
        let span = (Double(rows - 1) * grid.stride + grid.window) / Double(target)
        return (target, FeatureGrid(fps: grid.fps, stride: span, window: span))
    }

    // MARK: Checks

    private static func check(_ options: Options) throws {
        let numbers: [(String, Double?)] = [("--feature-stride", options.stride), ("--window", options.window), ("--fps", options.fps)]
        for (name, value) in numbers {
            if let value { try FeatureOptions.check(name, value) }
        }
    }

    private static func check(rescaledRows rows: Int?) throws {
        if let rows { try FeatureOptions.check("--rescale", rows, atMost: 1_000_000) }
    }

    private static func check(missing: [VideoID], of count: Int, folder: String, _ options: Options) throws {
        guard !missing.isEmpty, missing.count == count || !options.allowMissing else { return }
        let named = missing.prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (missing.count > 5 ? " and \(missing.count - 5) more" : "")
        let pattern = "\(options.filePrefix)VIDEO\(options.fileSuffix)"
        throw Failure.badInput(
            "\(missing.count) of \(count) videos have no features: \(named)", at: .file(folder),
            advice: missing.count == count
                ? "check the folder: files named \(pattern) were expected (--file-prefix and --file-suffix change this)"
                : "add their files, or leave them out with --allow-missing")
    }

    /// The most frequent second size; of equally frequent ones the first.
    private static func commonDimension(_ files: [NumpyFile]) -> Int {
        var counts: [Int: Int] = [:]
        for file in files { counts[file.header.columns, default: 0] += 1 }
        let most = counts.values.max() ?? 0
        return files.first { counts[$0.header.columns] == most }?.header.columns ?? 0
    }

    private static func check(_ file: NumpyFile, _ video: VideoAnnotation, _ grid: FeatureGrid, dimension: Int) throws {
        let places: [Failure.Place] = [.file(file.path), .video(video.id.name)]
        let (rows, columns) = (file.header.rows, file.header.columns)
        guard rows > 0, columns > 0 else {
            throw Failure(
                .badInput, "the array has the shape [\(rows), \(columns)]: it is empty", at: places,
                advice: "extract the features of this video again, or remove the file and use --allow-missing")
        }
        let check = RowCountCheck(duration: video.duration, grid: grid)
        let fits = check.accepts(rows)
        if !fits && check.accepts(columns) || columns != dimension && rows == dimension {
            throw Failure(
                .badInput, "the array has the shape [\(rows), \(columns)], which looks like [dimension, rows]; [rows, dimension] was expected",
                at: places, advice: "save it transposed: numpy.save(path, array.T)")
        }
        guard columns == dimension else {
            throw Failure(
                .badInput, "the rows have \(columns) values, those of the other videos \(dimension)", at: places,
                advice: "extract all videos with the same network")
        }
        guard fits else { throw check.failure(rows: rows, video: video.id, file: file.path) }
    }
}
