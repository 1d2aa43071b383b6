import Diagnostics
import Foundation
import TemporalAnnotations

/// Whether the rows of all videos together fit stride, window and frames per second.
///
/// `RowCountCheck` must let a video be two rows off, which for a video of four rows is any stride. Of many videos more is known:
/// - how many rows they have beside the two conventions of extractors: most of them must be within one row, and 2 %, of one of the two;
/// - by how many rows longer videos have more: a straight line through (frames / stride, rows), whatever the convention, must rise by 1.
///
/// A few odd videos change neither: the first counts videos, the second leaves out those that lie far off its line.
package struct RateCheck {
    package struct Video {
        package let rows: Int
        package let check: RowCountCheck

        package init(rows: Int, check: RowCountCheck) {
            self.rows = rows
            self.check = check
        }

        var frames: Double { check.frames }
        /// The same rows by another stride, window or rate.
        func with(_ change: (inout FeatureGrid) -> Void) -> Video {
            var grid = check.grid
            change(&grid)
            return Video(rows: rows, check: RowCountCheck(duration: check.duration, grid: grid))
        }
    }

    package enum Finding: Equatable {
        /// So many videos have more rows than one per stride.
        case more(Int)
        /// So many videos have fewer rows than windows lie inside.
        case fewer(Int)
        /// So many videos have fewer rows than one per stride, and more than windows lie inside.
        case between(Int)
        /// A row more for so many times the stride.
        case slope(Double)
    }

    private let videos: [Video]
    /// Seconds to which the durations seem to be rounded: 1, 0.1 or 0.
    private let rounding: Double

    package init(_ videos: [Video]) {
        self.videos = videos
        let durations = videos.map(\.check.duration)
        // Clips that all have one of two lengths were cut so, not rounded.
        let isVaried = Set(durations.prefix(1000)).count > 2
        rounding = !isVaried ? 0 : [1, 0.1].first { unit in durations.allSatisfy { abs($0 / unit - ($0 / unit).rounded()) < 1e-6 } } ?? 0
    }

    /// The rounding of durations in rows.
    private func rounding(_ grid: FeatureGrid) -> Double { rounding * grid.fps / grid.stride }

    /// What does not fit; nil: nothing is seen.
    package var finding: Finding? { levelFinding ?? slopeFinding }

    /// Whether every video fits by itself, and all do together.
    var fits: Bool { videos.allSatisfy { $0.check.accepts($0.rows) } && finding == nil }

    /// Videos whose rows are those of a convention to the row.
    var exact: Int { videos.reduce(0) { $0 + ([$1.check.inside, $1.check.filled].contains(Double($1.rows)) ? 1 : 0) } }

    // MARK: Levels

    private static let fewestForLevel = 3

    private var levelFinding: Finding? {
        guard videos.count >= Self.fewestForLevel else { return nil }
        var (more, fewer, between) = (0, 0, 0)
        for video in videos {
            let rows = Double(video.rows), inside = video.check.inside, filled = video.check.filled
            let tolerance = 1 + 0.02 * filled + 0.5 * rounding(video.check.grid)
            if rows > filled + tolerance { more += 1 }
            if rows < inside - tolerance { fewer += 1 }
            if rows > inside + tolerance, rows < filled - tolerance { between += 1 }
        }
        let most = 3 * videos.count
        if 4 * more >= most { return .more(more) }
        if 4 * fewer >= most { return .fewer(fewer) }
        return 4 * between >= most ? .between(between) : nil
    }

    // MARK: Slope

    private static let fewestForSlope = 8
    /// Rows by which the slope must tell, over all lengths.
    private static let leastEffect = 2.0

    private var slopeFinding: Finding? {
        // What is shorter than a window has one row, or none, whatever the stride.
        let points = videos.filter { $0.frames >= $0.check.grid.window }.map { (x: $0.frames / $0.check.grid.stride, y: Double($0.rows)) }
        guard points.count >= Self.fewestForSlope, let line = Line(points) else { return nil }
        // Lengths that are themselves uncertain flatten the line.
        let blur = rounding(videos[0].check.grid) / line.deviation
        let allowed = 0.02 + line.rounding + 4 * line.error + blur * blur / 12
        let difference = abs(line.slope - 1)
        return difference > allowed && difference * line.range > Self.leastEffect ? .slope(line.slope) : nil
    }

    /// A straight line through most of the points.
    private struct Line {
        let slope: Double
        /// Standard error of the slope, from the points' distances to the line.
        let error: Double
        /// What counting whole rows, up to half a row off, can change of the slope.
        let rounding: Double
        /// Standard deviation and range of x.
        let deviation: Double
        let range: Double

        /// nil where the points do not differ in x.
        init?(_ points: [(x: Double, y: Double)]) {
            var (slope, offset) = (1.0, Self.median(points.map { $0.y - $0.x }))
            var (error, rounding, deviation, range) = (0.0, 0.0, 0.0, 0.0)
            for _ in 0..<10 {
                let distances = points.map { abs($0.y - offset - slope * $0.x) }
                let limit = 4 * max(0.5, 1.4826 * Self.median(distances))
                let kept = zip(points, distances).filter { $1 <= limit }.map(\.0)
                let count = Double(kept.count)
                let (meanX, meanY) = (kept.reduce(0) { $0 + $1.x } / count, kept.reduce(0) { $0 + $1.y } / count)
                let spread = kept.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
                guard kept.count >= RateCheck.fewestForSlope, spread > 1e-9 else { return nil }
                let next = kept.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / spread
                let isSettled = abs(next - slope) < 1e-9
                slope = next
                offset = meanY - slope * meanX
                let squares = kept.reduce(0) { sum, point in
                    let distance = point.y - offset - slope * point.x
                    return sum + distance * distance
                }
                error = (squares / (count - 2) / spread).squareRoot()
                rounding = 0.5 * kept.reduce(0) { $0 + abs($1.x - meanX) } / spread
                deviation = (spread / count).squareRoot()
                range = (kept.map(\.x).max() ?? 0) - (kept.map(\.x).min() ?? 0)
                if isSettled { break }
            }
            (self.slope, self.error, self.rounding, self.deviation, self.range) = (slope, error, rounding, deviation, range)
        }

        private static func median(_ values: [Double]) -> Double {
            let sorted = values.sorted()
            return 0.5 * (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2])
        }
    }

    // MARK: Messages

    /// - Parameter places: where the videos lie.
    func failure(_ finding: Finding, at places: [Failure.Place]) -> Failure {
        let grid = videos[0].check.grid
        let rows = videos.reduce(0) { $0 + $1.rows }
        let inside = short(videos.reduce(0) { $0 + $1.check.inside }), filled = short(videos.reduce(0) { $0 + $1.check.filled })
        let rule = "stride \(short(grid.stride)) and window \(short(grid.window)) give"
        let sum = "\(rows) together, \(inside == filled ? inside : "\(inside) to \(filled)") were expected"
        let what =
            switch finding {
            case .more(let count): "\(count) of \(videos.count) videos have more rows than \(rule): \(sum)"
            case .fewer(let count): "\(count) of \(videos.count) videos have fewer rows than \(rule): \(sum)"
            case .between(let count):
                "\(count) of \(videos.count) videos have fewer rows than one per stride of \(short(grid.stride)), and more than windows of "
                    + "\(short(grid.window)) frames lie inside: \(rows) together, \(inside) or \(filled) were expected"
            case .slope(let slope):
                slope > 0.02
                    ? "longer videos have a row more for every \(short((grid.stride / slope * 100).rounded() / 100)) frames, the stride is "
                        + "\(short(grid.stride)) (\(videos.count) videos were compared)"
                    : "longer videos do not have more rows (\(videos.count) videos were compared)"
            }
        return Failure(
            .badInput, what, at: places,
            advice: RateGuesses(videos).advice(explaining: "them")
                ?? "check with which stride, window and frames per second the features were extracted")
    }
}

/// What would explain the rows of some videos: other strides, windows or rates, or rows that span the video.
struct RateGuesses {
    private let videos: [RateCheck.Video]
    /// At most two that explain the rows equally well.
    let strides: [Double]
    let rates: [Double]
    let windows: [Double]
    /// The number of rows that all videos have, whatever their length.
    let fixedRows: Int?

    init(_ videos: [RateCheck.Video]) {
        self.videos = videos
        let grid = videos[0].check.grid
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        /// The candidates that fit, those first that give most rows to the row; of one video the one nearest to the ideal.
        func best(_ candidates: [Double], ideal: Double, _ change: @escaping (Double, inout FeatureGrid) -> Void) -> (values: [Double], exact: Int) {
            let fitting = candidates.compactMap { candidate -> (value: Double, exact: Int)? in
                let check = RateCheck(videos.map { $0.with { change(candidate, &$0) } })
                return check.fits ? (candidate, check.exact) : nil
            }
            let exact = fitting.map(\.exact).max() ?? 0
            let chosen = videos.count > 1 ? fitting.filter { $0.exact == exact } : fitting
            return (Array(chosen.map(\.value).sorted { abs($0 - ideal) < abs($1 - ideal) }.prefix(videos.count > 1 ? 2 : 1)), exact)
        }
        fixedRows = Self.fixedRows(videos)
        guard fixedRows == nil else {
            (strides, rates, windows) = ([], [], [])
            return
        }
        // All guesses take the middle between windows inside the video and one row per stride.
        let idealStride = median(videos.map { ($0.frames - grid.window / 2) / (Double($0.rows) - 0.5) })
        strides = best(Self.plainStrides, ideal: idealStride) { $1.stride = $0 }.values
        let idealRate = median(videos.map { (Double($0.rows) * grid.stride + (grid.window - grid.stride) / 2) / $0.check.duration })
        // The television rates are guessed only when no plain one fits.
        var found = best(Self.plainRates, ideal: idealRate) { $1.fps = $0 }
        if found.values.isEmpty { found = best([23.976, 29.97, 59.94], ideal: idealRate) { $1.fps = $0 } }
        if !videos.allSatisfy({ $0.check.grid.fps == grid.fps }) { found = ([], 0) }
        // A window that is long enough goes with any rows: it must give nearly all to the row.
        let idealWindow = median(videos.map { $0.frames - (Double($0.rows) - 1) * grid.stride })
        let window: (values: [Double], exact: Int) =
            videos.count > 1 && strides.isEmpty
            ? best(Self.plainWindows, ideal: idealWindow) { $1.window = $0 } : ([], 0)
        windows = 10 * window.exact >= 9 * videos.count ? window.values : []
        rates = windows.isEmpty || found.exact >= window.exact ? found.values : []
    }

    private static let plainWindows = [4, 5, 8, 10, 12, 16, 20, 24, 25, 30, 32, 48, 50, 60, 64, 96, 100, 128].map(Double.init)
    private static let plainStrides = (1...64).map(Double.init)
    private static let plainRates = [10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 100, 120]

    /// As data sets rescaled to a number of rows have it; a few odd videos may have others.
    private static func fixedRows(_ videos: [RateCheck.Video]) -> Int? {
        let counts = Dictionary(grouping: videos, by: \.rows).mapValues(\.count)
        guard videos.count > 1, let (rows, count) = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }), rows > 1,
            10 * count >= 9 * videos.count
        else { return nil }
        let lengths = videos.map(\.check.duration)
        // By any rate the longest has some rows more than the shortest.
        guard let shortest = lengths.min(), let longest = lengths.max(), Double(rows) * (1 - shortest / longest) >= 3 else { return nil }
        return rows
    }

    /// What to do; nil: nothing explains the rows.
    ///
    /// - Parameter them: the word for the videos.
    func advice(explaining them: String) -> String? {
        if let fixedRows { return Self.spanAdvice(rows: fixedRows) }
        return text.map { "check how the features were extracted: \($0) would explain \(them)" }
    }

    static func spanAdvice(rows: Int) -> String {
        "if these \(rows) rows span the video, whatever its length, give --rows-span-video and neither --feature-stride nor --window"
    }

    /// Strides, windows and rates in words; nil: there is none.
    private var text: String? {
        func options(_ name: String, _ values: [Double]) -> String {
            values.map { short($0) }.joined(separator: " or ") + " (" + values.map { "\(name) \(short($0))" }.joined(separator: ", ") + ")"
        }
        var guesses: [String] = []
        if !strides.isEmpty { guesses.append("a stride of " + options("--feature-stride", strides)) }
        if !windows.isEmpty { guesses.append("a window of " + options("--window", windows)) }
        if !rates.isEmpty {
            let names = rates.map { "\(short($0)) fps" }.joined(separator: " or ")
            guesses.append("\(names) (\(rates.map { "--fps \(short($0))" }.joined(separator: ", ")))")
        }
        return guesses.isEmpty ? nil : guesses.joined(separator: " or ")
    }
}
