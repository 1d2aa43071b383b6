import Kernels

extension Tape {
    /// Weighted sums of neighbouring rows: `y[g] = sum_k weights[g, k] x[g * each + k]`.
    ///
    /// - Parameters:
    ///   - x: [groups * each, channels].
    ///   - weights: [groups, each], not learnt.
    /// - Returns: [groups, channels].
    public func groupSums(_ x: Tensor, weights: Tensor) -> Tensor {
        let groups = weights.rows, each = weights.columns, channels = x.columns
        precondition(x.rows == groups * each, "\(groups) groups of \(each) rows given \(x.rows)")
        let y = Tensor(rows: groups, columns: channels, requiresGradient: isRecording)
        computing { GroupSums.forward(x.values, weights.values, groups: groups, each: each, channels: channels, into: y.values) }
        guard x.requiresGradient else { return y }
        record {
            guard let dy = y.gradient else { return }
            let (dx, add) = x.gradientToWrite()
            computing { GroupSums.backward(dy, weights.values, groups: groups, each: each, channels: channels, into: dx, add: add) }
        }
        return y
    }

    /// The rows of a, each followed by that of b.
    ///
    /// - Parameters:
    ///   - a: [rows, channels].
    ///   - b: [rows, further channels].
    /// - Returns: [rows, channels + further channels].
    public func joinedColumns(_ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.rows == b.rows, "columns of \(a.rows) and of \(b.rows) rows")
        let y = Tensor(rows: a.rows, columns: a.columns + b.columns, requiresGradient: isRecording), columns = y.columns
        computing {
            for row in 0..<a.rows {
                (y.values + row * columns).update(from: a.values + row * a.columns, count: a.columns)
                (y.values + row * columns + a.columns).update(from: b.values + row * b.columns, count: b.columns)
            }
        }
        record {
            guard let dy = y.gradient else { return }
            for (x, first) in [(a, 0), (b, a.columns)] where x.requiresGradient {
                let (dx, add) = x.gradientToWrite()
                computing {
                    for row in 0..<x.rows {
                        for c in 0..<x.columns {
                            let term = dy[row * columns + first + c], place = row * x.columns + c
                            dx[place] = add ? dx[place] + term : term
                        }
                    }
                }
            }
        }
        return y
    }
}
