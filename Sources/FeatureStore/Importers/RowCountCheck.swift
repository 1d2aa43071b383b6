import Diagnostics
import Foundation
import TemporalAnnotations

/// Whether a number of feature rows fits the length of a video, and what the likely mistake is when it does not.
///
/// Extractors differ at the ends of a video: some take windows that lie wholly inside, `(frames - window) / stride + 1` rows, some fill up, one row
/// per stride. Both are accepted, and beside them `tolerance(frames / stride)` rows for rounded durations.
package struct RowCountCheck {
    package let duration: Double
    package let grid: FeatureGrid

    package init(duration: Double, grid: FeatureGrid) {
        self.duration = duration
        self.grid = grid
    }

    /// Rows accepted beside the exact counts: 2 % of them, at least 2.
    package static func tolerance(_ rows: Double) -> Double { max(2, (0.02 * rows).rounded(.up)) }

    /// The numbers of rows that fit.
    package var accepted: ClosedRange<Int> { Self.accepted(duration: duration, grid: grid) }

    private static func accepted(duration: Double, grid: FeatureGrid) -> ClosedRange<Int> {
        let frames = duration * grid.fps
        let inside = max(1, ((frames - grid.window) / grid.stride).rounded(.down) + 1)
        let filled = max(inside, (frames / grid.stride).rounded(.up))
        return max(1, count(inside - tolerance(filled)))...max(1, count(filled + tolerance(filled)))
    }

    /// Any number as a count, at most 10^15.
    private static func count(_ number: Double) -> Int { number >= 1e15 ? 1_000_000_000_000_000 : number > 0 ? Int(number) : 0 }

    package func accepts(_ rows: Int) -> Bool { accepted.contains(rows) }

    package func failure(rows: Int, video: VideoID, file: String) -> Failure {
        let what =
            "\(rows) rows do not fit \(short(duration)) s at \(short(grid.fps)) fps with stride \(short(grid.stride)) "
            + "and window \(short(grid.window)): \(accepted.lowerBound) to \(accepted.upperBound) rows were expected"
        return Failure(.badInput, what, at: [.file(file), .video(video.name)], advice: advice(rows: rows))
    }

    /// Which stride or fps would explain the number of rows.
    private func advice(rows: Int) -> String {
        var guesses: [String] = []
        let frames = duration * grid.fps
        let strides = (1...64).map(Double.init).filter { stride in
            Self.accepted(duration: duration, grid: FeatureGrid(fps: grid.fps, stride: stride, window: grid.window)).contains(rows)
        }
        // Both guesses take the middle between windows inside the video and one row per stride.
        let ideal = (frames - grid.window / 2) / (Double(rows) - 0.5)
        if let stride = strides.min(by: { abs($0 - ideal) < abs($1 - ideal) }) {
            guesses.append("a stride of \(short(stride)) (--feature-stride \(short(stride)))")
        }
        let idealRate = (Double(rows) * grid.stride + (grid.window - grid.stride) / 2) / duration
        // The television rates are guessed only when no plain one fits.
        for rates in [[10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 100, 120], [23.976, 29.97, 59.94]] {
            let fitting = rates.filter { rate in
                Self.accepted(duration: duration, grid: FeatureGrid(fps: rate, stride: grid.stride, window: grid.window)).contains(rows)
            }
            guard let rate = fitting.min(by: { abs($0 - idealRate) < abs($1 - idealRate) }) else { continue }
            guesses.append("\(short(rate)) fps (--fps \(short(rate)))")
            break
        }
        let check = "check how the features were extracted"
        let seconds = (Double(rows) * grid.stride / grid.fps * 100).rounded() / 100
        return guesses.isEmpty
            ? "\(check); the rows would last \(short(seconds)) s, so the file may belong to another video"
            : "\(check): \(guesses.joined(separator: " or ")) would explain it"
    }

    private func short(_ value: Double) -> String { value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)" }
}
