import Kernels

extension Tape {
    /// max(x, 0).
    public func relu(_ x: Tensor) -> Tensor {
        let y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: isRecording)
        computing { Activations.relu(x.values, count: x.count, into: y.values) }
        guard x.requiresGradient else { return y }
        record {
            guard let dy = y.gradient else { return }
            let (dx, add) = x.gradientToWrite()
            computing { Activations.reluBackward(dy, y.values, count: x.count, into: dx, add: add) }
        }
        return y
    }

    /// 1 / (1 + e^-x).
    public func sigmoid(_ x: Tensor) -> Tensor {
        let y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: isRecording)
        computing { Activations.sigmoid(x.values, count: x.count, into: y.values) }
        guard x.requiresGradient else { return y }
        record {
            guard let dy = y.gradient else { return }
            let (dx, add) = x.gradientToWrite()
            computing { Activations.sigmoidBackward(dy, y.values, count: x.count, into: dx, add: add) }
        }
        return y
    }

    /// x/2 (1 + erf(x / sqrt 2)).
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - onlyForProducts: nothing but linear layers reads the result: where these round their operands it is made rounded.
    public func gelu(_ x: Tensor, onlyForProducts: Bool = false) -> Tensor {
        let y = result(like: x, onlyForProducts: onlyForProducts)
        computing {
            if let rounded = y.rounded {
                Activations.gelu(x.values, count: x.count, into: rounded.values)
            } else {
                Activations.gelu(x.values, count: x.count, into: y.values)
            }
        }
        guard x.requiresGradient else { return y }
        record {
            guard let dy = y.gradient else { return }
            let (dx, add) = x.gradientToWrite()
            computing { Activations.geluBackward(dy, x.values, count: x.count, into: dx, add: add) }
        }
        return y
    }

    /// x * mask, element by element; dropout's mask holds 0 or 1 / keep probability.
    public func masked(_ x: Tensor, by mask: Tensor) -> Tensor {
        precondition(x.count == mask.count)
        let y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: isRecording)
        computing { Activations.multiply(x.values, mask.values, count: x.count, into: y.values, add: false) }
        guard x.requiresGradient else { return y }
        record {
            guard let dy = y.gradient else { return }
            let (dx, add) = x.gradientToWrite()
            computing { Activations.multiply(dy, mask.values, count: x.count, into: dx, add: add) }
        }
        return y
    }

    /// y = x, and the gradient passes on to x; a constant is added (position encodings).
    ///
    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - constant: [rows, channels], not learnt.
    public func addingConstant(_ x: Tensor, _ constant: Tensor) -> Tensor {
        precondition(x.count == constant.count)
        let y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: isRecording)
        computing { Activations.sum(x.values, constant.values, count: x.count, into: y.values) }
        record {
            guard let dy = y.gradient else { return }
            x.addGradient(dy)
        }
        return y
    }

    /// ReLU(scale(group) * x): the regression head's per-level scale.
    ///
    /// - Parameters:
    ///   - x: [rows, columns].
    ///   - scales: one [1, 1] tensor per group.
    ///   - groupOffsets: rows at which the groups end, first 0.
    public func scaledReLU(_ x: Tensor, scales: [Tensor], groupOffsets: [Int]) -> Tensor {
        precondition(scales.count == groupOffsets.count - 1 && groupOffsets.last == x.rows)
        let y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: isRecording)
        computing {
            for (group, scale) in scales.enumerated() {
                let factor = scale.values[0]
                for i in groupOffsets[group] * x.columns..<groupOffsets[group + 1] * x.columns { y.values[i] = max(0, factor * x.values[i]) }
            }
        }
        record(leaves: scales) {
            guard let dy = y.gradient else { return }
            let dx = x.requiresGradient ? x.gradientToWrite() : nil
            if Rehearsal.isRunning { return }
            for (group, scale) in scales.enumerated() {
                let factor = scale.values[0]
                var total = 0.0
                for i in groupOffsets[group] * x.columns..<groupOffsets[group + 1] * x.columns {
                    let g = y.values[i] > 0 ? dy[i] : 0
                    total += Double(g * x.values[i])
                    if let dx { dx.pointer[i] = dx.add ? dx.pointer[i] + factor * g : factor * g }
                }
                let (ds, add) = scale.gradientToWrite()
                ds[0] = add ? ds[0] + Float(total) : Float(total)
            }
        }
        return y
    }
}

extension Tensor {
    /// Adds (or stores first) an array of this tensor's size to its gradient.
    func addGradient(_ array: UnsafePointer<Float>) {
        guard requiresGradient else { return }
        let (gradient, add) = gradientToWrite()
        if Rehearsal.isRunning { return }
        if add { Activations.add(array, count: count, to: gradient) } else { gradient.update(from: array, count: count) }
    }
}
