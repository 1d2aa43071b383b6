import Foundation

/// The element-wise arithmetic of APL's adaptive label quality assessment (Zhou, Williams, Rahmani, ECCV 2024, section 3.1).
public enum QualityAssessment {
    /// tIoU and temporal normalised distance of segments that share a point, given by their distances to start and end (Eq. 1):
    /// `I/U` and `(rho/c)^2`; the DIoU loss is `1 - tIoU + tND`.
    ///
    /// - Parameters:
    ///   - predicted: distances predicted, [count, 2], not negative.
    ///   - target: true distances, [count, 2], not negative.
    ///   - count: number of segments.
    ///   - tiou: receives tIoU, [count].
    ///   - tnd: receives the normalised distance, [count].
    ///   - eps: keeps the union from being 0.
    public static func overlap(
        _ predicted: UnsafePointer<Float>, _ target: UnsafePointer<Float>, count: Int, tiou: UnsafeMutablePointer<Float>,
        tnd: UnsafeMutablePointer<Float>, eps: Float = 1e-8
    ) {
        for i in 0..<count {
            let lp = predicted[2 * i], rp = predicted[2 * i + 1], lg = target[2 * i], rg = target[2 * i + 1]
            let intersection = min(lp, lg) + min(rp, rg)
            tiou[i] = intersection / max((lp + rp) + (lg + rg) - intersection, eps)
            let ratio = 0.5 * ((rp - lp) - (rg - lg)) / max(max(lp, lg) + max(rp, rg), eps)
            tnd[i] = ratio * ratio
        }
    }

    /// 1 / (1 + e^-x), [count].
    public static func sigmoid(_ x: UnsafePointer<Float>, count: Int, into p: UnsafeMutablePointer<Float>) {
        for i in 0..<count {
            let e = exp(-abs(x[i]))
            p[i] = x[i] >= 0 ? 1 / (1 + e) : e / (1 + e)
        }
    }

    /// `P_diou = max(P_tiou - P_tnd, floor)` (Eq. 4), [count].
    public static func reliability(
        tiou: UnsafePointer<Float>, tnd: UnsafePointer<Float>, count: Int, floor: Float, into p: UnsafeMutablePointer<Float>
    ) {
        for i in 0..<count { p[i] = max(tiou[i] - tnd[i], floor) }
    }

    /// Focal loss with soft labels on the joint score `p = sigmoid(x) q`, gamma 2, summed (Eq. 5):
    /// `-alpha_t (y - p)^2 ((1 - y) log(1 - p) + y log p)`, `alpha_t` = alpha where the one-hot is above 1/2, 1 - alpha elsewhere.
    /// Without `factors` it is the loss on the class score alone (`q = 1`).
    ///
    /// - Parameters:
    ///   - x: logits, [points, classes].
    ///   - targets: soft labels, [points, classes].
    ///   - oneHot: [points, classes], 0 or 1.
    ///   - factors: q per point, in (0, 1].
    ///   - points: number of points.
    ///   - classes: number of classes.
    ///   - weights: [points], factors of a point's terms; nil: all 1.
    ///   - classWeights: [classes], factors of a class's terms; nil: all 1.
    ///   - alpha: weight of true classes; others have 1 - alpha.
    ///   - scale: factor of the gradient.
    ///   - gradient: [points, classes], receives `scale` * d loss / d x.
    ///   - factorGradient: [points], receives `scale` * d loss / d q.
    /// - Returns: the sum of the losses, not scaled.
    public static func softFocal(
        _ x: UnsafePointer<Float>, targets: UnsafePointer<Float>, oneHot: UnsafePointer<Float>, factors: UnsafePointer<Float>?, points: Int,
        classes: Int, weights: UnsafePointer<Float>? = nil, classWeights: UnsafePointer<Float>? = nil, alpha: Float, scale: Float,
        gradient: UnsafeMutablePointer<Float>?, factorGradient: UnsafeMutablePointer<Float>?
    ) -> Double {
        return Threads.sum(points, block: 1 << 9) { range in
            var total = 0.0
            for point in range {
                let weight = weights?[point] ?? 1, q = factors?[point] ?? 1, logQ = q == 1 ? 0 : log(q)
                var dq: Float = 0
                for i in point * classes..<(point + 1) * classes {
                    let x = x[i], y = targets[i]
                    let a = (oneHot[i] > 0.5 ? alpha : 1 - alpha) * (classWeights?[i - point * classes] ?? 1)
                    let e = exp(-abs(x)), log1pE = log1p(e)
                    let s = x >= 0 ? 1 / (1 + e) : e / (1 + e), n = x >= 0 ? e / (1 + e) : 1 / (1 + e)
                    let p = s * q
                    // 1 - sq = (1 - s) + s (1 - q): no cancellation.
                    let rest = max(n + s * (1 - q), .leastNormalMagnitude)
                    let logP = min(x, 0) - log1pE + logQ
                    let logRest = q == 1 ? min(-x, 0) - log1pE : p < 0.5 ? log1p(-p) : log(rest)
                    let ce = -((1 - y) * logRest + y * logP), d = p - y
                    total += Double(weight * (a * d * d * ce))
                    // dL/dp = a (2 d ce + d^3 / (p (1 - p))), dp/dx = p n, dp/dq = s.
                    let cubic = d * d * d / rest
                    if let gradient { gradient[i] = weight * (scale * a * (2 * d * ce * p * n + cubic * n)) }
                    dq += a * (2 * d * ce * s + cubic / q)
                }
                if let factorGradient { factorGradient[point] = weight * (scale * dq) }
            }
            return total
        }
    }
}
