import Foundation

/// Losses of dense detectors, with their gradients.
public enum DetectionLosses {
    /// Sigmoid focal loss with targets in [0, 1], summed (Lin et al., arXiv 1708.02002; the published ActionFormer's `sigmoid_focal_loss`):
    /// `alpha_t (1 - p_t)^gamma CE(x, y)` with `p_t = p y + (1 - p)(1 - y)`, `alpha_t = alpha y + (1 - alpha)(1 - y)`, gamma = 2.
    ///
    /// - Parameters:
    ///   - x: logits, [count].
    ///   - y: targets, [count], in [0, 1].
    ///   - count: number of elements.
    ///   - weights: [count / columns], factors of a row's terms; nil: all 1.
    ///   - classWeights: [columns], factors of a column's terms; nil: all 1.
    ///   - columns: values of a row.
    ///   - alpha: weight of positives; negatives have 1 - alpha.
    ///   - scale: factor of the gradient.
    ///   - gradient: receives `scale` * d loss / d x.
    /// - Returns: the sum of the losses, not scaled.
    public static func sigmoidFocal(
        _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int, weights: UnsafePointer<Float>? = nil,
        classWeights: UnsafePointer<Float>? = nil,
        columns: Int = 1,
        alpha: Float = 0.25, scale: Float, gradient: UnsafeMutablePointer<Float>?
    ) -> Double {
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .loss, operations: 60 * count, bytes: 12 * count) }
        return Threads.sum(count, block: 1 << 13) { range in
            var total = 0.0
            for i in range {
                let x = x[i], y = y[i]
                let e = exp(-abs(x))
                let p = x >= 0 ? 1 / (1 + e) : e / (1 + e)
                let ce = max(x, 0) - x * y + log1p(e)
                let q = 1 - (p * y + (1 - p) * (1 - y))
                let a = alpha * y + (1 - alpha) * (1 - y)
                let weight = (weights?[i / columns] ?? 1) * (classWeights?[i % columns] ?? 1)
                total += Double(weight * (a * q * q * ce))
                if let gradient {
                    // d ce/dx = p - y; d q/dx = (1 - 2 y) p (1 - p).
                    gradient[i] = weight * (scale * a * (q * q * (p - y) + 2 * q * ce * (1 - 2 * y) * p * (1 - p)))
                }
            }
            return total
        }
    }

    /// DIoU loss of segments that share a point, given by their distances to start and end (APL, Eq. 1; the published `ctr_diou_loss_1d`):
    /// `1 - I/U + (rho/c)^2`, summed.
    ///
    /// - Parameters:
    ///   - predicted: distances predicted, [count, 2], not negative.
    ///   - target: true distances, [count, 2], not negative.
    ///   - count: number of segments.
    ///   - weights: [count], factors of the segments' losses; nil: all 1.
    ///   - scale: factor of the gradient.
    ///   - gradient: [count, 2], receives `scale` * d loss / d predicted. Where two distances are equal, min and max share their gradient, as
    ///     PyTorch's do.
    ///   - eps: keeps the union from being 0.
    /// - Returns: the sum of the losses, not scaled.
    public static func distanceIoU(
        _ predicted: UnsafePointer<Float>, _ target: UnsafePointer<Float>, count: Int, weights: UnsafePointer<Float>? = nil, scale: Float,
        gradient: UnsafeMutablePointer<Float>?, eps: Float = 1e-8
    ) -> Double {
        var total = 0.0
        for i in 0..<count {
            let weight = weights?[i] ?? 1
            let lp = predicted[2 * i], rp = predicted[2 * i + 1], lg = target[2 * i], rg = target[2 * i + 1]
            let intersection = min(rp, rg) + min(lp, lg)
            let union = (lp + rp) + (lg + rg) - intersection
            let boundedUnion = max(union, eps)
            let enclosing = max(lp, lg) + max(rp, rg)
            let boundedEnclosing = max(enclosing, eps)
            let rho = 0.5 * (rp - lp - rg + lg)
            let ratio = rho / boundedEnclosing
            total += Double(weight * (1 - intersection / boundedUnion + ratio * ratio))
            guard let gradient else { continue }
            func partial(_ p: Float, _ g: Float, rhoSign: Float) -> Float {
                let dMin: Float = p < g ? 1 : p == g ? 0.5 : 0
                let dMax: Float = p > g ? 1 : p == g ? 0.5 : 0
                let dUnion = union > eps ? 1 - dMin : 0
                let dEnclosing = enclosing > eps ? dMax : 0
                let dIoU = (dMin * boundedUnion - intersection * dUnion) / (boundedUnion * boundedUnion)
                let dRatio = (0.5 * rhoSign * boundedEnclosing - rho * dEnclosing) / (boundedEnclosing * boundedEnclosing)
                return weight * (scale * (-dIoU + 2 * ratio * dRatio))
            }
            gradient[2 * i] = partial(lp, lg, rhoSign: -1)
            gradient[2 * i + 1] = partial(rp, rg, rhoSign: 1)
        }
        return total
    }

    /// tIoU to a power, of segments that share a point, given by their distances to start and end: the factor that ties TriDet's classification to
    /// its regression (the published `(1 - ctr_giou_loss_1d) ** iou_weight_power`).
    ///
    /// - Parameters:
    ///   - predicted: distances predicted, [count, 2], not negative.
    ///   - target: true distances, [count, 2], not negative.
    ///   - count: number of segments.
    ///   - power: of the tIoU.
    ///   - values: [count].
    ///   - gradient: [count, 2], d value / d predicted; equal distances share as in `distanceIoU`. At a tIoU below 1e-6 the slope of the power is
    ///     taken at 1e-6, for it has no bound near 0.
    ///   - eps: keeps the union from being 0.
    public static func overlapPower(
        _ predicted: UnsafePointer<Float>, _ target: UnsafePointer<Float>, count: Int, power: Float, values: UnsafeMutablePointer<Float>,
        gradient: UnsafeMutablePointer<Float>?, eps: Float = 1e-8
    ) {
        for i in 0..<count {
            let lp = predicted[2 * i], rp = predicted[2 * i + 1], lg = target[2 * i], rg = target[2 * i + 1]
            let intersection = min(rp, rg) + min(lp, lg)
            let union = (lp + rp) + (lg + rg) - intersection, boundedUnion = max(union, eps)
            let overlap = intersection / boundedUnion
            values[i] = pow(overlap, power)
            guard let gradient else { continue }
            let slope = power == 0 ? 0 : power * pow(max(overlap, 1e-6), power - 1)
            func partial(_ p: Float, _ g: Float) -> Float {
                let dMin: Float = p < g ? 1 : p == g ? 0.5 : 0
                let dUnion = union > eps ? 1 - dMin : 0
                return slope * (dMin * boundedUnion - intersection * dUnion) / (boundedUnion * boundedUnion)
            }
            gradient[2 * i] = partial(lp, lg)
            gradient[2 * i + 1] = partial(rp, rg)
        }
    }
}
