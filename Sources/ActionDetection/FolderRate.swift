import Diagnostics
import FeatureStore
import TemporalAnnotations

/// How the rows of new features stand in time: as the user says, where not as in the training.
struct FolderRate {
    /// Frames between rows, frames under a row, frames per second.
    let grid: FeatureGrid
    /// Whether nothing was given: the rows are taken to stand as those of the training.
    let isAssumed: Bool

    /// Training rows whose times differ by less than this have one rate.
    private static let tolerance = 1.02

    /// - Parameters:
    ///   - trained: the rate of the training; nil when nobody recorded it.
    ///   - options: what the user gave.
    ///   - checkpoint: its path and writer, for messages.
    /// - Throws: `Failure` when what is given and what is recorded do not say the rate.
    init(_ trained: FeatureRate?, _ options: FolderDetection.Options, checkpoint: (path: String, writer: String)) throws {
        guard let fps = options.fps else {
            if let given = [("--feature-stride", options.stride), ("--window", options.window)].first(where: { $0.1 != nil })?.0 {
                throw Failure.wrongUsage(
                    "\(given) was given without --fps", advice: "give the frames per second too: \(given) counts frames")
            }
            grid = try Self.assumed(trained, checkpoint: checkpoint)
            isAssumed = true
            return
        }
        guard let stride = options.stride ?? trained?.framesPerRow, let window = options.window ?? trained?.framesPerWindow else {
            throw Failure.wrongUsage(
                "the checkpoint, written by \(checkpoint.writer), does not record the frames between the rows of its training and under them, or they "
                    + "differed", at: .file(checkpoint.path), advice: "give --feature-stride and --window with --fps")
        }
        grid = FeatureGrid(fps: fps, stride: stride, window: window)
        isAssumed = false
    }

    private static func assumed(_ trained: FeatureRate?, checkpoint: (path: String, writer: String)) throws -> FeatureGrid {
        guard let trained else {
            throw Failure.wrongUsage(
                "the checkpoint, written by \(checkpoint.writer), does not record how far apart the rows of its training were",
                at: .file(checkpoint.path), advice: "give --fps, --feature-stride and --window")
        }
        if let rows = trained.rowsPerVideo {
            throw Failure.wrongUsage(
                "the model was trained on \(rows) rows per video, whatever its length: such rows do not tell times", at: .file(checkpoint.path),
                advice: "give features at a fixed rate with --fps, --feature-stride, --window and --resample, or import them with the videos' "
                    + "durations (--annotations, --rows-span-video) and detect on the store")
        }
        let times = trained.secondsPerRow
        guard times.greatest <= tolerance * times.least else {
            throw Failure.wrongUsage(
                "the rows of the training were \(times.text) apart: which of these the new ones are is not known", at: .file(checkpoint.path),
                advice: "give the frames per second with --fps")
        }
        return FeatureGrid(fps: 1, stride: times.median, window: trained.secondsPerWindow.median)
    }

    /// What is assumed, for the user; nil: nothing is.
    var note: String? {
        guard isAssumed else { return nil }
        return "the rows are taken to be \(FeatureRate.text(grid.stride)) s apart, each of \(FeatureRate.text(grid.window)) s, as in the training; "
            + "where they are not, give --fps, --feature-stride and --window"
    }
}
