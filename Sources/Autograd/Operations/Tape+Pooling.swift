import Kernels

extension Tape {
    /// Max-pooling along time, kernel odd, outputs at every `stride`-th row; what is beyond the ends is ignored.
    ///
    /// - Returns: sequences of ceil(length / stride) rows.
    public func maxPool(_ x: PackedSequence, kernel: Int, stride: Int) -> PackedSequence {
        let input = x.tensor, offsets = x.offsets, channels = x.columns
        let outputOffsets = stridedOffsets(offsets, stride: stride)
        let y = Tensor(rows: outputOffsets[outputOffsets.count - 1], columns: channels, requiresGradient: isRecording)
        // The winners' row numbers, kept in a float buffer of the pool.
        let winners = isRecording && input.requiresGradient ? Tensor(rows: y.rows, columns: channels, requiresGradient: false) : nil
        func rowNumbers(_ tensor: Tensor) -> UnsafeMutablePointer<Int32> {
            UnsafeMutableRawPointer(tensor.values).assumingMemoryBound(to: Int32.self)
        }
        computing {
            Pooling.maxForward(
                input.values, channels: channels, kernel: kernel, stride: stride, offsets: offsets, outputOffsets: outputOffsets, into: y.values,
                winners: winners.map(rowNumbers))
        }
        if let winners {
            record {
                guard let dy = y.gradient else { return }
                let (dx, add) = input.gradientToWrite()
                computing {
                    Pooling.maxBackward(
                        dy, winners: rowNumbers(winners), channels: channels, offsets: offsets, outputOffsets: outputOffsets, into: dx, add: add)
                }
            }
        }
        return PackedSequence(y, offsets: outputOffsets)
    }

    /// Average-pooling along time in windows of `size` rows, one after another; rows beyond the end of a sequence count as zeros.
    ///
    /// - Returns: sequences of ceil(length / size) rows.
    public func averagePool(_ x: PackedSequence, size: Int) -> PackedSequence {
        let input = x.tensor, offsets = x.offsets, channels = x.columns
        let outputOffsets = stridedOffsets(offsets, stride: size)
        let y = Tensor(rows: outputOffsets[outputOffsets.count - 1], columns: channels, requiresGradient: isRecording)
        computing {
            Pooling.averageForward(
                input.values, channels: channels, size: size, offsets: offsets, outputOffsets: outputOffsets, into: y.values)
        }
        if input.requiresGradient {
            record {
                guard let dy = y.gradient else { return }
                let (dx, add) = input.gradientToWrite()
                computing {
                    Pooling.averageBackward(
                        dy, channels: channels, size: size, offsets: offsets, outputOffsets: outputOffsets, into: dx, add: add)
                }
            }
        }
        return PackedSequence(y, offsets: outputOffsets)
    }

    /// fine + nearest up-sampling of coarse: row t gets coarse row t / factor of its sequence.
    public func addingUpsampled(_ fine: PackedSequence, _ coarse: PackedSequence, factor: Int) -> PackedSequence {
        precondition(coarse.offsets == stridedOffsets(fine.offsets, stride: factor), "the coarse level is not \(factor) times coarser")
        let a = fine.tensor, b = coarse.tensor
        let y = Tensor(rows: a.rows, columns: a.columns, requiresGradient: isRecording)
        computing { y.values.update(from: a.values, count: a.count) }
        computing {
            Pooling.addUpsampled(
                b.values, channels: a.columns, factor: factor, offsets: fine.offsets, coarseOffsets: coarse.offsets, to: y.values)
        }
        record {
            guard let dy = y.gradient else { return }
            a.addGradient(dy)
            guard b.requiresGradient else { return }
            let (db, add) = b.gradientToWrite()
            computing {
                Pooling.addUpsampledBackward(
                    dy, channels: a.columns, factor: factor, offsets: fine.offsets, coarseOffsets: coarse.offsets, into: db, add: add)
            }
        }
        return fine.with(y)
    }

    /// The mean over the rows of each sequence: [sequences, channels], every row a sequence of its own.
    public func sequenceMean(_ x: PackedSequence) -> PackedSequence {
        let input = x.tensor, offsets = x.offsets, channels = x.columns
        let y = Tensor(rows: x.count, columns: channels, requiresGradient: isRecording)
        computing { SequenceMean.forward(input.values, channels: channels, offsets: offsets, into: y.values) }
        if input.requiresGradient {
            record {
                guard let dy = y.gradient else { return }
                let (dx, add) = input.gradientToWrite()
                computing { SequenceMean.backward(dy, channels: channels, offsets: offsets, into: dx, add: add) }
            }
        }
        return PackedSequence(y, offsets: Array(0...x.count))
    }
}
