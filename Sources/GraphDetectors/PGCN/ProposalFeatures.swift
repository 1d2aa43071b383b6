import Autograd
import Foundation
import Kernels
import TemporalAnnotations

/// Features of proposals: the largest values over the rows of a proposal, and of the stretches before and behind it.
///
/// A row stands for the frames [r stride, r stride + window). A stretch takes the rows from that of its first frame to the first one whose window
/// reaches its last frame; where this is none beyond the first row, the first row alone (the published `I3D_Pooling.py`, which never takes the
/// recording's last row; here it is taken).
package struct ProposalFeatures {
    /// [proposals, columns]: of activities.
    package var activity: Tensor
    /// [proposals, 3 columns]: before, within, behind.
    package var completeness: Tensor

    package init(activity: Tensor, completeness: Tensor) {
        self.activity = activity
        self.completeness = completeness
    }

    /// With undefined values.
    package init(proposals: Int, columns: Int) {
        activity = Tensor(rows: proposals, columns: columns, requiresGradient: false)
        completeness = Tensor(rows: proposals, columns: 3 * columns, requiresGradient: false)
    }

    /// A recording's rows and how they stand in time.
    package struct Source {
        /// Maxima over its rows.
        var maxima: RangeMaxima
        var grid: FeatureGrid
        /// Of the recording.
        var frames: Double

        package init(maxima: RangeMaxima, grid: FeatureGrid, frames: Double) {
            self.maxima = maxima
            self.grid = grid
            self.frames = frames
        }
    }

    /// Stores the features of some proposals of one recording.
    ///
    /// - Parameters:
    ///   - proposals: in frames.
    ///   - first: the row that the first of them takes.
    ///   - source: the recording; has rows.
    ///   - margin: of the stretches before and behind, in lengths of the proposal.
    package func fill(_ proposals: [FrameSegment], at first: Int, from source: Source, margin: Double) {
        let columns = activity.columns
        let target = (activity: activity.values, completeness: completeness.values)
        Threads.overRanges(proposals.count, grain: 8) { range in
            for place in range {
                let stretches = Self.stretches(proposals[place], frames: source.frames, margin: margin)
                let wide = target.completeness + (first + place) * 3 * columns
                for (part, stretch) in stretches.enumerated() {
                    source.maxima.maximum(over: Self.rows(of: stretch, grid: source.grid, count: source.maxima.rows), into: wide + part * columns)
                }
                (target.activity + (first + place) * columns).update(from: wide + columns, count: columns)
            }
        }
    }

    /// Before, within, behind, cut to the recording.
    static func stretches(_ proposal: FrameSegment, frames: Double, margin: Double) -> [FrameSegment] {
        let reach = margin * proposal.length
        return [
            FrameSegment(start: max(0, proposal.start - reach).rounded(.down), end: proposal.start), proposal,
            FrameSegment(start: proposal.end, end: min(frames, proposal.end + reach).rounded(.down)),
        ]
    }

    /// The rows of a stretch; at least one.
    package static func rows(of stretch: FrameSegment, grid: FeatureGrid, count: Int) -> Range<Int> {
        let most = Double(count - 1)
        let first = Int(min(max((stretch.start / grid.stride).rounded(.down), 0), most))
        let last = Int(min(max(((stretch.end - grid.window) / grid.stride).rounded(.up), 0), most))
        return first..<max(first, last) + 1
    }
}
