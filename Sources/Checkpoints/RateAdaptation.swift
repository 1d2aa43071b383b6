import Autograd
import Detectors
import FeatureStore

/// Resamples recordings to the rate that a model was trained on, one after another as they are read.
public struct RateAdaptation {
    /// By position in the store; those that stand at the rate are left out.
    private var plans: [Int: RowResampling] = [:]

    public var count: Int { plans.count }

    /// - Parameter videos: positions in the store.
    /// - Throws: as `RateComparison.resampling(of:)`.
    package init(_ comparison: RateComparison, videos: [Int]) throws {
        for video in videos { plans[video] = try comparison.resampling(of: video) }
    }

    /// How the recording's rows are brought to the rate; nil when they stay.
    package func resampling(ofVideo video: Int) -> RowResampling? { plans[video] }

    /// Rows of the recording afterwards; nil when they stay.
    package func rows(ofVideo video: Int) -> Int? { plans[video]?.rows }

    /// The recording alone in a batch, its rows and grid at the rate.
    package func adapted(_ batch: PackedBatch, video: Int) -> PackedBatch {
        guard let plan = plans[video] else { return batch }
        let source = batch.features.tensor
        let target = Tensor(rows: plan.rows, columns: source.columns, requiresGradient: false)
        plan.apply(source.values, columns: source.columns, to: target.values)
        var result = batch
        result.features = PackedSequence(target, offsets: [0, plan.rows])
        result.videos[0].grid = plan.grid
        return result
    }
}
