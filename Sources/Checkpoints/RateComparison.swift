import Diagnostics
import FeatureStore
import RunRecords
import TemporalAnnotations

/// Compares the rows of some videos, of a store or of a folder, with the rate that a model was trained on.
///
/// What counts is the time from row to row: at twice the rate an action has twice as many rows, and the model, which has learnt how long actions are
/// in rows, no longer finds it. Up to `tolerance` nothing is said (29.97 against 30 frames per second), up to `limit` it is a warning (24 against
/// 25). Where every training video had the same number of rows whatever its length, that number counts instead. The window decides what a row has
/// seen, not how long actions are: another one is a warning.
public struct RateComparison {
    /// Ratios to the nearest rate of the training.
    public static let tolerance = 1.02
    public static let limit = 1.1

    public let rate: FeatureRate
    private let path: String
    private let all: [StoredVideo]
    private let videos: [Int]
    /// Positions in the store of videos beyond `limit`, and of those between.
    public let unfit: [Int]
    public let near: [Int]
    private let otherWindow: [Int]

    /// - Parameters:
    ///   - rate: of the training.
    ///   - store: the store to compare with.
    ///   - videos: positions in the store.
    public init(_ rate: FeatureRate, _ store: FeatureStore, videos: [Int]) {
        self.init(rate, all: store.videos, videos: videos, path: store.path)
    }

    /// - Parameters:
    ///   - rate: of the training.
    ///   - all: the recordings there are.
    ///   - videos: positions among them.
    ///   - path: where they lie, for messages.
    package init(_ rate: FeatureRate, all: [StoredVideo], videos: [Int], path: String) {
        self.rate = rate
        self.path = path
        self.all = all
        self.videos = videos
        if let rows = rate.rowsPerVideo {
            unfit = videos.filter { all[$0].rows != rows }
            (near, otherWindow) = ([], [])
        } else {
            let excess = videos.map { rate.secondsPerRow.excess(of: all[$0].secondsPerRow) }
            unfit = zip(videos, excess).filter { $1 > Self.limit }.map(\.0)
            near = zip(videos, excess).filter { $1 > Self.tolerance && $1 <= Self.limit }.map(\.0)
            otherWindow = videos.filter { video in
                let grid = all[video].grid
                return rate.secondsPerWindow.excess(of: grid.window / grid.fps) > Self.tolerance
            }
        }
    }

    /// What is wrong with the unfit videos, as a sentence; nil when there are none.
    ///
    /// - Parameter model: whose rate it is: "the model was trained on".
    public func difference(model: String = "the model was trained on") -> String? {
        guard !unfit.isEmpty else { return nil }
        if let wanted = rate.rowsPerVideo {
            let rows = unfit.map { all[$0].rows }
            let (least, most) = (rows.min() ?? 0, rows.max() ?? 0)
            return "\(unfit.count) of \(videos.count) videos have \(least == most ? "\(least)" : "\(least) to \(most)") rows, "
                + "\(model) \(wanted) rows per video, whatever its length"
        }
        return "the rows of \(unfit.count) of \(videos.count) videos are \(apart(unfit)) apart, \(model) rows \(rate.secondsPerRow.text) apart"
    }

    private func apart(_ videos: [Int]) -> String { FeatureRate(videos.map { all[$0] })?.secondsPerRow.text ?? "" }

    /// The first unfit video, as the place of an error.
    public var places: [Failure.Place] { unfit.prefix(1).map { .video(all[$0].id.name) } }

    /// What may be wrong; with `resampling` the rows are brought to the rate.
    public func warnings(resampling: Bool) -> [String] {
        var result: [String] = []
        if !near.isEmpty, !resampling {
            result.append(
                "warning: the rows of \(near.count) of \(videos.count) videos are \(apart(near)) apart, the model was trained on rows "
                    + "\(rate.secondsPerRow.text) apart: --resample brings them to that rate")
        }
        if !otherWindow.isEmpty {
            let found = FeatureRate(otherWindow.map { all[$0] })?.secondsPerWindow.text ?? ""
            result.append(
                "warning: the rows of \(otherWindow.count) of \(videos.count) videos see windows of \(found), the model was trained on windows of "
                    + "\(rate.secondsPerWindow.text): use features of the same extractor settings, or correct --window of the import")
        }
        return result
    }

    /// "0.5 s apart", "100 per video": what resampling brings rows to.
    public var target: String { rate.rowsPerVideo.map { "\($0) per video" } ?? "\(FeatureRate.text(rate.secondsPerRow.median)) s apart" }

    /// How a video's rows are brought to the rate.
    ///
    /// - Returns: nil for a video whose rows stand at it.
    /// - Throws: `Failure.badInput` when the result would have too many rows.
    public func resampling(of video: Int) throws -> RowResampling? {
        let stored = all[video]
        if let rows = rate.rowsPerVideo { return stored.rows == rows ? nil : RowResampling(rows: stored.rows, grid: stored.grid, count: rows) }
        guard rate.secondsPerRow.excess(of: stored.secondsPerRow) > Self.tolerance else { return nil }
        guard let result = RowResampling(rows: stored.rows, grid: stored.grid, secondsPerRow: rate.secondsPerRow.median) else {
            throw Failure.badInput(
                "its \(stored.rows) rows, \(FeatureRate.text(stored.secondsPerRow)) s apart, cannot be interpolated to \(target): that were too many",
                at: .file(path), .video(stored.id.name), advice: "extract the features at the rate of the training")
        }
        return result
    }
}

extension Checkpoint {
    /// The rate that the model was trained on, as far as it is known: recorded, or that of the very store it was trained on.
    package func rate(knowing store: FeatureStore) -> FeatureRate? { header.featureRate ?? (header.storeDigest == store.digest ? store.rate : nil) }

    /// Checks, before training continues with the weights, that the store numbers classes as they do and has rows at their rate. Weights that were
    /// imported may come from elsewhere.
    ///
    /// - Throws: `Failure.badInput`.
    package func requireClassesAndRate(of store: FeatureStore) throws {
        guard header.classes == store.classes.names else {
            let place = zip(store.classes.names, header.classes).enumerated().first { $1.0 != $1.1 }
            let detail =
                place.map { "class \($0.offset) is '\($0.element.0)' in the store and '\($0.element.1)' in the checkpoint" }
                ?? "\(store.classes.count) in the store and \(header.classes.count) in the checkpoint"
            throw Failure.badInput(
                "training cannot go on: the store's classes are not those of the checkpoint: \(detail)", at: .file(path), .file(store.path),
                advice: "make the store with the same classes in the same order (import them with --classes)")
        }
        guard let rate = header.featureRate else { return }
        let comparison = RateComparison(rate, store, videos: Array(store.videos.indices))
        guard let difference = comparison.difference(model: "the weights of the checkpoint were trained on") else { return }
        throw Failure(
            .badInput, "training cannot go on: \(difference)", at: [.file(path), .file(store.path)] + comparison.places,
            advice: "make the store at that rate, or import the weights with --rate-of-store to train them on at this one")
    }
}
