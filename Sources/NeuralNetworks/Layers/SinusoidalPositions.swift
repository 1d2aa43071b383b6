import Autograd
import Foundation

/// Sinusoidal position encoding divided by sqrt(channels), as ActionFormer adds it to the embedding (`use_abs_pe`).
public enum SinusoidalPositions {
    /// - Parameters:
    ///   - length: positions wanted.
    ///   - channels: values of a position, even.
    ///   - tableLength: positions of the table; a longer sequence gets the table stretched linearly (evaluation), as the published code does.
    /// - Returns: [length, channels].
    public static func encoding(length: Int, channels: Int, tableLength: Int) -> [Float] {
        var result = [Float](repeating: 0, count: length * channels)
        result.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress { encode(length: length, channels: channels, tableLength: tableLength, into: base) }
        }
        return result
    }

    /// Like `encoding`, into memory of [length, channels].
    public static func encode(length: Int, channels: Int, tableLength: Int, into result: UnsafeMutablePointer<Float>) {
        let divisor = Float(channels).squareRoot()
        func entry(_ position: Int, _ channel: Int) -> Float {
            let angle = Double(position) / pow(10000, Double(2 * (channel / 2)) / Double(channels))
            return Float(channel % 2 == 0 ? sin(angle) : cos(angle)) / divisor
        }
        for t in 0..<length {
            if length < tableLength {
                for c in 0..<channels { result[t * channels + c] = entry(t, c) }
            } else {
                // Linear interpolation between pixel centres (align_corners false).
                let position = max(0, (Float(t) + 0.5) * Float(tableLength) / Float(length) - 0.5)
                let low = min(Int(position), tableLength - 1), high = min(low + 1, tableLength - 1)
                let weight = position - Float(low)
                for c in 0..<channels { result[t * channels + c] = (1 - weight) * entry(low, c) + weight * entry(high, c) }
            }
        }
    }

    /// The positions of packed sequences, each counted from its own beginning: [rows, channels].
    ///
    /// - Parameters:
    ///   - offsets: rows at which the sequences end, first 0.
    ///   - channels: columns of the result.
    ///   - tableLength: positions of the table, as in `encoding`.
    public static func packed(offsets: [Int], channels: Int, tableLength: Int) -> Tensor {
        let all = Tensor(rows: offsets[offsets.count - 1], columns: channels, requiresGradient: false)
        for b in 0..<offsets.count - 1 where !Rehearsal.isRunning {
            encode(length: offsets[b + 1] - offsets[b], channels: channels, tableLength: tableLength, into: all.values + offsets[b] * channels)
        }
        return all
    }
}
