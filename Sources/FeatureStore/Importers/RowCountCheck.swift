import Diagnostics
import Foundation
import TemporalAnnotations

/// Whether a number of feature rows fits the length of a video, and what the likely mistake is when it does not.
///
/// Extractors differ at the ends of a video: some take windows that lie wholly inside, `(frames - window) / stride + 1` rows, some fill up, one row
/// per stride. Both are accepted, and beside them `tolerance(frames / stride)` rows for rounded durations. `RateCheck` judges all videos together.
package struct RowCountCheck {
    package let duration: Double
    package let grid: FeatureGrid

    package init(duration: Double, grid: FeatureGrid) {
        self.duration = duration
        self.grid = grid
    }

    /// Rows accepted beside the exact counts: 2 % of them, at least 2.
    package static func tolerance(_ rows: Double) -> Double { max(2, (0.02 * rows).rounded(.up)) }

    /// Frames of the video, as far as duration and fps tell.
    var frames: Double { duration * grid.fps }
    /// Rows when every window lies inside the video.
    var inside: Double { max(1, ((frames - grid.window) / grid.stride).rounded(.down) + 1) }
    /// Rows when there is one per stride.
    var filled: Double { max(inside, (frames / grid.stride).rounded(.up)) }

    /// The numbers of rows that fit.
    package var accepted: ClosedRange<Int> {
        let tolerance = Self.tolerance(filled)
        return max(1, Self.count(inside - tolerance))...max(1, Self.count(filled + tolerance))
    }

    /// Any number as a count, at most 10^15.
    private static func count(_ number: Double) -> Int { number >= 1e15 ? 1_000_000_000_000_000 : number > 0 ? Int(number) : 0 }

    package func accepts(_ rows: Int) -> Bool { accepted.contains(rows) }

    /// - Parameter advice: what to do, where more is known than this video tells.
    package func failure(rows: Int, video: VideoID, file: String, advice: String? = nil) -> Failure {
        let what =
            "\(rows) rows do not fit \(short(duration)) s at \(short(grid.fps)) fps with stride \(short(grid.stride)) "
            + "and window \(short(grid.window)): \(accepted.lowerBound) to \(accepted.upperBound) rows were expected"
        let seconds = (Double(rows) * grid.stride / grid.fps * 100).rounded() / 100
        return Failure(
            .badInput, what, at: [.file(file), .video(video.name)],
            advice: advice ?? RateGuesses([RateCheck.Video(rows: rows, check: self)]).advice(explaining: "it")
                ?? "check how the features were extracted; the rows would last \(short(seconds)) s, so the file may belong to another video")
    }
}

/// A number as people write it.
func short(_ value: Double) -> String { value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)" }
