import Dispatch

/// The most operations per second that products reach on this machine, as they are computed here: what steps are measured against.
public enum PeakProducts {
    /// Operations per second of the present precision, backend and thread count, the best of shapes that suit them and of several tries; takes a second
    /// or two.
    public static func measured(tries: Int = 6) -> Double {
        var best = 0.0
        for (input, output, kernel) in [(512, 512, 3), (512, 512, 1), (512, 2048, 1)] {
            let rows = 4096
            let shape = Convolution(input: input, output: output, kernel: kernel, offsets: [0, rows])
            let x = Array(repeating: Float(0.5), count: rows * input), w = Array(repeating: Float(0.25), count: kernel * input * output)
            var y = [Float](repeating: 0, count: rows * output)
            var roundedX: [BFloat16] = [], roundedW: [BFloat16] = []
            if MatrixMultiply.precision == .bfloat16 {
                roundedX = [BFloat16](repeating: 0, count: shape.inputLayout.count)
                roundedW = [BFloat16](repeating: 0, count: w.count)
                shape.inputLayout.convert(x, into: &roundedX)
                convertToBFloat16(w, count: w.count, into: &roundedW)
            }
            for turn in 0...tries {
                let began = DispatchTime.now().uptimeNanoseconds
                switch MatrixMultiply.precision {
                case .float32: shape.forward(x, w, into: &y)
                case .bfloat16: shape.forward(roundedX, roundedW, into: &y)
                }
                let seconds = Double(DispatchTime.now().uptimeNanoseconds - began) * 1e-9
                // The first call makes what is kept.
                if turn > 0 { best = max(best, 2 * Double(rows * kernel * input * output) / seconds) }
            }
        }
        return best
    }
}
