import Autograd
import Detectors
import Diagnostics
import FeatureStore
import NeuralNetworks
import PostProcessing
import TemporalAnnotations
import TrainingMethods

/// Detects in one recording after another, each read from its files, whole or in pieces.
final class RecordingDetection {
    private let loaded: LoadedDetector
    private let pieceRows: Int
    /// Says what it finds before suppression; made when the first long recording comes.
    private var pieceDetector: (any AssessedLocalizer)?
    private var pieceArena: ParameterArena?

    /// - Parameters:
    ///   - loaded: the detector.
    ///   - pieceRows: recordings of more rows are detected in pieces of so many, a multiple of `RecordingPieces.unit`.
    init(_ loaded: LoadedDetector, pieceRows: Int) {
        self.loaded = loaded
        self.pieceRows = pieceRows
    }

    /// A recording and where its rows come from.
    struct Source {
        var context: VideoContext
        /// Rows of the features as the detector takes them.
        var rows: Int
        var path: String
        var files: NumpyRecording
        /// How the files' rows are brought to another rate; nil: they stay.
        var resampling: RowResampling?
    }

    /// Best first, in seconds; nil: a signal asked to end.
    ///
    /// - Throws: `Failure.badInput` for features that cannot be read, or hold NaN or infinity.
    func detect(_ source: Source) throws -> [Detection]? {
        let pieces = RecordingPieces(rows: source.rows, length: pieceRows).pieces
        guard pieces.count > 1 else {
            let features = Tensor(rows: source.rows, columns: loaded.dimension, requiresGradient: false)
            try read(0..<source.rows, of: source, into: features.values)
            return try loaded.detector.detect(batch(features, source.context))[0]
        }
        let detector = try detectorOfPieces(source)
        var found: [(detection: AssessedDetection, first: Int)] = []
        var before: (rows: Range<Int>, features: Tensor)?
        for piece in pieces {
            guard Interruption.asked == nil else { return nil }
            let columns = loaded.dimension, features = Tensor(rows: piece.rows.count, columns: columns, requiresGradient: false)
            // What the piece before has read is not read again.
            let old = before.map { piece.rows.clamped(to: $0.rows) } ?? piece.rows.lowerBound..<piece.rows.lowerBound
            if let before, !old.isEmpty {
                features.values.update(
                    from: before.features.values + (old.lowerBound - before.rows.lowerBound) * columns, count: old.count * columns)
            }
            try read(old.upperBound..<piece.rows.upperBound, of: source, into: features.values + old.count * columns)
            before = (piece.rows, features)
            for detection in try detector.detectWithParts(batch(features, source.context))[0] {
                let middle = Double(piece.rows.lowerBound) + 0.5 * (Double(detection.gridSegment.start) + Double(detection.gridSegment.end))
                if piece.core.contains(middle) { found.append((detection, piece.rows.lowerBound)) }
            }
            keepBest(&found)
        }
        return suppressed(found, source.context)
    }

    // MARK: Features

    private func batch(_ features: Tensor, _ context: VideoContext) -> PackedBatch {
        PackedBatch(features: PackedSequence(features, offsets: [0, features.rows]), videos: [context], instances: [[]])
    }

    /// Old rows that are held at once while they are brought to another rate.
    private static let resampledAtOnce = 4096

    private func read(_ range: Range<Int>, of source: Source, into target: UnsafeMutablePointer<Float>) throws {
        let columns = loaded.dimension
        func check(_ values: UnsafePointer<Float>, first: Int, rows: Int) throws {
            try Inference.requireNumbers(
                values, first: first, rows: rows, columns: columns, at: [.file(source.path), .video(source.context.id.name)],
                advice: "extract the features of this recording again, without NaN and infinity")
        }
        guard let plan = source.resampling else {
            try source.files.read(range, into: target)
            return try check(target, first: range.lowerBound, rows: range.count)
        }
        var first = range.lowerBound
        while first < range.upperBound {
            var end = range.upperBound
            while end > first + 1, plan.sources(of: first..<end).count > Self.resampledAtOnce { end = first + (end - first) / 2 }
            let old = plan.sources(of: first..<end)
            let memory = try CheckedMemory.allocate(Float.self, count: old.count * columns, for: "features at another rate")
            defer { memory.deallocate() }
            try source.files.read(old, into: memory)
            try check(memory, first: old.lowerBound, rows: old.count)
            plan.apply(memory, from: old.lowerBound, columns: columns, rows: first..<end, to: target + (first - range.lowerBound) * columns)
            first = end
        }
    }

    // MARK: Pieces

    /// Another detector with the same weights that suppresses nothing.
    private func detectorOfPieces(_ source: Source) throws -> any AssessedLocalizer {
        if let pieceDetector { return pieceDetector }
        var configuration = loaded.configuration
        configuration.test.detection.nmsMethod = .none
        configuration.test.detection.maxSegNum = 0
        let made = try configuration.detector(
            inputDimension: loaded.dimension, classes: loaded.classes.count, origin: .init(name: "the checkpoint", path: loaded.path))
        guard let detector = made as? any AssessedLocalizer else {
            throw Failure.wrongUsage(
                "the detector \(loaded.configuration.model.name) cannot detect in pieces, and the recording has more than \(pieceRows) rows",
                at: .file(source.path), .video(source.context.id.name), advice: "raise --piece-rows")
        }
        let arena = ParameterArena(made)
        arena.values.update(from: loaded.arena.values, count: arena.count)
        (pieceDetector, pieceArena) = (detector, arena)
        return detector
    }

    /// Candidates that a recording keeps, as many as the levels of a pyramid would give in one piece.
    private func keepBest(_ found: inout [(detection: AssessedDetection, first: Int)]) {
        let levels = (loaded.detector as? any LevelFeatures)?.levelCount ?? 1
        let most = loaded.configuration.test.detection.preNMSTopK.multipliedReportingOverflow(by: levels)
        guard !most.overflow, found.count > most.partialValue else { return }
        found = found.enumerated()
            .sorted {
                let (a, b) = ($0.element.detection.detection.score, $1.element.detection.detection.score)
                return a != b ? a > b : $0.offset < $1.offset
            }
            .prefix(most.partialValue).map(\.element)
    }

    /// All pieces' candidates suppressed together.
    private func suppressed(_ found: [(detection: AssessedDetection, first: Int)], _ context: VideoContext) -> [Detection] {
        func whole(_ found: (detection: AssessedDetection, first: Int)) -> GridSegment {
            let segment = found.detection.gridSegment, first = Float(found.first)
            return GridSegment(start: first + segment.start, end: first + segment.end)
        }
        let candidates = found.enumerated().map { index, entry in
            Candidate(
                segment: whole(entry), score: Float(entry.detection.detection.score), label: entry.detection.detection.label, source: index)
        }
        return suppress(candidates, settings: loaded.configuration.test.detection.suppression).map { kept in
            // Float32 counts the rows of a long recording coarsely; ends that voting has not moved are known better.
            let origin = found[kept.source], grid = context.grid
            let isMoved = kept.segment != whole(origin), first = Double(isMoved ? 0 : origin.first)
            let segment = isMoved ? kept.segment : origin.detection.gridSegment
            func seconds(_ position: Float) -> Double { min(max(grid.seconds(atPosition: first + Double(position)), 0), context.duration) }
            return Detection(
                video: context.id, segment: Segment(start: seconds(segment.start), end: seconds(segment.end)), label: kept.label,
                score: Double(kept.score))
        }
    }
}
