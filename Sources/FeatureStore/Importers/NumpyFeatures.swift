import Diagnostics
import Foundation
import TemporalAnnotations

/// Folders of extracted features, one `.npy` or `.npz` file [rows, dimension] per video, with the annotations that name the videos or without.
///
/// The arrays of several folders (RGB and optical flow) are joined column by column.
public struct NumpyFeatures: FeatureSource {
    public let classes: ClassMap
    /// Columns of all parts together.
    public let dimension: Int
    public let videos: [VideoPlan]
    /// Annotated videos without a file, left out (with `allowMissing`).
    public let missing: [VideoID]
    /// What was changed in the annotations or cut from the features, one sentence each.
    public let notes: [String]
    /// Values per row in each folder.
    public let partDimensions: [Int]
    /// The parts of every video.
    let files: [[NumpyFile]]

    /// Features that lie in one folder, one file per video.
    ///
    /// - Throws: `Failure` as the initialiser for several folders does.
    public init(folder: String, annotations: AnnotationSet?, options: Options = Options(), annotationsPath: String? = nil) throws {
        try self.init(folders: [folder], annotations: annotations, options: options, annotationsPath: annotationsPath)
    }

    /// Reads the headers of all files and checks them against the annotations, which may have been read with any segment policy.
    ///
    /// - Parameters:
    ///   - folders: where the parts of every video lie whose columns are joined, in this order.
    ///   - annotations: nil: every file is a video of `options.subset`, without actions; its duration is that of its rows.
    ///   - options: form of the files, rate and subset.
    ///   - annotationsPath: the annotation file, for messages.
    /// - Throws: one `Failure` that names all videos which do not fit.
    public init(folders: [String], annotations: AnnotationSet?, options: Options = Options(), annotationsPath: String? = nil) throws {
        try options.check(hasAnnotations: annotations != nil)
        let parts = try FeaturePart.parts(
            folders: folders, prefixes: options.filePrefixes, suffixes: options.fileSuffixes, arrays: options.arrays)
        let listed = try annotations?.videos ?? Self.unannotated(parts, options)
        var faults = ImportFaults()
        let (there, missing) = try Self.present(listed, parts, options, &faults)
        var found = try there.compactMap { video in try Self.read(video, parts, &faults) }
        let dimensions = parts.indices.map { part in Self.commonDimension(found.map { $0.files[part] }) }
        if annotations == nil { try Self.requireRowsFirst(found) }
        try Self.requireKnown(options.durationFromFeatures, there)

        var segments = SegmentCheck(classes: annotations?.classes ?? ClassMap(names: []), path: annotationsPath, cuts: options.cutSegments)
        var plans: [VideoPlan] = []
        var checks: [(video: VideoID, rows: RateCheck.Video, file: String)] = []
        for (index, entry) in found.enumerated() {
            let id = entry.video.id
            guard let grid = try faults.attempt(.rate, id, { try Self.grid(entry, options) }) else { continue }
            if annotations == nil || options.durationFromFeatures.contains(id) {
                found[index].video.duration = (Double(max(entry.rows, 1) - 1) * grid.stride + grid.window) / grid.fps
            }
            let video = found[index].video
            let check = RowCountCheck(duration: video.duration, grid: grid)
            let isChecked = annotations != nil && !options.rowsSpanVideo
            guard try faults.attempt(.shape, id, { try Self.checkShapes(entry, dimensions, isChecked ? check : nil) }) != nil else { continue }
            if isChecked, !options.durationFromFeatures.contains(id) {
                checks.append((id, RateCheck.Video(rows: entry.rows, check: check), entry.files[0].path))
            }
            guard let fitted = try faults.attempt(.segment, id, { try segments.fit(video, grid: grid) }) else { continue }
            let (rows, rowGrid) = Self.rescaled(entry.rows, grid, to: options.rescaledRows)
            guard try faults.attempt(.rate, id, { try Self.checkBounds(entry, video.duration, rowGrid) }) != nil else { continue }
            plans.append(VideoPlan(rows: rows, grid: rowGrid, annotation: fitted, file: entry.files[0].path))
        }
        let places = parts.map { Failure.Place.file($0.folder) }
        let rowsAdvice = Self.checkRows(checks, options, places, &faults)
        try faults.check(of: listed.count, at: places) { kind, found in
            switch kind {
            case .rows: rowsAdvice
            case .segment: segments.advice(for: found.map(\.video))
            default: nil
            }
        }
        let lossNotes = try segments.lossNotes()
        videos = plans
        classes = segments.classes
        dimension = dimensions.reduce(0, +)
        partDimensions = dimensions
        self.missing = missing
        files = found.map(\.files)
        notes = lossNotes + segments.notes + Self.cutNotes(found) + (options.rowsSpanVideo ? Self.spanNotes(found) : [])
    }

    // MARK: Videos and files

    /// Every video that has a file in some folder.
    private static func unannotated(_ parts: [FeaturePart], _ options: Options) throws -> [VideoAnnotation] {
        var ids: Set<VideoID> = []
        for part in parts {
            let videos = part.videos()
            guard !videos.isEmpty else { throw part.failureOfNone() }
            ids.formUnion(videos)
        }
        return ids.sorted().map { VideoAnnotation(id: $0, subset: options.subset, duration: 0, fps: options.fps, instances: []) }
    }

    /// The videos whose files are all there, and the others.
    private static func present(
        _ listed: [VideoAnnotation], _ parts: [FeaturePart], _ options: Options, _ faults: inout ImportFaults
    ) throws -> (there: [VideoAnnotation], missing: [VideoID]) {
        var missing: Set<VideoID> = []
        for part in parts {
            let absent = listed.map(\.id).filter { !FileManager.default.fileExists(atPath: part.path($0)) }
            missing.formUnion(absent)
            guard !absent.isEmpty, absent.count == listed.count || !options.allowMissing else { continue }
            let failure = part.failure(missing: absent, of: listed.map(\.id))
            guard absent.count < listed.count else { throw failure }
            faults.addMissing(absent, of: part, failure)
        }
        return (listed.filter { !missing.contains($0.id) }, listed.map(\.id).filter { missing.contains($0) })
    }

    private static func read(_ video: VideoAnnotation, _ parts: [FeaturePart], _ faults: inout ImportFaults) throws -> Found? {
        let files = try parts.compactMap { part in
            try faults.attempt(.file, video.id) { try NumpyFile(path: part.path(video.id), array: part.array) }
        }
        guard files.count == parts.count else { return nil }
        return Found(video: video, files: files)
    }

    /// The most frequent second size; of equally frequent ones the first.
    private static func commonDimension(_ files: [NumpyFile]) -> Int {
        var counts: [Int: Int] = [:]
        for file in files { counts[file.header.columns, default: 0] += 1 }
        let most = counts.values.max() ?? 0
        return files.first { counts[$0.header.columns] == most }?.header.columns ?? 0
    }

    private static func requireKnown(_ names: Set<VideoID>, _ videos: [VideoAnnotation]) throws {
        let strangers = names.subtracting(videos.map(\.id)).sorted().map(\.name)
        guard let first = strangers.first else { return }
        // Of a short name any other is near.
        let near = nearestName(to: first, among: videos.map(\.id.name))
            .flatMap { editDistance($0.lowercased(), first.lowercased()) < first.count ? $0 : nil }
        throw Failure.wrongUsage(
            "--duration-from-features names \(ImportFaults.quoted(strangers, most: 5)), which "
                + "\(strangers.count == 1 ? "has" : "have") no annotations or no features",
            advice: near.map { "did you mean '\($0)'?" } ?? "check the video's name")
    }

    // MARK: Reading

    /// Reads a video's files, joins their columns, and interpolates the rows where `Options.rescaledRows` asks for another number.
    ///
    /// - Throws: `Failure.badInput` for a file that cannot be read whole.
    public func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
        let (parts, to) = (files[index], videos[index].rows)
        let from = parts.map(\.header.rows).min() ?? 0
        if from == to { return try join(parts, rows: from, into: target) }
        try withMemory(from * dimension * 4, for: "the features", of: parts[0].path) { memory in
            let source = memory.bindMemory(to: Float.self, capacity: from * dimension)
            try join(parts, rows: from, into: source)
            RowResampling(rows: from, grid: videos[index].grid, count: to).apply(source, columns: dimension, to: target)
        }
    }

    /// The parts' columns beside each other, [rows, dimension].
    private func join(_ parts: [NumpyFile], rows: Int, into target: UnsafeMutablePointer<Float>) throws {
        if parts.count == 1 { return try parts[0].read(into: target) }
        var first = 0
        for part in parts {
            let columns = part.header.columns
            try withMemory(part.header.rows * columns * 4, for: "the features", of: part.path) { memory in
                let source = memory.bindMemory(to: Float.self, capacity: part.header.rows * columns)
                try part.read(into: source)
                for row in 0..<rows { (target + row * dimension + first).update(from: source + row * columns, count: columns) }
            }
            first += columns
        }
    }

    // MARK: Time

    private static func grid(_ found: Found, _ options: Options) throws -> FeatureGrid {
        let fps = options.fps ?? found.video.fps
        guard !options.rowsSpanVideo else {
            // Places in time follow from the duration alone; without a rate a frame is a second.
            let frames = found.video.duration * (fps ?? 1) / Double(max(found.rows, 1))
            return FeatureGrid(fps: fps ?? 1, stride: frames, window: frames)
        }
        guard let fps else {
            throw Failure.badInput(
                "the annotations do not say the frames per second of this video", at: .video(found.video.id.name), advice: "give --fps")
        }
        return FeatureGrid(fps: fps, stride: options.stride, window: options.window)
    }

    /// What a store takes.
    private static func checkBounds(_ found: Found, _ duration: Double, _ grid: FeatureGrid) throws {
        let places: [Failure.Place] = [.file(found.files[0].path), .video(found.video.id.name)]
        guard duration <= FeatureLimits.duration else {
            throw Failure(
                .badInput, "\(found.rows) rows last \((duration * 10).rounded() / 10) s, more than \(Int(FeatureLimits.duration))", at: places,
                advice: "check --fps, --feature-stride and --window")
        }
        guard max(grid.stride, grid.window) <= FeatureLimits.frames.upperBound else {
            throw Failure(
                .badInput,
                "\(found.rows) rows lie \((grid.stride * 10).rounded() / 10) frames apart, more than \(Int(FeatureLimits.frames.upperBound))",
                at: places, advice: "check the video's duration and the frames per second")
        }
    }

    /// The same frames in another number of rows: neighbouring windows that cover what the original windows saw.
    private static func rescaled(_ rows: Int, _ grid: FeatureGrid, to target: Int?) -> (Int, FeatureGrid) {
        guard let target, target != rows else { return (rows, grid) }
        return (target, RowResampling(rows: rows, grid: grid, count: target).grid)
    }

    /// Rows of every video, then of all together.
    ///
    /// - Returns: what to do about all videos whose rows do not fit.
    private static func checkRows(
        _ checks: [(video: VideoID, rows: RateCheck.Video, file: String)], _ options: Options, _ places: [Failure.Place], _ faults: inout ImportFaults
    ) -> String? {
        let wrong = checks.filter { !$0.rows.check.accepts($0.rows.rows) }
        guard !wrong.isEmpty else {
            let all = RateCheck(checks.map(\.rows))
            if let finding = all.finding { faults.add(all.failure(finding, at: places)) }
            return nil
        }
        let advice = rowsAdvice(checks.map(\.rows), wrong.map { ($0.video, $0.rows) }, options)
        for entry in wrong {
            faults.add(.rows, entry.video, entry.rows.check.failure(rows: entry.rows.rows, video: entry.video, file: entry.file, advice: advice))
        }
        return advice
    }

    /// One guess for all; nil where one video alone was checked.
    private static func rowsAdvice(_ all: [RateCheck.Video], _ wrong: [(video: VideoID, rows: RateCheck.Video)], _ options: Options) -> String? {
        if let rows = options.rescaledRows, wrong.allSatisfy({ $0.rows.rows == rows }) { return RateGuesses.spanAdvice(rows: rows) }
        guard all.count > 1 else { return nil }
        if let advice = RateGuesses(all).advice(explaining: "all \(all.count) videos") { return advice }
        let (these, are) = wrong.count == 1 ? ("this one", "duration is") : ("these \(wrong.count)", "durations are")
        let some = RateGuesses(wrong.map(\.rows)).advice(explaining: wrong.count < all.count ? "\(these), not the others" : "them")
        return (some ?? "check that every file belongs to its video, and with which stride and frames per second it was extracted")
            + "; where the \(are) wrong instead, give --duration-from-features \(NameList.argument(wrong.map(\.video.name)))"
    }
}
