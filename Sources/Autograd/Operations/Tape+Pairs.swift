import Kernels

extension Tape {
    /// `[a; b] W + bias` for pairs of rows, each row projected once whatever the number of its pairs.
    ///
    /// - Parameters:
    ///   - a: [rows, channels].
    ///   - b: [rows, channels], of the same width.
    ///   - firsts: the pairs' rows in `a`.
    ///   - seconds: the pairs' rows in `b`, as many.
    ///   - weight: [2 * channels, output].
    ///   - bias: [1, output].
    /// - Returns: [pairs, output].
    public func pairedLinear(_ a: Tensor, _ b: Tensor, firsts: [Int], seconds: [Int], weight: Tensor, bias: Tensor) -> Tensor {
        let channels = a.columns, output = weight.columns
        precondition(weight.rows == 2 * channels && b.columns == channels && firsts.count == seconds.count)
        let y = Tensor(rows: firsts.count, columns: output, requiresGradient: isRecording)
        do {
            let projectedA = Tensor(rows: a.rows, columns: output, requiresGradient: false)
            let projectedB = Tensor(rows: b.rows, columns: output, requiresGradient: false)
            computing {
                for (x, projected, begin) in [(a, projectedA, 0), (b, projectedB, channels * output)] {
                    MatrixMultiply.multiply(
                        m: x.rows, n: output, k: channels, x.values, lda: channels, weight.values + begin, ldb: output, into: projected.values,
                        ldc: output)
                }
                PairComparison.sums(
                    projectedA.values, projectedB.values, bias: bias.values, firsts: firsts, seconds: seconds, columns: output, into: y.values)
            }
        }
        record(leaves: [weight, bias]) {
            guard let dy = y.gradient else { return }
            Self.biasGradient(bias, dy, rows: y.rows)
            let (dw, addWeight) = weight.gradientToWrite()
            for (x, members, begin) in [(a, firsts, 0), (b, seconds, channels * output)] {
                let dProjected = Tensor(rows: x.rows, columns: output, requiresGradient: false)
                computing { PairComparison.gatherSums(dy, members: members, columns: output, rows: x.rows, into: dProjected.values) }
                computing {
                    MatrixMultiply.multiply(
                        m: channels, n: output, k: x.rows, x.values, lda: channels, transposeA: true, dProjected.values, ldb: output,
                        into: dw + begin, ldc: output, accumulate: addWeight)
                }
                guard x.requiresGradient else { continue }
                let (dx, add) = x.gradientToWrite()
                computing {
                    MatrixMultiply.multiply(
                        m: x.rows, n: channels, k: output, dProjected.values, lda: output, weight.values + begin, ldb: output, transposeB: true,
                        into: dx, ldc: channels, accumulate: add)
                }
            }
        }
        return y
    }
}
