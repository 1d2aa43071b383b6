import Kernels

/// The global norm of the gradient, and clipping to it.
///
/// Squares are summed in Double within blocks of fixed size and the blocks in order, so the norm does not depend on the number of threads.
public enum GradientNorm {
    private static let blockElements = 8192

    /// Euclidean norm over the whole array.
    public static func norm(_ gradients: UnsafePointer<Float>, count: Int) -> Double {
        let blocks = (count + blockElements - 1) / blockElements
        guard blocks > 0 else { return 0 }
        let began = KernelCounter.begin()
        defer { KernelCounter.end(began, .optimizer, operations: 2 * count, bytes: 4 * count) }
        let sums = UnsafeMutablePointer<Double>.allocate(capacity: blocks)
        defer { sums.deallocate() }
        Threads.overRanges(blocks, grain: 8) { range in
            for block in range {
                let first = block * blockElements
                sums[block] = sumOfSquares(gradients + first, min(blockElements, count - first))
            }
        }
        var total = 0.0
        for block in 0..<blocks { total += sums[block] }
        return total.squareRoot()
    }

    private static func sumOfSquares(_ values: UnsafePointer<Float>, _ count: Int) -> Double {
        var lanes = SIMD8<Double>()
        var i = 0
        while i + 8 <= count {
            let v = SIMD8<Double>(UnsafeRawPointer(values + i).loadUnaligned(as: SIMD8<Float>.self))
            lanes += v * v
            i += 8
        }
        var total = lanes.sum()
        while i < count {
            total += Double(values[i]) * Double(values[i])
            i += 1
        }
        return total
    }

    /// The factor that `torch.nn.utils.clip_grad_norm_` multiplies gradients with: `min(1, maximum / (norm + 1e-6))`; 1 without a maximum.
    public static func clipFactor(norm: Double, maximum: Double?) -> Float {
        guard let maximum else { return 1 }
        return Float(min(1, maximum / (norm + 1e-6)))
    }
}
