import Dispatch

/// The peak operations per second of products on this machine, as they are computed here: the reference for steps.
public enum PeakProducts {
    /// A measured speed.
    public struct Speed {
        /// Operations per second, and per second that a thread spends on a processor.
        public var perSecond = 0.0
        /// Less affected by other programs.
        public var perProcessorSecond = 0.0
    }

    /// Of the present precision, backend and thread count, the best of shapes that suit them and of several tries; takes a second
    /// or two.
    public static func measured(tries: Int = 6) -> Speed {
        let precision = ComputeContext.current.precision
        var best = Speed()
        for (input, output, kernel) in [(512, 512, 3), (512, 512, 1), (512, 2048, 1)] {
            let rows = 4096
            let shape = Convolution(input: input, output: output, kernel: kernel, offsets: [0, rows])
            let x = Array(repeating: Float(0.5), count: rows * input), w = Array(repeating: Float(0.25), count: kernel * input * output)
            var y = [Float](repeating: 0, count: rows * output)
            var roundedX: [BFloat16] = [], roundedW: [BFloat16] = []
            if precision == .bfloat16 {
                roundedX = [BFloat16](repeating: 0, count: shape.inputLayout.count)
                roundedW = [BFloat16](repeating: 0, count: w.count)
                shape.inputLayout.convert(x, into: &roundedX)
                convertToBFloat16(w, count: w.count, into: &roundedW)
                let order = shape.forwardWeights
                var packed = [BFloat16](repeating: 0, count: order.count)
                order.pack(roundedW, into: &packed)
                roundedW = packed
            }
            for turn in 0...tries {
                let began = DispatchTime.now().uptimeNanoseconds, processorBegan = KernelCounter.processorSeconds()
                switch precision {
                case .float32: shape.forward(x, w, into: &y)
                case .bfloat16: shape.forward(roundedX, roundedW, into: &y)
                }
                let seconds = Double(DispatchTime.now().uptimeNanoseconds - began) * 1e-9
                let processorSeconds = KernelCounter.processorSeconds() - processorBegan, operations = 2 * Double(rows * kernel * input * output)
                // The first call makes what is kept.
                guard turn > 0 else { continue }
                best.perSecond = max(best.perSecond, operations / seconds)
                best.perProcessorSecond = max(best.perProcessorSecond, operations / processorSeconds)
            }
        }
        return best
    }
}
